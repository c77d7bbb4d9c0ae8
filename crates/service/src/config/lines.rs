//! Files of `name: value` lines, as Copernica's programs read them. `#` begins a comment at the
//! start of a line or after a space; a value in quotes may hold anything.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{Assignment, ConfigError, Origin, quoted};

/// What `text`, the file at `path`, assigns, by line.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Assignment>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(n, line)| (n + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refused = |reason: &str| ConfigError::Syntax {
            path: path.to_owned(),
            line: number,
            reason: reason.to_owned(),
        };
        let (name, value) =
            line.split_once(':').ok_or_else(|| refused("expected `name: value`"))?;
        let name = name.trim_end();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(refused("expected `name: value`, with the colon behind the name"));
        }
        let value = unquoted(value.trim_start())
            .ok_or_else(|| refused("the value begins with a quote, but is not one quoted text"))?;
        let origin = Origin::File { path: path.to_owned(), line: number };
        found.push(Assignment { name: name.to_owned(), values: vec![value], origin });
    }
    Ok(found)
}

/// The value without quotes and comment; `None` when quotes do not end, or not at the end.
fn unquoted(value: &str) -> Option<String> {
    if value.starts_with(['"', '\'']) {
        let line = format!("v = {value}");
        let table = DeTable::parse(&line).ok()?;
        return match table.get_ref().get("v")?.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        };
    }
    if value.starts_with('#') {
        return Some(String::new());
    }
    let comment = value.match_indices('#').find(|(at, _)| value[..*at].ends_with([' ', '\t']));
    Some(comment.map_or(value, |(at, _)| &value[..at]).trim_end().to_owned())
}

/// A value that is TOML as such a file spells it: without quotes where none are needed, lists with
/// commas.
pub(super) fn spelled(toml: &str) -> String {
    let line = format!("v = {toml}");
    let table = DeTable::parse(&line).expect("fields print themselves as TOML");
    let value = table.get_ref().get("v").expect("the key is v").get_ref().clone();
    let plain = |value: &DeValue<'_>| match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => toml.to_owned(),
    };
    let text = match &value {
        DeValue::Array(items) => {
            items.iter().map(|item| plain(item.get_ref())).collect::<Vec<_>>().join(", ")
        }
        other => plain(other),
    };
    let read_back = !text.contains(char::is_control) && unquoted(&text).as_deref() == Some(&text);
    if read_back && !text.is_empty() && text.trim() == text { text } else { quoted(&text) }
}
