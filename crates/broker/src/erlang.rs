//! Values as Erlang prints them, which is what RabbitMQ's texts and events show of them.

use std::fmt::{self, Display, Formatter};

use amqp::value::{Table, Value};

/// What a value was before it was AMQP's, and who reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A field of a client's table: `<<"text">>`, and its tables and arrays name the types of what is in them.
    Field,
    /// JSON, as in a policy: objects are maps, and lists of printable characters are texts.
    Json,
    /// The same as `Field`, but a text alone is that text.
    Plain,
}

/// A value that prints itself.
pub(crate) struct Term<'a>(pub(crate) &'a Value, pub(crate) Shown);

/// `<<"text">>`, or `<<>>`, when it can be printed, else its bytes.
pub(crate) struct Binary<'a>(pub(crate) &'a [u8]);

/// A field with its type: `{<<"x-max-length">>,signedint,5}`.
pub(crate) struct Field<'a>(pub(crate) &'a [u8], pub(crate) &'a Value);

/// Settings of a policy: `[{<<"key">>,value}]`.
pub(crate) struct Settings<'a>(pub(crate) &'a [&'a (Vec<u8>, Value)]);

impl Display for Term<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let &Term(value, shown) = self;
        match value {
            Value::Bool(yes) => write!(f, "{yes}"),
            Value::F32(x) => write!(f, "{:?}", f64::from(*x)),
            Value::F64(x) => write!(f, "{x:?}"),
            Value::Timestamp(seconds) => write!(f, "{seconds}"),
            Value::Decimal { scale, value } => write!(f, "{{{scale},{value}}}"),
            Value::Void => f.write_str(if shown == Shown::Json { "null" } else { "undefined" }),
            Value::LongStr(bytes) | Value::Bytes(bytes) if shown == Shown::Plain => {
                f.write_str(&String::from_utf8_lossy(bytes))
            }
            Value::LongStr(bytes) | Value::Bytes(bytes) => Binary(bytes).fmt(f),
            Value::Table(table) => fmt_table(table, shown, f),
            Value::Array(values) => fmt_array(values, shown, f),
            number => write!(f, "{}", number.as_i64().unwrap_or_default()),
        }
    }
}

impl Display for Binary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match str::from_utf8(self.0) {
            Ok("") => f.write_str("<<>>"),
            Ok(text) if !text.contains(char::is_control) => {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"");
                let unicode = if text.is_ascii() { "" } else { "/utf8" };
                write!(f, "<<\"{text}\"{unicode}>>")
            }
            _ => {
                f.write_str("<<")?;
                separated(self.0, f, |byte, f| write!(f, "{byte}"))?;
                f.write_str(">>")
            }
        }
    }
}

impl Display for Field<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let &Field(name, value) = self;
        write!(f, "{{{},{},{}}}", Binary(name), value.type_name(), Term(value, Shown::Field))
    }
}

impl Display for Settings<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        separated(self.0, f, |(key, value), f| {
            write!(f, "{{{},{}}}", Binary(key), Term(value, Shown::Json))
        })?;
        f.write_str("]")
    }
}

fn fmt_table(table: &Table, shown: Shown, f: &mut Formatter<'_>) -> fmt::Result {
    if shown == Shown::Json {
        f.write_str("#{")?;
        separated(&table.0, f, |(key, value), f| {
            write!(f, "{} => {}", Binary(key), Term(value, shown))
        })?;
        return f.write_str("}");
    }
    f.write_str("[")?;
    separated(&table.0, f, |(name, value), f| Field(name, value).fmt(f))?;
    f.write_str("]")
}

fn fmt_array(values: &[Value], shown: Shown, f: &mut Formatter<'_>) -> fmt::Result {
    if shown == Shown::Json && is_text(values) {
        let text = values.iter().filter_map(Value::as_i64).map(|n| char::from(n as u8));
        return write!(f, "\"{}\"", text.collect::<String>());
    }
    f.write_str("[")?;
    separated(values, f, |value, f| match shown {
        Shown::Json => Term(value, shown).fmt(f),
        _ => write!(f, "{{{},{}}}", value.type_name(), Term(value, Shown::Field)),
    })?;
    f.write_str("]")
}

/// Erlang takes a list of the codes of printable characters for a text.
fn is_text(values: &[Value]) -> bool {
    let printable = |value: &Value| value.as_i64().is_some_and(|n| (32..127).contains(&n));
    !values.is_empty() && values.iter().all(printable)
}

fn separated<T>(
    items: &[T],
    f: &mut Formatter<'_>,
    show: impl Fn(&T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        show(item, f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
