//! The lines of RabbitMQ's files come together as settings: several keys may say one setting.

use std::collections::BTreeMap;
use std::path::Path;

use service::config::{Assignment, Origin};

use super::keys::{self, Key, Part};
use super::place;
use super::syntax::Line;

/// What the lines so far say.
#[derive(Default)]
pub(super) struct Settled {
    settings: BTreeMap<&'static str, Said>,
    parts: BTreeMap<&'static str, Parts>,
    notes: Vec<String>,
}

/// What is said of one setting.
struct Said {
    values: Vec<String>,
    origin: Origin,
    /// Which row of the table said it: of rows about one setting the later one counts.
    row: usize,
    key: String,
}

/// Host and port, which are two keys.
#[derive(Default)]
struct Parts {
    host: Option<String>,
    port: Option<String>,
    origin: Option<Origin>,
}

impl Settled {
    /// The setting has these values.
    pub(super) fn set(
        &mut self,
        setting: &'static str,
        key: &'static Key,
        line: &Line,
        values: Vec<String>,
    ) {
        let said = Said {
            values,
            origin: line.origin.clone(),
            row: keys::row(key),
            key: line.key.clone(),
        };
        let Some(other) = self.settings.get_mut(setting) else {
            self.settings.insert(setting, said);
            return;
        };
        let (loser, winner) = if said.row < other.row {
            (said, &*other)
        } else {
            (std::mem::replace(other, said), &*other)
        };
        let note = format!(
            "{}: {} has no effect beside {} ({})",
            place(&loser.origin),
            loser.key,
            winner.key,
            place(&winner.origin)
        );
        self.notes.push(note);
    }

    /// The list has one item more, or is said to have none.
    pub(super) fn add(
        &mut self,
        setting: &'static str,
        key: &'static Key,
        line: &Line,
        item: Option<String>,
    ) {
        let row = keys::row(key);
        match self.settings.get_mut(setting) {
            Some(said) if said.row == row => {
                said.values.extend(item);
                said.origin = line.origin.clone();
            }
            _ => self.set(setting, key, line, item.into_iter().collect()),
        }
    }

    /// A part of an address.
    pub(super) fn join(&mut self, setting: &'static str, part: Part, line: &Line, value: String) {
        let parts = self.parts.entry(setting).or_default();
        parts.origin = Some(line.origin.clone());
        match part {
            Part::Host => parts.host = Some(value),
            Part::Port => parts.port = Some(value),
        }
    }

    /// The line has no effect.
    pub(super) fn note(&mut self, line: &Line, why: &str) {
        self.notes.push(format!("{}: {} has no effect: {why}", place(&line.origin), line.key));
    }

    /// A file that says nothing of AMQP without TLS means what it means to RabbitMQ: port 5672 of every
    /// address.
    pub(super) fn listen_as_rabbitmq(&mut self, file: &Path) {
        let origin = Origin::File { path: file.to_owned(), line: 0 };
        let values = vec!["*:5672".to_owned()];
        let said = Said { values, origin, row: 0, key: String::new() };
        self.settings.entry("amqp_listen").or_insert(said);
    }

    /// Settings, and what has no effect.
    pub(super) fn finish(self) -> (Vec<Assignment>, Vec<String>) {
        let mut assignments = Vec::new();
        for (name, parts) in self.parts {
            let Some(origin) = parts.origin else { continue };
            let host = parts.host.unwrap_or_else(|| "*".to_owned());
            let port = parts.port.unwrap_or_else(|| "15692".to_owned());
            let values = vec![format!("{host}:{port}")];
            assignments.push(Assignment { name: name.to_owned(), values, origin });
        }
        for (name, said) in self.settings {
            let Said { values, origin, .. } = said;
            assignments.push(Assignment { name: name.to_owned(), values, origin });
        }
        (assignments, self.notes)
    }
}
