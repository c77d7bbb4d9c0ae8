//! The lines of a `rabbitmq.conf`: `key = value`, comments from `#`, values in single quotes for what
//! holds a `#`, `$(NAME)` for the environment's variables.

use std::ffi::OsString;
use std::path::Path;

use service::config::{ConfigError, Origin};

/// One line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// As written, parts joined by dots.
    pub(super) key: String,
    /// Without quotes, variables put in.
    pub(super) value: String,
    /// Where it stands.
    pub(super) origin: Origin,
}

impl Line {
    /// The last part of the key: `guest` of `loopback_users.guest`.
    pub(super) fn last_part(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or_default()
    }
}

/// The variables that `$(NAME)` may name.
type Environment = [(OsString, OsString)];

/// Everything that `text`, the file at `path`, says.
pub(super) fn lines(
    path: &Path,
    text: &str,
    environment: &Environment,
) -> Result<Vec<Line>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let refused =
            |reason: String| ConfigError::Syntax { path: path.to_owned(), line: number, reason };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = pair(line)
            .ok_or_else(|| refused("expected `key = value`, or # before a comment".to_owned()))?;
        let value = unquoted(value).map_err(|reason| refused(reason.to_owned()))?;
        let value = interpolated(&value, environment).map_err(refused)?;
        let origin = Origin::File { path: path.to_owned(), line: number };
        found.push(Line { key: key.to_owned(), value, origin });
    }
    Ok(found)
}

/// Key and value of a line, the value with quotes and comment.
pub(super) fn pair(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim_end();
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| !c.is_whitespace() && !"=#'\"$()[]".contains(c))
    };
    key.split('.').all(is_part).then(|| (key, value.trim_start()))
}

/// The value without quotes and comment.
fn unquoted(value: &str) -> Result<String, &'static str> {
    if let Some(quoted) = value.strip_prefix('\'') {
        let Some((inner, rest)) = quoted.split_once('\'') else {
            return Err("the value begins with a quote that does not end");
        };
        let rest = rest.trim_start();
        if !rest.is_empty() && !rest.starts_with('#') {
            return Err("something stands behind the quoted value");
        }
        return Ok(inner.to_owned());
    }
    let value = value.split('#').next().unwrap_or_default().trim_end();
    match value {
        "" => Err("a value is missing behind `=`"),
        value => Ok(value.to_owned()),
    }
}

/// The value with `$(NAME)` replaced.
fn interpolated(value: &str, environment: &Environment) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, from)) = rest.split_once("$(") {
        let Some((name, after)) = from.split_once(')') else { break };
        let found = environment.iter().find(|(variable, _)| variable == name);
        let Some(text) = found.and_then(|(_, value)| value.to_str()) else {
            return Err(format!("$({name}): there is no environment variable {name}"));
        };
        out.push_str(before);
        out.push_str(text);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
