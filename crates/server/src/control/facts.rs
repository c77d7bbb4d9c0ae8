//! What is so whether the application runs or not: settings, certificates, the surroundings.

use control::reply::Refusal;
use control::request::Request;
use serde_json::{Value, json};
use service::config::{ENVIRONMENT_PREFIX, Setting};
use service::tls;

use crate::config::{SETTINGS, ServeConfig};

/// The answer, when the request is about such things.
pub(super) fn answer(config: &ServeConfig, request: &Request) -> Option<Result<Value, Refusal>> {
    match request {
        Request::Settings => Some(Ok(settings(config))),
        Request::Certificates => Some(Ok(certificates(config))),
        Request::Environment => Some(Ok(environment())),
        _ => None,
    }
}

/// Every setting with its value; what is secret is not told.
fn settings(config: &ServeConfig) -> Value {
    let mut config = config.clone();
    let row = |row: &Setting<ServeConfig>| {
        let value = (row.field)(&mut config).toml();
        let shown = match row.secret {
            true => value.map(|_| "(secret)".to_owned()),
            false => value,
        };
        (row.name.to_owned(), json!(shown))
    };
    Value::Object(SETTINGS.table.iter().map(row).collect())
}

/// The certificates of the TLS listeners and of the authorities for clients, or why they cannot be read.
fn certificates(config: &ServeConfig) -> Value {
    let files = [&config.tls_cert, &config.tls_ca];
    let now_ms = crate::shard::unix_ms();
    let found = files.into_iter().flatten().flat_map(|file| match tls::valid_until(file) {
        Err(error) => vec![json!({ "file": file, "error": error.to_string() })],
        Ok(until) => {
            let one = |until_ms: u64| {
                json!({
                    "file": file,
                    "until": service::time::rfc3339(until_ms),
                    "seconds_left": (until_ms as i64 - now_ms as i64) / 1000,
                })
            };
            until.into_iter().map(one).collect()
        }
    });
    found.collect()
}

/// The variables that this process may have been started with. Values are shown of those that are
/// known to hold no secret.
fn environment() -> Value {
    let is_ours = |name: &str| name.starts_with(ENVIRONMENT_PREFIX) || is_of_rabbitmq(name);
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str().filter(|name| is_ours(name))?.to_owned();
        let value = value.to_string_lossy();
        let shown = if is_secret(&name, &value) { "(set)" } else { &value };
        let shown = json!(shown);
        Some((name, shown))
    });
    Value::Object(variables.collect())
}

fn is_of_rabbitmq(name: &str) -> bool {
    name.starts_with("RABBITMQ_")
}

/// Settings of what runs beside the broker are not known here, and so are all secret.
fn is_secret(name: &str, value: &str) -> bool {
    let has_credentials = value.contains("://") && value.contains('@');
    let is_row = |row: &Setting<ServeConfig>| {
        let mut names = row.also.iter().chain([&row.name]);
        !row.secret && names.any(|known| SETTINGS.spelling.variable(known) == name)
    };
    has_credentials
        || match is_of_rabbitmq(name) {
            // Arguments for Erlang may set its cookie.
            true => name.contains("PASS") || [name, value].iter().any(|text| names_cookie(text)),
            false => !SETTINGS.table.iter().any(is_row),
        }
}

fn names_cookie(text: &str) -> bool {
    text.to_ascii_lowercase().contains("cookie")
}
