//! How a table is configured: by its name, or as in Kamailio's `modparam("htable", "htable", …)`.

use std::str::FromStr;

use crate::message::Millis;

/// The longest name of a table or, when it is set here, of a key; in bytes.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// Parameters of Kamailio's that say nothing about what goes over the bus.
const LOCAL_PARAMETERS: [&str; 9] = [
    "size",
    "dmqreplicate",
    "initval",
    "dbtable",
    "dbmode",
    "cols",
    "coldelim",
    "colnull",
    "reloadat",
];

/// What is known of a table beforehand.
///
/// Kamailio never says on the bus that a table has an `autoexpire`: every node takes it from its
/// own configuration, and deletes nothing on the others when a cell expires. So it has to be told
/// here too, or cells of such a table are kept until the next sync says how long they live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The name; `*` stands for every table that is not named.
    pub name: String,
    /// How long its cells live.
    pub life: Life,
}

/// How long the cells of a table live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// How long a cell lives of which nothing else is said, in seconds. 0 is for ever. Default: 0.
    pub autoexpire_s: u32,
    /// Whether a cell that is set again lives as long as a new one, not as long as it still had.
    /// Default: true.
    pub updateexpire: bool,
}

/// Why a text says nothing about a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A name that no table can have.
    #[error("{0:?} cannot be the name of a table: 1 to 255 bytes without control characters")]
    Name(String),
    /// Something that Kamailio's tables do not have either.
    #[error(
        "{parameter:?} is no parameter of the table {table:?}; autoexpire and updateexpire are"
    )]
    Parameter {
        /// The table.
        table: String,
        /// What it says.
        parameter: String,
    },
    /// Not a number.
    #[error("{parameter} of the table {table:?} is a number of seconds, or 0 or 1, not {value:?}")]
    Value {
        /// The table.
        table: String,
        /// Which parameter.
        parameter: String,
        /// What it says.
        value: String,
    },
}

impl FromStr for TableSpec {
    type Err = SpecError;

    /// Reads `name`, or `name=>parameter=value;…` as Kamailio has it, where `size` and other
    /// parameters that concern one node alone are accepted and do nothing.
    fn from_str(text: &str) -> Result<TableSpec, SpecError> {
        let (name, parameters) = text.split_once("=>").unwrap_or((text, ""));
        let name = name.trim();
        if !is_name(name) {
            return Err(SpecError::Name(name.into()));
        }
        let mut life = Life { autoexpire_s: 0, updateexpire: true };
        for parameter in parameters.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (key, value) = (key.trim(), value.trim());
            let number = || {
                let (table, parameter, value_of) = (name.into(), key.into(), value.into());
                let bad = SpecError::Value { table, parameter, value: value_of };
                value.parse::<u32>().map_err(|_| bad)
            };
            match key {
                "autoexpire" => life.autoexpire_s = number()?,
                "updateexpire" => life.updateexpire = number()? != 0,
                key if LOCAL_PARAMETERS.contains(&key) => {}
                key => {
                    let (table, parameter) = (name.into(), key.into());
                    return Err(SpecError::Parameter { table, parameter });
                }
            }
        }
        Ok(TableSpec { name: name.into(), life })
    }
}

impl Life {
    /// When a cell expires that is set at `now_ms` and of which nothing else is said; `held` is
    /// when it expires so far, if there is one.
    pub(super) fn deadline(&self, held: Option<Option<Millis>>, now_ms: Millis) -> Option<Millis> {
        match held {
            Some(deadline) if !self.updateexpire => deadline,
            _ if self.autoexpire_s == 0 => None,
            _ => Some(now_ms.saturating_add(i64::from(self.autoexpire_s) * 1000)),
        }
    }
}

/// Whether people may call a table or a key so.
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}
