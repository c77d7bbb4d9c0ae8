//! The `x-delayed-message` type: what its declare asks for, and what a message's `x-delay` means.
//!
//! The exchange routes as the type in `x-delayed-type` does; a message whose `x-delay` is above zero is held back that many
//! milliseconds first. What is held back is the business of [`crate::delayed`].

use amqp::value::{RawTable, Table, Value};

use crate::Millis;
use crate::exchange::Kind;
use crate::queue::args::MILLIS_MAX;

/// The argument that names the type it routes as.
pub const DELAYED_TYPE: &str = "x-delayed-type";
/// The header with the delay in milliseconds.
pub const X_DELAY: &str = "x-delay";

/// The longest delay, in milliseconds: ten years, as for every time that users give.
pub const DELAY_MAX: Millis = MILLIS_MAX;

/// The type that the exchange routes as; an error is the plugin's text.
pub fn inner(arguments: &Table) -> Result<Kind, String> {
    let Some(name) = arguments.get(DELAYED_TYPE).and_then(Value::as_bytes) else {
        return Err(format!(
            "Invalid argument, '{DELAYED_TYPE}' must be an existing exchange type"
        ));
    };
    let name = String::from_utf8_lossy(name);
    match Kind::parse(&name) {
        Some(Kind::Delayed) => Err(format!(
            "Invalid argument, '{}' can't be used for '{DELAYED_TYPE}'",
            Kind::Delayed.name()
        )),
        Some(kind) => Ok(kind),
        None => Err(format!("unknown exchange type '{name}'")),
    }
}

/// What a message asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delay {
    /// Nothing: it is routed at once. Also zero and less, which is what a message has after its delay.
    None,
    /// This many milliseconds.
    Wait(Millis),
    /// Longer than [`DELAY_MAX`].
    TooLong,
    /// A text that is no number. The plugin ends the connection with an internal error.
    NoNumber,
}

/// The delay in a message's headers: an integer of any width, a decimal text, or a float, which is cut. Other types mean
/// nothing, as in the plugin.
pub fn delay(headers: Option<RawTable<'_>>) -> Delay {
    match header(headers) {
        Some(value) => meaning(&value),
        None => Delay::None,
    }
}

/// The header's value; none when the headers cannot be read, for which their publisher was refused before.
fn header(headers: Option<RawTable<'_>>) -> Option<Value> {
    let mut fields = headers?.fields().map_while(Result::ok);
    fields.find(|field| field.key == X_DELAY.as_bytes())?.decode().ok()
}

fn meaning(value: &Value) -> Delay {
    let millis = match value {
        Value::F32(float) => float_millis(f64::from(*float)),
        Value::F64(float) => float_millis(*float),
        Value::LongStr(text) | Value::Bytes(text) => match text_millis(text) {
            Some(millis) => millis,
            None => return Delay::NoNumber,
        },
        integer => integer.as_i64().unwrap_or(0),
    };
    match Millis::try_from(millis) {
        Err(_) | Ok(0) => Delay::None,
        Ok(millis) if millis > DELAY_MAX => Delay::TooLong,
        Ok(millis) => Delay::Wait(millis),
    }
}

/// What is no number counts as zero; what is too large for the type is too long anyway.
fn float_millis(float: f64) -> i64 {
    float as i64
}

/// Decimal digits with or without a sign.
fn text_millis(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?;
    let (digits, sign) = match text.strip_prefix('-') {
        Some(digits) => (digits, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(i64::MAX) * sign)
}

/// Turns the header into what a delivered message has: the delay below zero, so that nothing delays it again and its
/// consumer sees what it was. The type is RabbitMQ's where the number fits.
pub fn spend(headers: &mut Table) {
    let waited = match headers.get(X_DELAY).map(meaning) {
        Some(Delay::Wait(millis)) => millis,
        Some(Delay::TooLong) => DELAY_MAX,
        _ => return,
    };
    let spent = -(waited as i64);
    headers.insert(X_DELAY, i32::try_from(spent).map_or(Value::I64(spent), Value::I32));
}

#[cfg(test)]
mod tests;
