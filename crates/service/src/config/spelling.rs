//! How a daemon's settings are named outside the process: prefixes, short forms, the kind of file.

use std::path::{Path, PathBuf};

use super::{Assignment, ConfigError, ENVIRONMENT_PREFIX, FILE_NAME, Setting, Sources, squashed};

/// What a configuration file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// TOML, with a directory of others beside it.
    Toml,
    /// Lines of `name: value`, with nothing beside it.
    Lines,
}

/// What a program that this one takes the place of was told, as settings of ours.
#[derive(Debug, Default)]
pub struct Foreign {
    /// Its configuration files, if it is those that count: then no file of ours is read.
    pub files: Vec<PathBuf>,
    /// What its files say. They are one layer: no setting twice.
    pub settings: Vec<Assignment>,
    /// What its variables say, above its files and below variables of ours.
    pub variables: Vec<Assignment>,
    /// What has no effect here, each in one line that says where it stands and why.
    pub notes: Vec<String>,
}

/// Reads the surroundings of another program; the path is the configuration file that was named.
pub type ReadForeign = fn(Option<&Path>, &Sources) -> Result<Foreign, ConfigError>;

/// How settings are named outside the process.
#[derive(Debug, Clone, Copy)]
pub struct Spelling {
    /// What environment variables start with, `_` at the end included. A later prefix wins.
    pub prefixes: &'static [&'static str],
    /// First parts of names that may be left out where that leaves no doubt, such as `storage-`.
    pub optional: &'static [&'static str],
    /// Whether `-` and `_` are passed over wherever they stand.
    pub loose: bool,
    /// Whether they are flags of a command line; those of sections are not.
    pub flags: bool,
    /// What a configuration file looks like.
    pub kind: FileKind,
    /// The name of the file in each directory that is searched.
    pub file: &'static str,
    /// The directory beside a TOML file whose `*.toml` are read after it.
    pub drop_ins: &'static str,
    /// The page that lists every setting.
    pub page: &'static str,
    /// Another program whose files and variables are understood.
    pub foreign: Option<ReadForeign>,
}

impl Spelling {
    /// The broker's: `LEVERET_DATA_DIR`, and `data_dir` in `leveret.toml`.
    pub const LEVERET: Spelling = Spelling {
        prefixes: &[ENVIRONMENT_PREFIX],
        optional: &[],
        loose: false,
        flags: true,
        kind: FileKind::Toml,
        file: FILE_NAME,
        drop_ins: "conf.d",
        page: "docs/settings.md",
        foreign: None,
    };

    /// `data_dir` as an environment variable with the first prefix: `LEVERET_DATA_DIR`.
    pub fn variable(&self, name: &str) -> String {
        format!("{}{}", self.prefixes[0], capitals(name))
    }

    /// `name` without an optional first part, if it has one.
    pub(super) fn short<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.optional.iter().find_map(|part| name.strip_prefix(part))
    }

    fn same(&self, a: &str, b: &str) -> bool {
        if self.loose { squashed(a) == squashed(b) } else { a == b }
    }

    /// The rows that `name` may mean: one, none, or several when a short form is ambiguous.
    pub(super) fn rows<C>(
        &self,
        table: &'static [Setting<C>],
        name: &str,
    ) -> Vec<&'static Setting<C>> {
        let exact = |row: &&Setting<C>| {
            self.same(row.name, name) || row.also.iter().any(|also| self.same(also, name))
        };
        if let Some(row) = table.iter().find(exact) {
            return vec![row];
        }
        let short = |row: &&Setting<C>| self.short(row.name).is_some_and(|s| self.same(s, name));
        table.iter().filter(short).collect()
    }
}

/// A name as environment variables spell it: in capitals, with `_`.
pub(super) fn capitals(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}
