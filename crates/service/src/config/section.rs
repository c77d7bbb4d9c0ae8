//! Sections `[KIND.NAME]` of the file: parts that run beside the daemon, each with settings of a
//! table of its own. What is between their brackets is kept apart until that table reads it.

use super::spelling::capitals;
use super::{Assignment, ConfigError, Loaded, Origin, Settings};

/// A kind of sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionKind {
    /// The first part of the name in brackets, such as `delayer`.
    pub name: &'static str,
}

/// One section, with what files and environment say about it, in the order in which it applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The kind's name.
    pub kind: &'static str,
    /// Its own name: letters, digits, `-` and `_`.
    pub name: String,
    /// Where it was first declared.
    pub origin: Origin,
    /// What it is told, not yet checked.
    pub assignments: Vec<Assignment>,
}

impl Section {
    /// What the environment's variables for it start with: `LEVERET_DELAYER_RETRIES_`.
    pub fn prefix(&self, of_daemon: &str) -> String {
        format!("{of_daemon}{}_{}_", capitals(self.kind), capitals(&self.name))
    }
}

/// Adds `found` to `sections`; one that is there already is continued.
pub(super) fn merge(sections: &mut Vec<Section>, found: Vec<Section>) {
    for new in found {
        match sections.iter_mut().find(|s| s.kind == new.kind && s.name == new.name) {
            Some(old) => old.assignments.extend(new.assignments),
            None => sections.push(new),
        }
    }
}

/// Moves the variables that are meant for a section to it, and gives back the others.
pub(super) fn distribute(
    sections: &mut [Section],
    prefix: &str,
    variables: Vec<Assignment>,
) -> Result<Vec<Assignment>, ConfigError> {
    let mut others = Vec::new();
    for mut assignment in variables {
        let Origin::Environment(variable) = &assignment.origin else {
            others.push(assignment);
            continue;
        };
        let of = |s: &&mut Section| variable.starts_with(&s.prefix(prefix));
        let mut meant: Vec<_> = sections.iter_mut().filter(of).collect();
        match meant.as_mut_slice() {
            [] => others.push(assignment),
            [section] => {
                let option = &variable[section.prefix(prefix).len()..];
                assignment.name = option.to_ascii_lowercase();
                section.assignments.push(assignment);
            }
            [first, second, ..] => {
                return Err(ConfigError::Ambiguous {
                    variable: variable.clone(),
                    first: format!("[{}.{}]", first.kind, first.name),
                    second: format!("[{}.{}]", second.kind, second.name),
                });
            }
        }
    }
    Ok(others)
}

impl<C: Default + Clone> Settings<C> {
    /// What `section` says on top of `defaults`, checked. What it lacks is blamed on its head.
    pub fn section(&self, defaults: C, section: &Section) -> Result<Loaded<C>, ConfigError> {
        self.resolve(defaults, section.assignments.clone()).map_err(|refusal| match refusal {
            ConfigError::Bad { name, origin: Origin::Default, reason } => {
                ConfigError::Bad { name, origin: section.origin.clone(), reason }
            }
            other => other,
        })
    }
}
