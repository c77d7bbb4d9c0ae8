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
pub use section::{Section, SectionKind};
pub use spelling::{FileKind, Spelling};
pub use value::{Field, Scalar, Shape, Size, quoted};

/// The name of the configuration file in each directory that is searched.
pub const FILE_NAME: &str = "leveret.toml";

/// What every environment variable of Leveret starts with.
pub const ENVIRONMENT_PREFIX: &str = "LEVERET_";

/// One setting of a daemon whose configuration is `C`: the row that everything else derives from.
pub struct Setting<C: 'static> {
    /// The key in the file; in snake case unless the spelling is loose. The flag is `--` with
    /// dashes, the variable a prefix and capitals; in TOML `a_b` may also be written `b` in `[a]`.
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
    /// The sections that the files declare, in the order of their declaration.
    pub sections: Vec<Section>,
}

impl<C> Loaded<C> {
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
        let mut layers = environment::fallbacks(self, sources);
        let (mut files, mut sections) = (Vec::new(), Vec::new());
        let named = sources.config.clone();
        let named = named.or_else(|| environment::config_file(self.spelling, sources));
        for path in file::locate(self.spelling, named.as_deref(), &sources.search)? {
            let found = file::read(&path, self.spelling.kind, kinds)?;
            layers.extend(found.assignments);
            section::merge(&mut sections, found.sections);
            files.push(path);
        }
        for prefix in self.spelling.prefixes {
            let found = environment::assignments(prefix, sources)?;
            layers.extend(section::distribute(&mut sections, prefix, found)?);
        }
        layers.extend(sources.flags.iter().cloned());
        let loaded = self.resolve(C::default(), layers).map_err(|e| e.or_section(kinds))?;
        Ok(Loaded { files, sections, ..loaded })
    }

    /// Applies `layers` to `defaults` one after the other, and checks the outcome.
    fn resolve(&self, defaults: C, layers: Vec<Assignment>) -> Result<Loaded<C>, ConfigError> {
        let mut loaded = Loaded {
            config: defaults,
            origins: BTreeMap::new(),
            files: Vec::new(),
            sections: Vec::new(),
        };
        let mut layer_of = BTreeMap::new();
        for assignment in layers {
            let layer = assignment.layer();
            let setting = self.apply(&mut loaded, assignment, |setting| {
                layer.is_some() && layer_of.get(setting) == Some(&layer)
            })?;
            layer_of.insert(setting, layer);
        }
        (self.check)(&loaded.config).map_err(|Invalid { setting, reason }| ConfigError::Bad {
            name: setting,
            origin: loaded.origin(setting).clone(),
            reason,
        })?;
        Ok(loaded)
    }

    /// Sets one value, and says which setting it was. `twice`: whether the same layer has set it.
    fn apply(
        &self,
        loaded: &mut Loaded<C>,
        new: Assignment,
        twice: impl Fn(&str) -> bool,
    ) -> Result<&'static str, ConfigError> {
        let (setting, values) = match self.find(&new.name) {
            Some(setting) => (setting, new.values),
            None => match self.secret_named_by(&new)? {
                Some((setting, text)) => (setting, vec![text]),
                None => return Err(self.unknown(&new.name, new.origin)),
            },
        };
        if twice(setting.name) {
            return Err(again(setting.name, loaded.origin(setting.name), new.origin));
        }
        if let Err(reason) = (setting.field)(&mut loaded.config).set(&values) {
            let reason = match setting.secret {
                true => "not a value that this setting takes (it is secret and not shown)".into(),
                false => reason,
            };
            return Err(ConfigError::Bad { name: setting.name, origin: new.origin, reason });
        }
        loaded.origins.insert(setting.name, new.origin);
        Ok(setting.name)
    }

    /// For a variable `…_FILE` of a setting that holds a secret: the setting, and the file's text.
    fn secret_named_by(
        &self,
        new: &Assignment,
    ) -> Result<Option<(&'static Setting<C>, String)>, ConfigError> {
        let (Origin::Environment(_), [path]) = (&new.origin, new.values.as_slice()) else {
            return Ok(None);
        };
        let setting = new.name.strip_suffix("_file").and_then(|name| self.find(name));
        match setting.filter(|setting| self.takes_file(setting)) {
            Some(setting) => Ok(Some((setting, environment::secret_file(path)?))),
            None => Ok(None),
        }
    }

    /// Whether a variable `…_FILE` may name a file with the value.
    fn takes_file(&self, setting: &Setting<C>) -> bool {
        setting.secret || (setting.field)(&mut C::default()).may_hold_password()
    }

    fn find(&self, name: &str) -> Option<&'static Setting<C>> {
        match self.spelling.rows(self.table, name).as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// The refusal of `name`, with the nearest name spelled as the layer spells names.
    fn unknown(&self, name: &str, origin: Origin) -> ConfigError {
        let spell = |found: &str| match &origin {
            Origin::Environment(variable) => {
                let prefix = variable.len().saturating_sub(name.len());
                format!("{}{}", &variable[..prefix], spelling::capitals(found))
            }
            Origin::Flag(_) => flag(found),
            _ => found.to_owned(),
        };
        let rows = self.spelling.rows(self.table, name);
        let nearest = match rows.as_slice() {
            [] => self.nearest(name).map(spell),
            several => {
                let names: Vec<String> = several.iter().map(|row| spell(row.name)).collect();
                Some(names.join(" or "))
            }
        };
        let page = self.spelling.page;
        ConfigError::Unknown { name: spell(name), nearest, page, origin }
    }

    /// The name that `name` was probably meant to be; a short form if that is what was tried.
    fn nearest(&self, name: &str) -> Option<&'static str> {
        let dashes = name.replace('_', "-");
        let name = if self.spelling.loose { &*dashes } else { name };
        let shorts = || {
            let rows = self.table.iter().filter_map(|row| self.spelling.short(row.name));
            rows.filter(|short| self.find(short).is_some())
        };
        match self.spelling.short(name) {
            // The first part says nothing, and may be the wrong one.
            Some(rest) => self.find(nearest(rest, shorts())?).map(|row| row.name),
            None => nearest(name, self.table.iter().map(|row| row.name).chain(shorts())),
        }
    }
}

/// The refusal of a setting that one file, or one kind of variables, sets twice.
fn again(name: &'static str, first: &Origin, second: Origin) -> ConfigError {
    match (first, second) {
        (Origin::File { line: first, .. }, Origin::File { path, line }) => ConfigError::Syntax {
            path,
            line,
            reason: format!("{name} is already set in line {first}"),
        },
        (first, origin) => {
            let reason =
                format!("the same setting as {}: keep one of them", error::place(first, name));
            ConfigError::Bad { name, origin, reason }
        }
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
