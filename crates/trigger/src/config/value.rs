//! Settings with a form of their own: secrets, keys, lists whose items may hold commas.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

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
