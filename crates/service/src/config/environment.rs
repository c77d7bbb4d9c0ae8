//! The environment layer: `LEVERET_…` variables, files that hold secrets, and the surroundings'
//! own variables that stand in for a default.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use super::{Assignment, ConfigError, ENVIRONMENT_PREFIX, Origin, Settings, Sources, variable};

/// Names the configuration file, as `--config` does.
const CONFIG_VARIABLE: &str = "LEVERET_CONFIG";

/// The file that `LEVERET_CONFIG` names.
pub(super) fn config_file(sources: &Sources) -> Option<PathBuf> {
    let (_, value) = sources.environment.iter().find(|(name, _)| name == CONFIG_VARIABLE)?;
    (!value.is_empty()).then(|| PathBuf::from(value))
}

/// What variables of the surroundings say in place of a default.
pub(super) fn fallbacks<C>(settings: &Settings<C>, sources: &Sources) -> Vec<Assignment> {
    let rows = settings.table.iter().filter_map(|s| Some((s.name, s.fallback_variable?)));
    rows.filter_map(|(name, variable)| {
        let (_, value) = sources.environment.iter().find(|(found, _)| found == variable)?;
        let mut value = value.to_str().filter(|v| !v.is_empty())?;
        if variable.ends_with("_DIRECTORY") {
            // systemd parts several directories by colons; the first one is the daemon's own.
            value = value.split(':').next().unwrap_or(value);
        }
        Some(Assignment {
            name: name.to_owned(),
            values: vec![value.to_owned()],
            origin: Origin::Environment(variable.to_owned()),
        })
    })
    .collect()
}

/// Every `LEVERET_…` variable, by name. `LEVERET_<SECRET>_FILE` is replaced by the file's text.
pub(super) fn assignments<C>(
    settings: &Settings<C>,
    sources: &Sources,
) -> Result<Vec<Assignment>, ConfigError> {
    let mut found = Vec::new();
    for (key, value) in &sources.environment {
        let Some(key) = key.to_str() else { continue };
        let Some(rest) = key.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        if key == CONFIG_VARIABLE || is_service_link(rest) {
            continue;
        }
        let origin = Origin::Environment(key.to_owned());
        let secret =
            settings.table.iter().find(|s| s.secret && format!("{}_FILE", variable(s.name)) == key);
        let (name, text) = match secret {
            Some(setting) => (setting.name.to_owned(), secret_file(value)?),
            None => (rest.to_ascii_lowercase(), text_of(key, value)?),
        };
        found.push(Assignment { name, values: vec![text], origin });
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
fn secret_file(path: &OsStr) -> Result<String, ConfigError> {
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
fn is_service_link(rest: &str) -> bool {
    let parts: Vec<&str> = rest.split('_').collect();
    let is_port = |i: usize| match &parts[i + 1..] {
        [] => true,
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
