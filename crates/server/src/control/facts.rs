//! What is so whether the application runs or not: settings, certificates, the surroundings.

use control::reply::Refusal;
use control::request::Request;
use serde_json::{Value, json};
use service::config::Setting;
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

/// The certificates of the TLS listeners and of the authorities for clients.
fn certificates(config: &ServeConfig) -> Value {
    let files = [&config.tls_cert, &config.tls_ca];
    let now_ms = crate::shard::unix_ms();
    let found = files.into_iter().flatten().flat_map(|file| {
        let until = tls::valid_until(file).unwrap_or_default();
        until.into_iter().map(move |until_ms| {
            json!({
                "file": file,
                "until": service::time::rfc3339(until_ms),
                "seconds_left": (until_ms as i64 - now_ms as i64) / 1000,
            })
        })
    });
    found.collect()
}

/// The variables that this process may have been started with; none of a password.
fn environment() -> Value {
    let is_ours = |name: &str| name.starts_with("LEVERET_") || name.starts_with("RABBITMQ_");
    let is_secret = |name: &str| name.contains("PASS") || name.contains("COOKIE");
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?.to_owned();
        let value = value.to_string_lossy().into_owned();
        (is_ours(&name) && !is_secret(&name)).then(|| (name, json!(value)))
    });
    Value::Object(variables.collect())
}
