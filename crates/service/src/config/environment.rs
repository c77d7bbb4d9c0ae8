//! The environment layer: variables with a prefix of ours, files that hold secrets, and the surroundings'
//! own variables that stand in for a default.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use super::{Assignment, ConfigError, Origin, Settings, Sources, Spelling};

/// Behind a prefix: names the configuration file, as `--config` does.
const CONFIG: &str = "CONFIG";

/// The file that `LEVERET_CONFIG` names, or the variable with another prefix.
pub(super) fn config_file(spelling: &Spelling, sources: &Sources) -> Option<PathBuf> {
    let named = spelling.prefixes.iter().rev().filter_map(|prefix| {
        let variable = format!("{prefix}{CONFIG}");
        sources.environment.iter().find(|(name, _)| *name == *variable)
    });
    named.map(|(_, value)| PathBuf::from(value)).find(|path| !path.as_os_str().is_empty())
}

/// What variables of the surroundings say in place of a default; `…_FILE` names a file that says it.
pub(super) fn fallbacks<C>(
    settings: &Settings<C>,
    sources: &Sources,
) -> Result<Vec<Assignment>, ConfigError> {
    let find = |wanted: &str| {
        let (_, value) = sources.environment.iter().find(|(found, _)| found == wanted)?;
        value.to_str().filter(|value| !value.is_empty())
    };
    let mut found = Vec::new();
    for setting in settings.table {
        let Some(variable) = setting.fallback_variable else { continue };
        let file = format!("{variable}_FILE");
        let (value, variable) = match (find(variable), find(&file)) {
            // systemd parts several directories by colons; the first one is the daemon's own.
            (Some(value), _) if variable.ends_with("_DIRECTORY") => {
                (value.split(':').next().unwrap_or(value).to_owned(), variable.to_owned())
            }
            (Some(value), _) => (value.to_owned(), variable.to_owned()),
            (None, Some(path)) => (secret_file(path)?, file),
            (None, None) => continue,
        };
        found.push(Assignment {
            name: setting.name.to_owned(),
            values: vec![value],
            origin: Origin::Environment(variable),
        });
    }
    Ok(found)
}

/// Every variable that starts with `prefix`, by name.
pub(super) fn assignments(prefix: &str, sources: &Sources) -> Result<Vec<Assignment>, ConfigError> {
    let mut found = Vec::new();
    for (key, value) in &sources.environment {
        let Some(key) = key.to_str() else { continue };
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        if rest == CONFIG || is_service_link(rest, value) {
            continue;
        }
        found.push(Assignment {
            name: rest.to_ascii_lowercase(),
            values: vec![text_of(key, value)?],
            origin: Origin::Environment(key.to_owned()),
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn text_of(key: &str, value: &OsStr) -> Result<String, ConfigError> {
    let text = value.to_str().map(str::to_owned);
    text.ok_or_else(|| ConfigError::Read {
        what: "the environment variable",
        path: PathBuf::from(key),
        source: std::io::Error::other("its value is not UTF-8"),
    })
}

/// The file's text without the newline at its end, which editors add.
pub(super) fn secret_file(path: &str) -> Result<String, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        what: "the secret in",
        path: PathBuf::from(path),
        source,
    })?;
    Ok(text
        .strip_suffix('\n')
        .map(|t| t.strip_suffix('\r').unwrap_or(t))
        .unwrap_or(&text)
        .to_owned())
}

/// Kubernetes gives every pod variables for each service of its namespace: with a service named
/// `leveret…` they start with our prefix (`LEVERET_SERVICE_HOST`, `LEVERET_PORT_5672_TCP_ADDR`).
/// A bare `…_PORT` is one only with an address: `LEVERET_…_WWW_PORT=8080` is a setting.
fn is_service_link(rest: &str, value: &OsStr) -> bool {
    let is_address = || value.to_string_lossy().contains("://");
    let parts: Vec<&str> = rest.split('_').collect();
    let is_port = |i: usize| match &parts[i + 1..] {
        [] => is_address(),
        [number, protocol, ..] => {
            number.bytes().all(|b| b.is_ascii_digit())
                && matches!(*protocol, "TCP" | "UDP" | "SCTP")
        }
        [_] => false,
    };
    parts.iter().enumerate().any(|(i, part)| match *part {
        "SERVICE" => matches!(parts.get(i + 1), Some(&"HOST" | &"PORT")),
        "PORT" => is_port(i),
        _ => false,
    })
}
