//! The body by which nodes tell of each other: a line a node, `sip:host:port;status=active`.
//!
//! It is read as tolerantly as Kamailio writes and more. It is written so that no Kamailio stumbles:
//! releases before 5.7.5 stop working over a line that is blank, indented or not ended, or that has a
//! status that they do not know, and every release stops over a list of more than 1024 bytes.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use crate::address::NodeUri;

/// The most bytes of a list that is sent. Kamailio's own buffer has 1024.
pub(crate) const BYTES_MAX: usize = 1000;

/// The most lines of a list that are read; the rest is not looked at.
const LINES_MAX: usize = 2000;

/// What a line says of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// `active`.
    Active,
    /// `disabled`: it has left, or is held to be down.
    Disabled,
    /// Anything else, or nothing: it may be there.
    Unsure,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Who.
    pub(crate) node: NodeUri,
    /// How.
    pub(crate) status: Status,
}

/// A list that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// What could be read of it.
    pub(crate) lines: Vec<Line>,
    /// Lines that could not.
    pub(crate) bad: u64,
}

impl List {
    /// Reads a body. Blank lines mean nothing; a line that names no node counts as bad.
    pub(crate) fn parse(body: &[u8]) -> List {
        let mut list = List::default();
        for line in body.split(|byte| *byte == b'\n').take(LINES_MAX) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            match std::str::from_utf8(line).ok().and_then(parse_line) {
                Some(line) => list.lines.push(line),
                None => list.bad += 1,
            }
        }
        list
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let line = line.strip_prefix('<').map_or(line, |rest| rest.trim_end_matches('>'));
    let node = line.parse().ok()?;
    let status = line.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("status").then(|| value.trim())
    });
    let status = match status {
        Some(word) if word.eq_ignore_ascii_case("active") => Status::Active,
        Some(word) if word.eq_ignore_ascii_case("disabled") => Status::Disabled,
        _ => Status::Unsure,
    };
    Some(Line { node, status })
}

/// How many bytes a node's line has.
pub(crate) fn line_bytes(node: &NodeUri) -> usize {
    node.to_string().len() + ";status=active\r\n".len()
}

/// A list that is written.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    text: String,
}

impl Draft {
    /// A list with one line.
    pub(crate) fn of(node: &NodeUri, active: bool) -> Draft {
        let mut draft = Draft::default();
        draft.write(node, active);
        draft
    }

    /// Adds an active node, unless the list would grow beyond [`BYTES_MAX`]; whether it did.
    pub(crate) fn push(&mut self, node: &NodeUri) -> bool {
        let before = self.text.len();
        self.write(node, true);
        if self.text.len() > BYTES_MAX {
            self.text.truncate(before);
            return false;
        }
        true
    }

    fn write(&mut self, node: &NodeUri, active: bool) {
        let status = if active { "active" } else { "disabled" };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{node};status={status}\r\n");
    }

    /// The body.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.text.into_bytes()
    }
}
