//! Settings in layers: default < file < conf.d < environment < flag, with the origin of each value.
//! A daemon declares its settings once, as a table of [`Setting`] rows; flags, variables, file keys,
//! `--print-config` and the documentation all read that table.

mod arguments;
mod document;
mod environment;
mod file;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::shutdown::Exit;

pub use value::{Field, Scalar, Shape, Size, quoted};

/// The name of the configuration file in each directory that is searched.
pub const FILE_NAME: &str = "leveret.toml";

/// What every environment variable of Leveret starts with.
pub const ENVIRONMENT_PREFIX: &str = "LEVERET_";

/// One setting of a daemon whose configuration is `C`: the row that everything else derives from.
pub struct Setting<C: 'static> {
    /// The key in the file, in snake case. The flag is `--` with dashes, the variable
    /// `LEVERET_` in capitals; in the file `a_b` may also be written `b` in a table `[a]`.
    pub name: &'static str,
    /// The heading under which help and documentation show it. Rows of a section stand together.
    pub section: &'static str,
    /// What stands for the value in help, such as `HOST:PORT`.
    pub value: &'static str,
    /// Where the value lives in the configuration.
    pub field: fn(&mut C) -> &mut dyn Field,
    /// Never printed; in the environment `LEVERET_…_FILE` may name a file that holds it.
    pub secret: bool,
    /// A variable of the surroundings (`STATE_DIRECTORY`) that replaces the default.
    pub fallback_variable: Option<&'static str>,
    /// One or more sentences for help and documentation, without the default.
    pub doc: &'static str,
}

/// The settings of a daemon: its table, and what must hold between its values.
pub struct Settings<C: 'static> {
    /// The command that takes them, such as `leveret serve`.
    pub command: &'static str,
    /// One row per setting.
    pub table: &'static [Setting<C>],
    /// Refuses values that are well-formed but cannot work, alone or together.
    pub check: fn(&C) -> Result<(), Invalid>,
}

/// A well-formed value that cannot work, as found by [`Settings::check`].
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The row to blame: its origin is shown to the user.
    pub setting: &'static str,
    /// Why, and what to do, in lower case without a full stop.
    pub reason: String,
}

impl Invalid {
    /// Blames `setting` for `reason`.
    pub fn new(setting: &'static str, reason: impl Into<String>) -> Invalid {
        Invalid { setting, reason: reason.into() }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The daemon's own default.
    Default,
    /// A line (from 1) of a configuration file.
    File {
        /// The file as it was found or named.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line, with its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One value that some layer gives to some name, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The setting's name in snake case, as derived from the layer's own spelling.
    pub name: String,
    /// The raw text; more than one item only for lists.
    pub values: Vec<String>,
    /// Where it was found.
    pub origin: Origin,
}

/// Everything outside the process that settings are read from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The file named by `--config`; it must exist. `LEVERET_CONFIG` does the same below it.
    pub config: Option<PathBuf>,
    /// Without a named file: directories whose `leveret.toml` is read, the first that has one.
    pub search: Vec<PathBuf>,
    /// The environment; variables without Leveret's prefix are only read as fallbacks.
    pub environment: Vec<(OsString, OsString)>,
    /// What the command line says, from [`Settings::flags`].
    pub flags: Vec<Assignment>,
}

impl Sources {
    /// The process's environment, and `leveret.toml` in the working directory or `/etc/leveret`.
    pub fn of_process(config: Option<PathBuf>, flags: Vec<Assignment>) -> Sources {
        Sources {
            config,
            search: vec![PathBuf::from("."), PathBuf::from("/etc/leveret")],
            environment: std::env::vars_os().collect(),
            flags,
        }
    }
}

/// A configuration together with the origin of every value.
#[derive(Debug, Clone)]
pub struct Loaded<C> {
    /// The checked configuration.
    pub config: C,
    origins: BTreeMap<&'static str, Origin>,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
}

impl<C> Loaded<C> {
    /// Where the value of `setting` comes from.
    pub fn origin(&self, setting: &str) -> &Origin {
        self.origins.get(setting).unwrap_or(&Origin::Default)
    }
}

/// Why settings were refused. Each says where and, where it can, what was meant.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A name that no setting has.
    #[error("{}{}", unknown(.origin, .name), hint(.nearest))]
    Unknown {
        /// The name as the user wrote it.
        name: String,
        /// Where it stands.
        origin: Origin,
        /// The nearest existing name, in the same spelling.
        nearest: Option<String>,
    },
    /// A value that the setting does not take, or that cannot work.
    #[error("{}: {reason}", place(.origin, .name))]
    Bad {
        /// The setting.
        name: &'static str,
        /// Where the value stands.
        origin: Origin,
        /// What was expected and what was found.
        reason: String,
    },
    /// A file that is not TOML, or holds what no setting can be.
    #[error("{}:{line}: {reason}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// A file that cannot be read.
    #[error("cannot read {what} {}: {source}", .path.display())]
    Read {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
}

impl ConfigError {
    /// The exit code of a process that was set up so.
    pub fn exit(&self) -> Exit {
        match self {
            ConfigError::Unknown { origin: Origin::Flag(_), .. }
            | ConfigError::Bad { origin: Origin::Flag(_), .. } => Exit::Usage,
            ConfigError::Unknown { .. }
            | ConfigError::Bad { .. }
            | ConfigError::Syntax { .. }
            | ConfigError::Read { .. } => Exit::Config,
        }
    }
}

fn unknown(origin: &Origin, name: &str) -> String {
    match origin {
        Origin::Environment(name) => format!("unknown environment variable {name}"),
        Origin::Flag(name) => format!("unknown flag {name}"),
        Origin::Default | Origin::File { .. } => format!("{origin}: unknown setting {name}"),
    }
}

fn place(origin: &Origin, name: &str) -> String {
    match origin {
        Origin::Environment(variable) => variable.clone(),
        Origin::Flag(flag) => flag.clone(),
        Origin::Default => name.to_owned(),
        Origin::File { .. } => format!("{origin}: {name}"),
    }
}

fn hint(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}?"),
        None => "; docs/settings.md lists every setting".into(),
    }
}

