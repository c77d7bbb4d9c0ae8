//! What stands behind the `?` of an address, and keys as text.

use crate::message::Key;

/// A key as text: `<due_ms>-<seq>`.
pub(super) fn key_text(key: Key) -> String {
    format!("{}-{}", key.due_ms, key.seq)
}

/// Reads a key, or says what was expected.
pub(super) fn parse_key(text: &str) -> Result<Key, String> {
    let number = |text: &str| -> Option<u64> {
        // `parse` takes a plus sign as well, and a key has one spelling.
        let plain =
            text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        plain.then(|| text.parse().ok()).flatten()
    };
    let parsed = text
        .split_once('-')
        .and_then(|(due, seq)| Some(Key { due_ms: number(due)?, seq: number(seq)? }));
    parsed.ok_or_else(|| {
        format!(
            "expected a key such as 1795338487006-42, as the list of messages has it, got {text:?}"
        )
    })
}

/// The parameters of a request; names are those that its path knows, values any bytes.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(&'static str, Vec<u8>)>);

impl Query {
    /// Reads `name=value&…`, where values are percent-encoded and `+` is a space. Unknown and
    /// repeated names are refused: a mistyped `mesage_id` must not mean all messages.
    pub(super) fn parse(text: &str, known: &[&'static str]) -> Result<Query, String> {
        let mut query = Query::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = known.iter().find(|known| **known == name) else {
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                return Err(format!("unknown parameter {name:?}; known here: {known}"));
            };
            if query.get(name).is_some() {
                return Err(format!("the parameter {name} is there twice"));
            }
            query.0.push((
                *name,
                decode(value).ok_or_else(|| {
                    format!("the value of {name} is not percent-encoded: {value:?}")
                })?,
            ));
        }
        Ok(query)
    }

    /// The bytes of a parameter that is there.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_slice())
    }

    /// A parameter read by `read`, whose refusal is told with the parameter's name.
    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = str::from_utf8(value).map_err(|_| format!("{name}: not UTF-8"))?;
        read(text).map(Some).map_err(|reason| format!("{name}: {reason}"))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
