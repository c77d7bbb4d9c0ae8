//! Why settings are refused, and the exit code that says of which kind the mistake is.

use std::path::PathBuf;

use super::{Origin, Section, SectionKind, nearest, spelling::capitals};
use crate::shutdown::Exit;

/// Why settings were refused. Each says where and, where it can, what was meant.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A name that no setting has.
    #[error("{}{}", unknown(.origin, .name), hint(.nearest, .page))]
    Unknown {
        /// The name as the user wrote it.
        name: String,
        /// Where it stands.
        origin: Origin,
        /// The nearest existing name, in the same spelling.
        nearest: Option<String>,
        /// The page that lists every setting.
        page: &'static str,
    },
    /// A value that the setting does not take, or that cannot work.
    #[error("{}: {reason}", place(.origin, .name))]
    Bad {
        /// The setting.
        name: String,
        /// Where the value stands.
        origin: Origin,
        /// What was expected and what was found.
        reason: String,
    },
    /// A variable that may be meant for either of two sections.
    #[error(
        "{variable} may be meant for {first} or for {second}: set it in the file, or rename one of them"
    )]
    Ambiguous {
        /// The variable.
        variable: String,
        /// One section, in brackets.
        first: String,
        /// Another one.
        second: String,
    },
    /// A variable for a section that no file declares.
    #[error(
        "unknown environment variable {variable}: it names no section [{kind}.NAME] of the \
         configuration file"
    )]
    NoSection {
        /// The variable.
        variable: String,
        /// The kind of sections that it begins with.
        kind: &'static str,
    },
    /// A file that is not in its format, or holds what no setting can be.
    #[error("{}:{line}: {reason}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// Settings that leave nothing to do, in a sentence that says what to write.
    #[error("{0}")]
    Nothing(String),
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
            | ConfigError::Ambiguous { .. }
            | ConfigError::NoSection { .. }
            | ConfigError::Syntax { .. }
            | ConfigError::Nothing(_)
            | ConfigError::Read { .. } => Exit::Config,
        }
    }

    /// The same refusal of what stands in `section`, which files do not name on that line.
    pub fn inside(self, section: &Section) -> ConfigError {
        match self {
            ConfigError::Bad { name, origin: Origin::Default, reason } => {
                let name = format!("{} {name}", section.head());
                ConfigError::Bad { name, origin: section.origin.clone(), reason }
            }
            ConfigError::Bad { name, origin: origin @ Origin::File { .. }, reason } => {
                ConfigError::Bad { name: format!("{} {name}", section.head()), origin, reason }
            }
            ConfigError::Unknown { name, origin: origin @ Origin::File { .. }, nearest, page } => {
                let name = format!("{name} in {}", section.head());
                ConfigError::Unknown { name, origin, nearest, page }
            }
            other => other,
        }
    }

    /// The same refusal, seen by somebody who knows that there are sections of these kinds: an
    /// unknown name may be meant as one.
    pub(super) fn or_section(self, kinds: &[SectionKind]) -> ConfigError {
        let ConfigError::Unknown { name, origin, nearest: None, page } = self else { return self };
        let first = name.split('_').next().unwrap_or_default();
        let near = nearest(first, kinds.iter().map(|kind| kind.name));
        let slip = kinds.iter().find(|kind| Some(kind.name) == near);
        let variable_of = |kind: &&SectionKind| match &origin {
            Origin::Environment(variable) => {
                variable.contains(&format!("_{}_", capitals(kind.name)))
            }
            _ => false,
        };
        match (&origin, kinds.iter().filter(|kind| kind.is_named).find(variable_of)) {
            (Origin::Environment(variable), Some(kind)) => {
                ConfigError::NoSection { variable: variable.clone(), kind: kind.name }
            }
            (Origin::File { .. }, _) => {
                let nearest = slip.map(|kind| format!("a section {}", kind.head()));
                ConfigError::Unknown { name, origin, nearest, page }
            }
            _ => ConfigError::Unknown { name, origin, nearest: None, page },
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

pub(super) fn place(origin: &Origin, name: &str) -> String {
    match origin {
        Origin::Environment(variable) => variable.clone(),
        Origin::Flag(flag) => flag.clone(),
        Origin::Default => name.to_owned(),
        Origin::File { .. } => format!("{origin}: {name}"),
    }
}

fn hint(nearest: &Option<String>, page: &str) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}?"),
        None => format!("; {page} lists every setting"),
    }
}
