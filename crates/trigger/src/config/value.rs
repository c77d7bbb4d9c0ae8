//! Settings with a form of their own: secrets, keys, lists whose items may hold commas.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

use service::config::{Elsewhere, Field, Scalar, Shape, quoted};

use super::words::ExitMeaning;

/// Where a secret comes from. `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Secret {
    /// There is none.
    #[default]
    None,
    /// Written into the configuration itself.
    Inline(String),
    /// The first line of a file, read again when the file changes.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::None => f.write_str("None"),
            Secret::Inline(_) => f.write_str("Inline(***)"),
            Secret::File(path) => write!(f, "File({})", path.display()),
            Secret::Environment(name) => write!(f, "Environment({name})"),
        }
    }
}

/// A part of a message by which messages belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The property `message-id`.
    MessageId,
    /// The property `correlation-id`.
    CorrelationId,
    /// The routing key.
    RoutingKey,
    /// A header: `headers.NAME`.
    Header(String),
}

/// Texts of which none is parted at commas: the program and its arguments, or variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(
    /// In order.
    pub Vec<String>,
);

impl Deref for Texts {
    type Target = Vec<String>;

    fn deref(&self) -> &Vec<String> {
        &self.0
    }
}

impl<T: Into<String>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Texts {
        Texts(texts.into_iter().map(Into::into).collect())
    }
}

/// Names and values of HTTP headers, `Name: value` each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(
    /// In order; a name may come again.
    pub Vec<(String, String)>,
);

impl Deref for Headers {
    type Target = Vec<(String, String)>;

    fn deref(&self) -> &Vec<(String, String)> {
        &self.0
    }
}

/// What some exit codes mean, `CODE=MEANING` each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitCodes(
    /// In order; a code comes once.
    pub Vec<(u8, ExitMeaning)>,
);

impl Deref for ExitCodes {
    type Target = Vec<(u8, ExitMeaning)>;

    fn deref(&self) -> &Vec<(u8, ExitMeaning)> {
        &self.0
    }
}

/// The empty text is no secret. What is printed never shows one.
impl Field for Secret {
    fn set(&mut self, raw: &[String]) -> Result<(), String> {
        *self = match only(raw)? {
            "" => Secret::None,
            text => Secret::Inline(text.to_owned()),
        };
        Ok(())
    }

    fn refer(&mut self, to: Elsewhere, at: &str) -> Option<Result<(), String>> {
        if at.is_empty() {
            return Some(Err("expected the name of a file or a variable".into()));
        }
        *self = match to {
            Elsewhere::File => Secret::File(at.into()),
            Elsewhere::Environment => Secret::Environment(at.to_owned()),
        };
        Some(Ok(()))
    }

    fn toml(&self) -> Option<String> {
        match self {
            Secret::None => None,
            Secret::Inline(_) => Some("\"***\"".into()),
            Secret::File(path) => Some(format!("{{ file = {} }}", quoted(&path.to_string_lossy()))),
            Secret::Environment(name) => Some(format!("{{ env = {} }}", quoted(name))),
        }
    }

    fn shape(&self) -> Shape {
        Shape::One
    }

    fn may_hold_password(&self) -> bool {
        true
    }

    fn is_masked(&self) -> bool {
        matches!(self, Secret::Inline(_))
    }
}

const KEY_WORDS: [(&str, KeySource); 3] = [
    ("message_id", KeySource::MessageId),
    ("correlation_id", KeySource::CorrelationId),
    ("routing_key", KeySource::RoutingKey),
];

impl Scalar for KeySource {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("headers.").filter(|name| !name.is_empty()) {
            return Ok(KeySource::Header(name.to_owned()));
        }
        let found = KEY_WORDS.into_iter().find(|(word, _)| *word == text.replace('-', "_"));
        found.map(|(_, source)| source).ok_or_else(|| {
            let words = KEY_WORDS.map(|(word, _)| word).join(", ");
            format!("expected {words} or headers.NAME, got {}", quoted(text))
        })
    }

    fn toml(&self) -> String {
        match self {
            KeySource::Header(name) => quoted(&format!("headers.{name}")),
            word => {
                let named = KEY_WORDS.into_iter().find(|(_, source)| source == word);
                quoted(named.expect("every key but a header has a word").0)
            }
        }
    }
}

/// A text that begins with a bracket is an array as in a file: the only way to write several in a
/// variable.
impl Field for Texts {
    fn set(&mut self, raw: &[String]) -> Result<(), String> {
        self.0 = whole(raw)?;
        Ok(())
    }

    fn toml(&self) -> Option<String> {
        Some(array(self.iter().map(String::as_str)))
    }

    fn shape(&self) -> Shape {
        Shape::List
    }
}

impl Field for Headers {
    fn set(&mut self, raw: &[String]) -> Result<(), String> {
        let pair = |text: String| match text.split_once(':') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err("expected headers such as \"X-Tenant: blue\"".to_owned()),
        };
        self.0 = whole(raw)?.into_iter().map(pair).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn toml(&self) -> Option<String> {
        let lines: Vec<String> =
            self.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        Some(array(lines.iter().map(String::as_str)))
    }

    fn shape(&self) -> Shape {
        Shape::List
    }
}

impl Field for ExitCodes {
    fn set(&mut self, raw: &[String]) -> Result<(), String> {
        let mut codes = Vec::<(u8, ExitMeaning)>::new();
        let items = raw.iter().flat_map(|text| text.split(',')).map(str::trim);
        for item in items.filter(|item| !item.is_empty()) {
            let pair = item.split_once('=').map(|(code, meaning)| (code.trim(), meaning.trim()));
            let code = pair.and_then(|(code, meaning)| Some((code.parse().ok()?, meaning)));
            let (code, meaning) = code.ok_or_else(|| {
                format!("expected exit codes such as \"3=dead-letter\", got {}", quoted(item))
            })?;
            if codes.iter().any(|(other, _)| *other == code) {
                return Err(format!("the exit code {code} is there twice"));
            }
            codes.push((code, ExitMeaning::parse(meaning)?));
        }
        self.0 = codes;
        Ok(())
    }

    fn toml(&self) -> Option<String> {
        let word = |meaning: &ExitMeaning| Scalar::toml(meaning).replace('"', "");
        let items: Vec<String> =
            self.iter().map(|(code, meaning)| format!("{code}={}", word(meaning))).collect();
        Some(array(items.iter().map(String::as_str)))
    }

    fn shape(&self) -> Shape {
        Shape::List
    }
}

fn only(raw: &[String]) -> Result<&str, String> {
    match raw {
        [one] => Ok(one),
        _ => Err(format!("expected one value, got {}", raw.len())),
    }
}

/// The items as they are, or those of the array that is the only one. The empty text holds none.
fn whole(raw: &[String]) -> Result<Vec<String>, String> {
    match raw {
        [one] if one.starts_with('[') && one.ends_with(']') => serde_json::from_str(one)
            .map_err(|_| "expected an array of texts, such as [\"a\", \"b\"]".to_owned()),
        [one] if one.is_empty() => Ok(Vec::new()),
        items => Ok(items.to_vec()),
    }
}

fn array<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", "))
}
