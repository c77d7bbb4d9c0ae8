//! Every command, by subject.

mod absent;
mod definitions;
mod eval;
mod facts;
mod health;
mod listeners;
mod listings;
mod node;
mod operations;
mod plugins;
mod policies;
mod quorum;
mod status;
mod users;
mod vhosts;

use super::Tool;
use super::command::Command;

const TABLES: &[&[Command]] = &[
    status::TABLE,
    node::TABLE,
    users::TABLE,
    vhosts::TABLE,
    listings::TABLE,
    policies::TABLE,
    definitions::TABLE,
    operations::TABLE,
    eval::TABLE,
    health::TABLE,
    listeners::TABLE,
    facts::TABLE,
    quorum::TABLE,
    plugins::TABLE,
    absent::TABLE,
];

/// Every command of every tool.
pub(super) fn all() -> impl Iterator<Item = &'static Command> {
    TABLES.iter().copied().flatten()
}

/// The command of a tool.
pub(super) fn find(tool: Tool, name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name && command.tools.has(tool))
}
