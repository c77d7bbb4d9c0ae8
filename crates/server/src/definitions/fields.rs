//! The fields of one object of a definitions file, read with an eye on what people and old versions
//! write.

use std::borrow::Cow;

use amqp::value::Table;
use serde_json::{Map, Value as Json};

use super::DefinitionsError;
use crate::json::table_from_json;

/// The longest name of AMQP 0-9-1, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Objects and arrays in each other below a field; what a table on the wire may have, with some to spare.
const DEPTH_MAX: usize = 32;
/// Fields of which nothing is shown, as refusals are logged.
const SECRET: [&str; 2] = ["password", "password_hash"];
/// A value that does not fit is shown by this many characters.
const SHOWN_CHARS_MAX: usize = 60;

/// One object and where it stands.
pub(super) struct Fields<'a> {
    /// For messages: `queues[2] 'orders'`.
    pub(super) place: String,
    map: Cow<'a, Map<String, Json>>,
}

impl<'a> Fields<'a> {
    /// The objects of the list `key`; none when there is no such list.
    pub(super) fn list(
        file: &'a Map<String, Json>,
        key: &'static str,
    ) -> Result<Vec<Fields<'a>>, DefinitionsError> {
        let refused = |place: String, json: &Json, expected: &str| {
            let reason = unexpected(expected, json);
            DefinitionsError::Form { place, reason }
        };
        let items = match file.get(key) {
            None | Some(Json::Null) => return Ok(Vec::new()),
            Some(Json::Array(items)) => items,
            Some(other) => return Err(refused(key.to_owned(), other, "a list")),
        };
        let object = |(index, item): (usize, &'a Json)| match item {
            Json::Object(map) => {
                let named =
                    ["name", "user", "source"].iter().find_map(|key| map.get(*key)?.as_str());
                let named = named.map(|name| format!(" '{name}'")).unwrap_or_default();
                Ok(Fields { place: format!("{key}[{index}]{named}"), map: Cow::Borrowed(map) })
            }
            other => Err(refused(format!("{key}[{index}]"), other, "an object")),
        };
        items.iter().enumerate().map(object).collect()
    }

    /// One object by itself.
    pub(super) fn of(place: &str, json: &Json) -> Result<Fields<'static>, DefinitionsError> {
        let place = place.to_owned();
        match object(json) {
            Some(map) => Ok(Fields { place, map: Cow::Owned(map) }),
            None => {
                let reason = unexpected("an object", json);
                Err(DefinitionsError::Form { place: format!("{place}: field 'value'"), reason })
            }
        }
    }

    /// The refusal of a field.
    pub(super) fn refused(&self, field: &str, reason: &str) -> DefinitionsError {
        let place = format!("{}: field '{field}'", self.place);
        DefinitionsError::Form { place, reason: reason.to_owned() }
    }

    fn unexpected(&self, field: &str, expected: &str, json: &Json) -> DefinitionsError {
        match SECRET.contains(&field) {
            true => self.refused(field, &format!("expected {expected}")),
            false => self.refused(field, &unexpected(expected, json)),
        }
    }

    fn found(&self, field: &str) -> Option<&Json> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// Whether the object has the field.
    pub(super) fn has(&self, field: &str) -> bool {
        self.found(field).is_some()
    }

    /// The field, whatever it is.
    pub(super) fn value(&self, field: &str) -> Result<&Json, DefinitionsError> {
        self.map.get(field).ok_or_else(|| self.refused(field, "missing"))
    }

    /// Text that must be there.
    pub(super) fn text(&self, field: &str) -> Result<String, DefinitionsError> {
        match self.value(field)? {
            Json::String(text) => Ok(text.clone()),
            other => Err(self.unexpected(field, "a text", other)),
        }
    }

    /// Text that may be missing.
    pub(super) fn text_or(&self, field: &str, default: &str) -> Result<String, DefinitionsError> {
        if self.has(field) { self.text(field) } else { Ok(default.to_owned()) }
    }

    /// Text that fits a short string and need not be there.
    pub(super) fn short(&self, field: &str) -> Result<String, DefinitionsError> {
        let text = self.text_or(field, "")?;
        if text.len() > NAME_BYTES_MAX {
            let reason = format!("{} bytes are too long: at most {NAME_BYTES_MAX}", text.len());
            return Err(self.refused(field, &reason));
        }
        Ok(text)
    }

    /// A name: text that must be there and is not empty.
    pub(super) fn name(&self, field: &str) -> Result<String, DefinitionsError> {
        self.text(field)?;
        match self.short(field)? {
            name if name.is_empty() => Err(self.refused(field, "must not be empty")),
            name => Ok(name),
        }
    }

    /// True or false, or the words for it.
    pub(super) fn flag_or(&self, field: &str, default: bool) -> Result<bool, DefinitionsError> {
        match self.found(field) {
            None => Ok(default),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(Json::String(text)) if text == "true" => Ok(true),
            Some(Json::String(text)) if text == "false" => Ok(false),
            Some(other) => Err(self.unexpected(field, "true or false", other)),
        }
    }

    /// A whole number, or its digits as text.
    pub(super) fn whole_or(&self, field: &str, default: i64) -> Result<i64, DefinitionsError> {
        let Some(found) = self.found(field) else { return Ok(default) };
        whole(found).ok_or_else(|| self.unexpected(field, "a whole number", found))
    }

    /// Words: a list of texts, or one text with commas.
    pub(super) fn words(&self, field: &str) -> Result<Vec<String>, DefinitionsError> {
        let trimmed = |text: &str| text.trim().to_owned();
        let mut words: Vec<String> = match self.found(field) {
            None => Vec::new(),
            Some(Json::String(text)) => text.split(',').map(trimmed).collect(),
            Some(Json::Array(items)) => {
                let word = |item: &Json| match item {
                    Json::String(text) => Ok(trimmed(text)),
                    other => Err(self.unexpected(field, "texts", other)),
                };
                items.iter().map(word).collect::<Result<_, _>>()?
            }
            Some(other) => return Err(self.unexpected(field, "a list of texts", other)),
        };
        words.retain(|word| !word.is_empty());
        Ok(words)
    }

    /// An object. Where Erlang kept a list of pairs, RabbitMQ 3.10 writes `[["key", value], …]`, and `[]` for
    /// one without fields.
    pub(super) fn object(&self, field: &str) -> Result<Map<String, Json>, DefinitionsError> {
        let Some(found) = self.found(field) else { return Ok(Map::new()) };
        object(found).ok_or_else(|| self.unexpected(field, "an object", found))
    }

    /// The same as fields of their own.
    pub(super) fn inner(&self, field: &str) -> Result<Fields<'static>, DefinitionsError> {
        let place = format!("{}: {field}", self.place);
        Ok(Fields { place, map: Cow::Owned(self.object(field)?) })
    }

    /// An object as a field table, which every peer can read.
    pub(super) fn table(&self, field: &str) -> Result<Table, DefinitionsError> {
        let map = self.object(field)?;
        let depth = 1 + map.values().map(depth).max().unwrap_or(0);
        if depth > DEPTH_MAX {
            let reason = format!("{depth} levels are too deep: at most {DEPTH_MAX}");
            return Err(self.refused(field, &reason));
        }
        if let Some(key) = map.values().find_map(long_key).or_else(|| own_long_key(&map)) {
            let reason = format!("the key '{}' is too long", shown(key));
            return Err(self.refused(field, &reason));
        }
        Ok(table_from_json(&map))
    }
}

/// An object, or the pairs that stand for one.
pub(super) fn object(json: &Json) -> Option<Map<String, Json>> {
    let pair = |item: &Json| match item.as_array()?.as_slice() {
        [Json::String(key), value] => Some((key.clone(), value.clone())),
        _ => None,
    };
    match json {
        Json::Object(map) => Some(map.clone()),
        Json::Array(items) => items.iter().map(pair).collect(),
        _ => None,
    }
}

/// A whole number, or its digits as text.
pub(super) fn whole(json: &Json) -> Option<i64> {
    match json {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Levels of objects and arrays. The parser has bounded them.
fn depth(json: &Json) -> usize {
    match json {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn own_long_key(map: &Map<String, Json>) -> Option<&str> {
    map.keys().find(|key| key.len() > NAME_BYTES_MAX).map(String::as_str)
}

fn long_key(json: &Json) -> Option<&str> {
    match json {
        Json::Array(items) => items.iter().find_map(long_key),
        Json::Object(map) => own_long_key(map).or_else(|| map.values().find_map(long_key)),
        _ => None,
    }
}

fn unexpected(expected: &str, json: &Json) -> String {
    format!("expected {expected}, got {}", shown(&json.to_string()))
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
