//! What a command is: one row of the tables in `commands/`.

use super::Tool;
use super::arguments::Given;
use super::failure::Failure;
use super::session::Session;

/// Which tools have a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tools {
    pub(super) ctl: bool,
    pub(super) diagnostics: bool,
    pub(super) queues: bool,
    pub(super) plugins: bool,
}

impl Tools {
    pub(super) const CTL: Tools =
        Tools { ctl: true, diagnostics: false, queues: false, plugins: false };
    pub(super) const LOOK: Tools = Tools { diagnostics: true, ..Tools::CTL };
    pub(super) const DIAGNOSTICS: Tools = Tools { ctl: false, ..Tools::LOOK };
    pub(super) const QUEUES: Tools = Tools { ctl: false, queues: true, ..Tools::CTL };
    pub(super) const QUEUES_AND_DIAGNOSTICS: Tools = Tools { diagnostics: true, ..Tools::QUEUES };
    pub(super) const PLUGINS: Tools = Tools { ctl: false, plugins: true, ..Tools::CTL };
    pub(super) const ALL: Tools =
        Tools { ctl: true, diagnostics: true, queues: true, plugins: true };

    pub(super) fn has(self, tool: Tool) -> bool {
        match tool {
            Tool::Ctl => self.ctl,
            Tool::Diagnostics => self.diagnostics,
            Tool::Queues => self.queues,
            Tool::Plugins => self.plugins,
        }
    }
}

/// What stands behind a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: it is on.
    Switch,
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
}

/// A flag, without its dashes.
pub(super) type Flag = (&'static str, Kind);

/// A command.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) tools: Tools,
    /// The heading of the overview it stands below.
    pub(super) section: &'static str,
    /// What follows the name in its usage line.
    pub(super) usage: &'static str,
    /// What it does, in a sentence.
    pub(super) summary: &'static str,
    /// The fewest and the most words behind its name.
    pub(super) words: (usize, usize),
    /// Flags beside those that all commands take.
    pub(super) flags: &'static [Flag],
    /// Looks at the words and flags, before the node is asked anything.
    pub(super) check: fn(&Given) -> Result<(), Failure>,
    /// Whether the application has to run; else the command looks for itself.
    pub(super) needs_app: bool,
    /// Whether the node may take as long as it takes, unless `--timeout` says something else.
    pub(super) is_patient: bool,
    /// Shown before it begins, unless that is not wanted.
    pub(super) banner: fn(&Given, &Session) -> String,
    pub(super) run: fn(&mut Session, &Given) -> Result<(), Failure>,
}

/// What most commands have in common.
pub(super) const COMMAND: Command = Command {
    name: "",
    tools: Tools::CTL,
    section: "",
    usage: "",
    summary: "",
    words: (0, 0),
    flags: &[],
    check: |_| Ok(()),
    needs_app: true,
    is_patient: false,
    banner: |_, _| String::new(),
    run: |_, _| Ok(()),
};

/// As many words as are given.
pub(super) const ANY: usize = usize::MAX;
