//! Sections `[KIND.NAME]` of the file: parts that run beside the daemon, each with settings of a
//! table of its own. What is between their brackets is kept apart until that table reads it.

use super::spelling::capitals;
use super::{Assignment, ConfigError, ENVIRONMENT_PREFIX, Loaded, Origin, Settings, Spelling};

/// A kind of sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionKind {
    /// The first part of the name in brackets, such as `delayer`.
    pub name: &'static str,
    /// Whether there are sections `[KIND.NAME]`. If not, tables in `[KIND]` are the first parts of
    /// its settings' names.
    pub is_named: bool,
    /// What keys in `[KIND]` itself are, beside its sections.
    pub part: Part,
}

/// What a key is that stands in `[KIND]` and in none of its sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A mistake.
    None,
    /// Settings for all sections of the kind: a section without a name.
    Section,
    /// The daemon's own settings, as if they stood at the top of the file.
    Daemon,
}

/// One section, with what files and environment say about it, in the order in which it applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The kind's name.
    pub kind: &'static str,
    /// Its own name: letters, digits, `-` and `_`; empty for [`Part::Section`].
    pub name: String,
    /// Where it was first declared.
    pub origin: Origin,
    /// What it is told, not yet checked.
    pub assignments: Vec<Assignment>,
}

impl SectionKind {
    /// How to write one, for people: `[delayer.NAME]`.
    pub(super) fn head(&self) -> String {
        let name = if self.is_named { ".NAME" } else { "" };
        format!("[{}{name}]", self.name)
    }
}

impl Section {
    /// What the environment's variables for it start with: `LEVERET_DELAYER_RETRIES_`.
    pub fn prefix(&self) -> String {
        match self.name.as_str() {
            "" => kind_prefix(self.kind),
            name => format!("{}{}_", kind_prefix(self.kind), capitals(name)),
        }
    }

    /// As messages show it: `[delayer.retries]`.
    pub fn head(&self) -> String {
        match self.name.as_str() {
            "" => format!("[{}]", self.kind),
            name => format!("[{}.{name}]", self.kind),
        }
    }
}

fn kind_prefix(kind: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}_", capitals(kind))
}

/// What variables start with: the daemon's prefixes, and those of kinds that these do not cover.
pub(super) fn prefixes(spelling: &Spelling, kinds: &[SectionKind]) -> Vec<String> {
    let mut all: Vec<String> = spelling.prefixes.iter().map(ToString::to_string).collect();
    for prefix in kinds.iter().map(|kind| kind_prefix(kind.name)) {
        if !all.iter().any(|covering| prefix.starts_with(covering)) {
            all.push(prefix);
        }
    }
    all
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
    sections: &mut Vec<Section>,
    kinds: &[SectionKind],
    variables: Vec<Assignment>,
) -> Result<Vec<Assignment>, ConfigError> {
    let mut others = Vec::new();
    for mut assignment in variables {
        let Origin::Environment(variable) = &assignment.origin else {
            others.push(assignment);
            continue;
        };
        let of = |s: &&mut Section| !s.name.is_empty() && variable.starts_with(&s.prefix());
        let mut meant: Vec<_> = sections.iter_mut().filter(of).collect();
        match meant.as_mut_slice() {
            [] => match part(kinds, variable) {
                Some(kind) => merge(sections, vec![of_part(kind, assignment)]),
                None => others.push(assignment),
            },
            [section] => {
                let option = &variable[section.prefix().len()..];
                assignment.name = option.to_ascii_lowercase();
                section.assignments.push(assignment);
            }
            [first, second, ..] => {
                return Err(ConfigError::Ambiguous {
                    variable: variable.clone(),
                    first: first.head(),
                    second: second.head(),
                });
            }
        }
    }
    Ok(others)
}

/// The kind whose sections' common settings `variable` is about.
fn part(kinds: &[SectionKind], variable: &str) -> Option<&'static str> {
    let of = |kind: &&SectionKind| {
        kind.part == Part::Section && variable.starts_with(&kind_prefix(kind.name))
    };
    kinds.iter().find(of).map(|kind| kind.name)
}

/// The common section of `kind` with this variable.
fn of_part(kind: &'static str, mut assignment: Assignment) -> Section {
    let origin = assignment.origin.clone();
    if let Origin::Environment(variable) = &origin {
        assignment.name = variable[kind_prefix(kind).len()..].to_ascii_lowercase();
    }
    Section { kind, name: String::new(), origin, assignments: vec![assignment] }
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
