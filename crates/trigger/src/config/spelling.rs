//! How the settings of triggers are named outside the process.

use service::config::{FileKind, Part, SectionKind, Spelling};

/// What the triggers' own settings are called where they run alone.
pub(super) const ALONE: Spelling = Spelling {
    prefixes: &["LEVERET_TRIGGER_"],
    optional: &[],
    loose: false,
    flags: true,
    kind: FileKind::Toml,
    file: "trigger.toml",
    drop_ins: "trigger.d",
    page: "docs/trigger-options.md",
    foreign: None,
};

/// Settings of a section; the documentation shows them with a name for the section.
const SECTION: Spelling = Spelling { flags: false, ..ALONE };

pub(super) const ACCOUNT: Spelling = Spelling { prefixes: &["LEVERET_ACCOUNT_NAME_"], ..SECTION };

pub(super) const BROKER: Spelling = Spelling { prefixes: &["LEVERET_BROKER_NAME_"], ..SECTION };

pub(super) const TRIGGER: Spelling = Spelling { prefixes: &["LEVERET_TRIGGER_NAME_"], ..SECTION };

/// The sections of a file about triggers; `part` says what keys in `[trigger]` itself are.
pub const fn kinds(part: Part) -> [SectionKind; 3] {
    [
        SectionKind { name: "trigger", is_named: true, part },
        SectionKind { name: "broker", is_named: true, part: Part::None },
        SectionKind { name: "account", is_named: true, part: Part::None },
    ]
}
