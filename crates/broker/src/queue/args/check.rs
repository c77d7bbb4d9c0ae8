//! One value against what its argument must be; texts are RabbitMQ's.

use amqp::value::{Table, Value};

use crate::erlang::{Shown, Term};

use super::{ArgError, MILLIS_MAX, Ty};

/// One value against its type.
pub(super) fn check(
    name: &'static str,
    ty: Ty,
    value: &Value,
    table: &Table,
) -> Result<(), ArgError> {
    let why = match ty {
        Ty::Anything => None,
        Ty::Exchange if !is_string(value) => {
            return Err(ArgError::Type { name, ty: value.type_name() });
        }
        Ty::Exchange => None,
        Ty::DeadLetterKey => check_string(value).or_else(|| {
            let alone = table.get("x-dead-letter-exchange").is_none();
            alone.then(|| "routing_key_but_no_dlx_defined".to_owned())
        }),
        Ty::Bool => {
            let wrong = !matches!(value, Value::Bool(_));
            wrong.then(|| unacceptable(value))
        }
        Ty::OneOf(words, term) => check_string(value).or_else(|| {
            let known = value.as_str().is_some_and(|word| words.contains(&word));
            (!known).then(|| term.to_owned())
        }),
        Ty::Mode => check_string(value).or_else(|| {
            let known = matches!(value.as_str(), Some("default" | "lazy"));
            (!known).then(|| format!("\"unsupported queue mode '{}'\"", Term(value, Shown::Plain)))
        }),
        Ty::QueueType => check_string(value).or_else(|| check_queue_type(value)),
        Ty::Integer
        | Ty::Count
        | Ty::CountAboveZero
        | Ty::Millis
        | Ty::MillisAboveZero
        | Ty::Priority
        | Ty::Version => check_integer(ty, value),
    };
    why.map_or(Ok(()), |why| Err(ArgError::Invalid { name, why }))
}

fn is_string(value: &Value) -> bool {
    matches!(value, Value::LongStr(_))
}

fn unacceptable(value: &Value) -> String {
    format!("{{unacceptable_type,{}}}", value.type_name())
}

fn check_string(value: &Value) -> Option<String> {
    (!is_string(value)).then(|| unacceptable(value))
}

fn check_queue_type(value: &Value) -> Option<String> {
    let name = String::from_utf8_lossy(value.as_bytes().unwrap_or_default());
    match &*name {
        "classic" | "quorum" => None,
        "stream" => Some(
            "\"queue type 'stream' is not supported yet, use 'quorum' or 'classic'\"".to_owned(),
        ),
        _ => Some(format!("\"unsupported queue type '{name}'\"")),
    }
}

fn check_integer(ty: Ty, value: &Value) -> Option<String> {
    let Some(n) = value.as_i64() else {
        return Some(format!("\"expected integer, got {}\"", value.type_name()));
    };
    match ty {
        Ty::MillisAboveZero | Ty::CountAboveZero if n == 0 => Some("{value_zero,0}".to_owned()),
        Ty::Integer => None,
        _ if n < 0 => Some(format!("{{value_negative,{n}}}")),
        Ty::Millis | Ty::MillisAboveZero if n as u64 > MILLIS_MAX => {
            Some(format!("{{value_too_large,{n}}}"))
        }
        Ty::Priority if n > 255 => Some(format!("{{max_value_exceeded,{n}}}")),
        Ty::Version if n != 1 && n != 2 => Some(format!("\"unsupported queue version '{n}'\"")),
        _ => None,
    }
}
