//! What an import did, for people.

use std::collections::BTreeMap;
use std::fmt;

use store::Pos;

/// Names that one line shows; the others are counted.
const NAMES_SHOWN_MAX: usize = 20;

/// What became of the objects of a file.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What an answer has to wait for.
    pub(crate) pos: Pos,
    made: Names,
    present: Names,
    ignored: Names,
}

/// Names by kind.
type Names = BTreeMap<&'static str, Vec<String>>;

impl Report {
    /// It was made, or got the values of the file.
    pub(super) fn made(&mut self, kind: &'static str, name: impl Into<String>, pos: Pos) {
        self.made.entry(kind).or_default().push(name.into());
        self.pos = self.pos.max(pos);
    }

    /// It was there already, and stays as it is.
    pub(super) fn present(&mut self, kind: &'static str, name: impl Into<String>) {
        self.present.entry(kind).or_default().push(name.into());
    }

    /// It was passed over; `why` is part of the name.
    pub(super) fn ignored(&mut self, kind: &'static str, what: impl Into<String>) {
        self.ignored.entry(kind).or_default().push(what.into());
    }

    /// How many objects were made, were there, were passed over.
    pub(crate) fn counts(&self) -> [usize; 3] {
        [&self.made, &self.present, &self.ignored].map(|names| names.values().map(Vec::len).sum())
    }

    /// One line for the log and for errors: `3 queues, 1 user`.
    pub(super) fn summary(&self) -> String {
        if self.made.is_empty() {
            return "nothing".to_owned();
        }
        let part = |(kind, names): (&&str, &Vec<String>)| format!("{} {kind}", names.len());
        self.made.iter().map(part).collect::<Vec<_>>().join(", ")
    }

    /// What was passed over, a line each.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.ignored.iter().map(|(kind, names)| format!("{kind}: {}", listed(names)))
    }
}

/// A line for each kind: `imported queues: a, b`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("imported", &self.made),
            ("there already", &self.present),
            ("ignored", &self.ignored),
        ];
        for (outcome, names) in parts {
            for (kind, names) in names {
                writeln!(f, "{outcome}: {} {kind}: {}", names.len(), listed(names))?;
            }
        }
        if self.counts() == [0; 3] {
            writeln!(f, "the file defines nothing")?;
        }
        Ok(())
    }
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMES_SHOWN_MAX) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
