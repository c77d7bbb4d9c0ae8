//! Values as Erlang prints them (`~p`), for RabbitMQ's validation texts.

use std::fmt::{self, Display, Formatter};

use amqp::value::{Table, Value};

/// A value that prints itself.
pub(super) struct Term<'a>(pub(super) &'a Value);

/// Several settings: `[{<<"key">>,value}]`.
pub(super) struct Settings<'a>(pub(super) &'a [&'a (Vec<u8>, Value)]);

struct Binary<'a>(&'a [u8]);

impl Display for Term<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Bool(yes) => write!(f, "{yes}"),
            Value::F32(x) => write!(f, "{x:?}"),
            Value::F64(x) => write!(f, "{x:?}"),
            Value::Void => f.write_str("null"),
            Value::Table(table) => map(table, f),
            Value::Array(values) if is_text(values) => {
                let text = values.iter().filter_map(Value::as_i64).map(|n| char::from(n as u8));
                write!(f, "\"{}\"", text.collect::<String>())
            }
            Value::Array(values) => {
                f.write_str("[")?;
                separated(values, f, |value, f| Term(value).fmt(f))?;
                f.write_str("]")
            }
            other => match (other.as_i64(), other.as_bytes()) {
                (Some(n), _) => write!(f, "{n}"),
                (None, Some(bytes)) => Binary(bytes).fmt(f),
                (None, None) => write!(f, "{other:?}"),
            },
        }
    }
}

impl Display for Settings<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        separated(self.0, f, |(key, value), f| write!(f, "{{{},{}}}", Binary(key), Term(value)))?;
        f.write_str("]")
    }
}

impl Display for Binary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.0).replace('\\', "\\\\").replace('"', "\\\"");
        if text.is_empty() {
            return f.write_str("<<>>");
        }
        let unicode = if text.is_ascii() { "" } else { "/utf8" };
        write!(f, "<<\"{text}\"{unicode}>>")
    }
}

/// Erlang takes a list of the codes of printable characters for a text.
fn is_text(values: &[Value]) -> bool {
    let printable = |value: &Value| value.as_i64().is_some_and(|n| (32..127).contains(&n));
    !values.is_empty() && values.iter().all(printable)
}

fn map(table: &Table, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("#{")?;
    separated(&table.0, f, |(key, value), f| write!(f, "{} => {}", Binary(key), Term(value)))?;
    f.write_str("}")
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
