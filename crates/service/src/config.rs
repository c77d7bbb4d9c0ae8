//! Settings in layers: default < file < conf.d < environment < flag, with the origin of each value.
//! A daemon declares its settings once, as a table of [`Setting`] rows; flags, variables, file keys,
//! `--print-config` and the documentation all read that table. [`Spelling`] says how they are named
//! outside; sections of the file hold settings of other tables.

mod arguments;
mod document;
mod environment;
mod error;
mod file;
mod lines;
mod resolve;
mod section;
mod spelling;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

pub use error::ConfigError;
pub use section::{Part, Section, SectionKind};
pub use spelling::{FileKind, Foreign, ReadForeign, Spelling};
pub use value::{Elsewhere, Field, Scalar, Shape, Size, Word, quoted, word};

/// The name of the configuration file in each directory that is searched.
pub const FILE_NAME: &str = "leveret.toml";

/// What every environment variable of Leveret starts with.
pub const ENVIRONMENT_PREFIX: &str = "LEVERET_";

/// One setting of a daemon whose configuration is `C`: the row that everything else derives from.
pub struct Setting<C: 'static> {
    /// The key in the file; in snake case unless the spelling is loose. The flag is `--` with
    /// dashes, the variable a prefix and capitals; in TOML `a_b` may also be written `b` in `[a]`.
    pub name: &'static str,
    /// Other names that mean the same, in files and variables.
    pub also: &'static [&'static str],
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
    /// How they are named outside the process.
    pub spelling: &'static Spelling,
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
        /// The line of the key, from 1; 0 for what the file as a whole means.
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
            Origin::File { path, line: 0 } => write!(f, "{}", path.display()),
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

impl Assignment {
    /// What may set a name only once: a file, or the variables with one prefix.
    fn layer(&self) -> Option<PathBuf> {
        match &self.origin {
            Origin::File { path, .. } => Some(path.clone()),
            Origin::Environment(variable) => {
                variable.strip_suffix(&spelling::capitals(&self.name)).map(PathBuf::from)
            }
            Origin::Flag(_) | Origin::Default => None,
        }
    }
}

/// Everything outside the process that settings are read from.
#[derive(Debug, Clone, Default)]
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
    /// The sections that the files declare, in the order of their declaration.
    pub sections: Vec<Section>,
    /// What was read and has no effect, a line each; for the log.
    pub notes: Vec<String>,
}

impl<C> Loaded<C> {
    /// Another configuration whose values come from the same places.
    pub fn with<D>(&self, config: D) -> Loaded<D> {
        let Loaded { origins, files, sections, notes, .. } = self;
        let (origins, files) = (origins.clone(), files.clone());
        let (sections, notes) = (sections.clone(), notes.clone());
        Loaded { config, origins, files, sections, notes }
    }

    /// Where the value of `setting` comes from.
    pub fn origin(&self, setting: &str) -> &Origin {
        self.origins.get(setting).unwrap_or(&Origin::Default)
    }
}

impl<C: Default + Clone> Settings<C> {
    /// Reads all layers; a later one wins. Every value is checked, overridden or not.
    pub fn load(&self, sources: &Sources) -> Result<Loaded<C>, ConfigError> {
        self.load_with(sources, &[])
    }

    /// The same, with the sections of these kinds that TOML files declare. What they say is not
    /// checked: [`Settings::section`] of their own table does that.
    pub fn load_with(
        &self,
        sources: &Sources,
        kinds: &[SectionKind],
    ) -> Result<Loaded<C>, ConfigError> {
        let mut layers = environment::fallbacks(self, sources)?;
        let (mut files, mut sections) = (Vec::new(), Vec::new());
        let named = sources.config.clone();
        let named = named.or_else(|| environment::config_file(self.spelling, sources));
        let foreign = self.spelling.foreign.map(|read| read(named.as_deref(), sources));
        let foreign = foreign.transpose()?.unwrap_or_default();
        if foreign.files.is_empty() {
            for path in file::locate(self.spelling, named.as_deref(), &sources.search)? {
                let found = file::read(&path, self.spelling.kind, kinds)?;
                layers.extend(found.assignments);
                section::merge(&mut sections, found.sections);
                files.push(path);
            }
        }
        files.extend(foreign.files);
        layers.extend(foreign.settings);
        layers.extend(foreign.variables);
        for prefix in section::prefixes(self.spelling, kinds) {
            let found = environment::assignments(&prefix, sources)?;
            layers.extend(section::distribute(&mut sections, kinds, found)?);
        }
        layers.extend(sources.flags.iter().cloned());
        let loaded = self.resolve(C::default(), layers).map_err(|e| e.or_section(kinds))?;
        Ok(Loaded { files, sections, notes: foreign.notes, ..loaded })
    }
}

/// The closest of `names`, if it is close enough to be a slip of the hand.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.len() / 3).max(2);
    names
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `data_dir` as a flag: `--data-dir`.
pub fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// A name without anything that a loose spelling passes over.
fn squashed(name: &str) -> String {
    name.replace(['-', '_'], "").to_ascii_lowercase()
}

/// A path as messages show it: without the `./` that searching the working directory adds.
fn tidy(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}