impl<C: Default + Clone> Settings<C> {
    /// Reads all layers; a later one wins. Every value is checked, overridden or not.
    pub fn load(&self, sources: &Sources) -> Result<Loaded<C>, ConfigError> {
        let mut loaded =
            Loaded { config: C::default(), origins: BTreeMap::new(), files: Vec::new() };
        let mut layers = environment::fallbacks(self, sources);
        let named = sources.config.clone().or_else(|| environment::config_file(sources));
        for path in file::locate(named.as_deref(), &sources.search)? {
            layers.extend(file::read(&path)?);
            loaded.files.push(path);
        }
        layers.extend(environment::assignments(self, sources)?);
        layers.extend(sources.flags.iter().cloned());
        for assignment in layers {
            self.apply(&mut loaded, assignment)?;
        }
        (self.check)(&loaded.config).map_err(|Invalid { setting, reason }| ConfigError::Bad {
            name: setting,
            origin: loaded.origin(setting).clone(),
            reason,
        })?;
        Ok(loaded)
    }

    fn apply(&self, loaded: &mut Loaded<C>, new: Assignment) -> Result<(), ConfigError> {
        let Assignment { name, values, origin } = new;
        let Some(setting) = self.find(&name) else {
            return Err(self.unknown(&name, origin));
        };
        match (setting.field)(&mut loaded.config).set(&values) {
            Ok(()) => {
                loaded.origins.insert(setting.name, origin);
                Ok(())
            }
            Err(reason) => {
                let reason = if setting.secret {
                    "not a value that this setting takes (it is secret and not shown)".into()
                } else {
                    reason
                };
                Err(ConfigError::Bad { name: setting.name, origin, reason })
            }
        }
    }

    fn find(&self, name: &str) -> Option<&'static Setting<C>> {
        self.table.iter().find(|s| s.name == name)
    }

    /// The refusal of `name`, with the nearest name spelled as the layer spells names.
    fn unknown(&self, name: &str, origin: Origin) -> ConfigError {
        let spell = |name: &str| match origin {
            Origin::Environment(_) => variable(name),
            Origin::Flag(_) => flag(name),
            _ => name.to_owned(),
        };
        let nearest = nearest(name, self.table.iter().map(|s| s.name)).map(spell);
        ConfigError::Unknown { name: spell(name), nearest, origin }
    }
}

/// The closest of `names`, if it is close enough to be a slip of the hand.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.len() / 3).max(2);
    names
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `data_dir` as an environment variable: `LEVERET_DATA_DIR`.
pub fn variable(name: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase())
}

/// `data_dir` as a flag: `--data-dir`.
pub fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// A path as messages show it: without the `./` that searching the working directory adds.
fn tidy(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}
