//! The node: starting, stopping, settings of the moment.

use super::super::command::{COMMAND, Command};
use super::super::failure::{Failure, UNAVAILABLE};
use crate::request::{Request, Resource};

const NODES: Command = Command { section: "Nodes", needs_app: false, ..COMMAND };

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "stop_app",
        summary: "Stops the RabbitMQ application, leaving the runtime (Erlang VM) running",
        banner: |_, session| format!("Stopping rabbit application on node {} ...", session.node),
        run: |session, _| session.ask(&Request::StopApp).map(drop),
        ..NODES
    },
    Command {
        name: "start_app",
        summary: "Starts the RabbitMQ application but leaves the runtime (Erlang VM) running",
        banner: |_, session| format!("Starting node {} ...", session.node),
        run: |session, _| session.ask(&Request::StartApp).map(drop),
        ..NODES
    },
    Command {
        name: "eval",
        section: "Operations",
        usage: "<expression>",
        summary: "Evaluates one of the few Erlang expressions that tools are known to use",
        words: (1, 2),
        run: |session, given| {
            let expression: String =
                given.word(0).chars().filter(|letter| !letter.is_whitespace()).collect();
            let Some((_, resource, on)) =
                EXPRESSIONS.iter().find(|(known, ..)| *known == expression)
            else {
                let text = "this node runs no Erlang; of expressions only those are known that set and \
                            clear alarms: rabbit_alarm:set_alarm({{resource_limit, memory|disk, node()}, \
                            []}). and rabbit_alarm:clear_alarm({resource_limit, memory|disk, node()}).";
                return Err(Failure::new(UNAVAILABLE, text));
            };
            session.ask(&Request::SetAlarm { resource: *resource, on: *on })?;
            session.say("ok");
            Ok(())
        },
        ..NODES
    },
];

/// Expressions without blanks, and what they mean.
const EXPRESSIONS: &[(&str, Resource, bool)] = &[
    ("rabbit_alarm:set_alarm({{resource_limit,memory,node()},[]}).", Resource::Memory, true),
    ("rabbit_alarm:set_alarm({{resource_limit,disk,node()},[]}).", Resource::Disk, true),
    ("rabbit_alarm:clear_alarm({resource_limit,memory,node()}).", Resource::Memory, false),
    ("rabbit_alarm:clear_alarm({resource_limit,disk,node()}).", Resource::Disk, false),
];
