//! Every command, by subject.

mod health;
mod listings;
mod node;
mod users;

use super::Tool;
use super::command::Command;

const TABLES: &[&[Command]] = &[users::TABLE, listings::TABLE, node::TABLE, health::TABLE];

/// Every command of every tool.
pub(super) fn all() -> impl Iterator<Item = &'static Command> {
    TABLES.iter().copied().flatten()
}

/// The command of a tool.
pub(super) fn find(tool: Tool, name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name && command.tools.has(tool))
}
