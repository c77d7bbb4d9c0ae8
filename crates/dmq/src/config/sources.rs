//! How the settings of a node are named outside the process, and where a node alone reads them.

use service::config::{ConfigError, FileKind, Loaded, Part, SectionKind, Sources, Spelling};

use super::{DMQ, DmqConfig};

/// What settings are called outside: `LEVERET_DMQ_PING_INTERVAL`, and `ping_interval` in
/// `dmq.toml`.
pub(super) const SPELLING: Spelling = Spelling {
    prefixes: &["LEVERET_DMQ_"],
    optional: &[],
    loose: false,
    flags: true,
    kind: FileKind::Toml,
    file: "dmq.toml",
    drop_ins: "dmq.d",
    page: "docs/dmq-options.md",
    foreign: None,
};

/// The table of a file that holds them, if they do not stand at its top.
pub const KIND: &str = "dmq";

/// `[dmq]` of a file; `part` says whose settings they are.
pub const fn kind(part: Part) -> SectionKind {
    SectionKind { name: KIND, is_named: false, part }
}

/// The settings of a node that runs alone; in its file they stand at the top or in `[dmq]`.
///
/// # Errors
/// What cannot be read, and what is no setting or no value of one.
pub fn alone(sources: &Sources) -> Result<Loaded<DmqConfig>, ConfigError> {
    DMQ.load_with(sources, &[kind(Part::Daemon)])
}
