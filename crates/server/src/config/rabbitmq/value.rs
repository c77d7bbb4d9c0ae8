//! RabbitMQ's values as settings write them. Each function reads one value, or says what was expected.

use std::net::IpAddr;

use service::config::{Scalar, Size};
use service::tls::Version;

use crate::config::mechanism::Mechanism;

/// As it is: the setting itself says what it takes.
pub(super) fn same(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// `true`/`false`, and RabbitMQ's other words for them.
pub(super) fn flag(text: &str) -> Result<String, String> {
    match text {
        "true" | "on" | "enabled" => Ok("true".to_owned()),
        "false" | "off" | "disabled" => Ok("false".to_owned()),
        _ => Err(format!("expected true or false, got \"{text}\"")),
    }
}

/// Milliseconds, as a duration.
pub(super) fn milliseconds(text: &str) -> Result<String, String> {
    match text.parse::<u64>() {
        Ok(number) => Ok(format!("{number}ms")),
        Err(_) => Err(format!("expected a number of milliseconds, got \"{text}\"")),
    }
}

/// Milliseconds that may be `undefined`, as a duration that is 0 then.
pub(super) fn milliseconds_or_none(text: &str) -> Result<String, String> {
    if text == "undefined" { Ok("0s".to_owned()) } else { milliseconds(text) }
}

/// A number that may be `infinity`, which is 0.
pub(super) fn unlimited(text: &str) -> Result<String, String> {
    Ok(if text == "infinity" { "0".to_owned() } else { text.to_owned() })
}

/// A number that may be `infinity`: as many as there can be.
pub(super) fn count(text: &str) -> Result<String, String> {
    match text {
        "infinity" => Ok(u32::MAX.to_string()),
        _ => Ok(text.to_owned()),
    }
}

/// A number that is unlimited at 0: the greatest channel number.
pub(super) fn channels(text: &str) -> Result<String, String> {
    Ok(if text == "0" { u16::MAX.to_string() } else { text.to_owned() })
}

/// Bytes of a frame, unlimited at 0: 128 MiB.
pub(super) fn frame(text: &str) -> Result<String, String> {
    let bytes = Size::parse(text)?.0;
    Ok(if bytes == 0 { (128 << 20).to_string() } else { bytes.to_string() })
}

/// A size: bytes, or with a unit such as `2GB`. A size may be written with a space before its unit.
pub(super) fn size(text: &str) -> Result<String, String> {
    Size::parse(&text.replace(' ', "")).map(|size| size.0.to_string())
}

/// A part of the memory, which may be all of it: always with a point, so that it is no size.
pub(super) fn part(text: &str) -> Result<String, String> {
    match text.parse::<f64>() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(format!("{part:?}")),
        _ => Err(format!("expected a part of the memory from 0.0 to 1.0, got \"{text}\"")),
    }
}

/// A part of the memory that may be more than all of it.
pub(super) fn multiple(text: &str) -> Result<String, String> {
    match text.parse::<f64>() {
        Ok(part) if part.is_finite() && part >= 0.0 => Ok(format!("{part:?}")),
        _ => Err(format!("expected a number such as 1.5, got \"{text}\"")),
    }
}

/// A listener: a port of every address, or an address and a port.
pub(super) fn listener(_: &str, text: &str) -> Result<Option<String>, String> {
    let expected = || format!("expected a port, or an address and a port, got \"{text}\"");
    if text == "none" {
        return Ok(None);
    }
    if text.parse::<u16>().is_ok() {
        return Ok(Some(format!("*:{text}")));
    }
    // RabbitMQ takes an IPv6 address without brackets as well.
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    port.parse::<u16>().map_err(|_| expected())?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let host = match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => host.to_owned(),
    };
    Ok(Some(format!("{host}:{port}")))
}

/// A host, with brackets around an IPv6 address.
pub(super) fn host(text: &str) -> Result<String, String> {
    match text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => Ok(format!("[{address}]")),
        Ok(IpAddr::V4(address)) => Ok(address.to_string()),
        Err(_) => Ok(text.to_owned()),
    }
}

/// A port.
pub(super) fn port(text: &str) -> Result<String, String> {
    match text.parse::<u16>() {
        Ok(port) => Ok(port.to_string()),
        Err(_) => Err(format!("expected a port from 0 to 65535, got \"{text}\"")),
    }
}

/// The key's last part, if the value is true.
pub(super) fn member(last: &str, text: &str) -> Result<Option<String>, String> {
    Ok((flag(text)? == "true").then(|| last.to_owned()))
}

/// A mechanism of the login, by name.
pub(super) fn mechanism(_: &str, text: &str) -> Result<Option<String>, String> {
    Mechanism::parse(text).map(|mechanism| Some(mechanism.name().to_owned()))
}

/// A version of TLS; the words of those that are not safe are refused.
pub(super) fn tls_version(_: &str, text: &str) -> Result<Option<String>, String> {
    Version::parse(text).map(|_| Some(text.to_ascii_lowercase()))
}

/// A level of RabbitMQ's log.
pub(super) fn level(text: &str) -> Result<String, String> {
    let level = match text {
        "debug" | "info" | "error" => text,
        "notice" => "info",
        "warning" => "warn",
        "critical" | "alert" | "emergency" => "error",
        "none" => "off",
        _ => {
            return Err(format!(
                "expected debug, info, notice, warning, error, critical, alert, emergency or none, got \"{text}\""
            ));
        }
    };
    Ok(level.to_owned())
}

/// The form of RabbitMQ's log.
pub(super) fn formatter(text: &str) -> Result<String, String> {
    match text {
        "plaintext" => Ok("text".to_owned()),
        "json" => Ok("json".to_owned()),
        _ => Err(format!("expected plaintext or json, got \"{text}\"")),
    }
}
