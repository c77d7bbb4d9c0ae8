//! The few Erlang expressions that tools and test suites are known to send to a node.

#[cfg(test)]
mod tests;

use super::super::command::{ANY, COMMAND, Command};
use super::super::failure::{Failure, UNAVAILABLE};
use crate::request::{Request, Resource};

pub(super) const TABLE: &[Command] = &[Command {
    name: "eval",
    section: "Operations",
    usage: "<expression>",
    summary: "Evaluates one of the few Erlang expressions that tools are known to use",
    words: (1, ANY),
    run: |session, given| {
        let Some(request) = meaning(given.word(0)) else {
            return Err(Failure::new(UNAVAILABLE, NO_ERLANG));
        };
        session.ask(&request)?;
        session.say("ok");
        Ok(())
    },
    ..COMMAND
}];

const NO_ERLANG: &str = "\
this node runs no Erlang; the only expressions that it knows are
  rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []}).
  rabbit_alarm:clear_alarm({resource_limit, memory, node()}).
  application:set_env(rabbit, channel_max, 2047).
  application:set_env(rabbit, loopback_users, [<<\"guest\">>]).
and the alarms of disk";

/// How the expressions begin and end, without blanks; what is between is an argument.
const EXPRESSIONS: &[(&str, &str, Meaning)] = &[
    ("rabbit_alarm:set_alarm({{resource_limit,", ",node()},[]}).", |resource| {
        alarm(resource, true)
    }),
    ("rabbit_alarm:clear_alarm({resource_limit,", ",node()}).", |resource| alarm(resource, false)),
    ("application:set_env(rabbit,channel_max,", ").", |number| {
        Some(Request::SetChannelMax { channel_max: number.parse().ok()? })
    }),
    ("application:set_env(rabbit,loopback_users,[", "]).", |users| {
        let users = users.split(',').filter(|user| !user.is_empty());
        let users = users.map(|user| {
            let user = user.strip_prefix("<<\"")?.strip_suffix("\">>")?;
            Some(user.to_owned())
        });
        Some(Request::RestrictToLoopback { users: users.collect::<Option<_>>()? })
    }),
];

type Meaning = fn(&str) -> Option<Request>;

/// What an expression asks for, if it is known.
fn meaning(expression: &str) -> Option<Request> {
    let expression: String = expression.chars().filter(|letter| !letter.is_whitespace()).collect();
    EXPRESSIONS.iter().find_map(|(begin, end, meaning)| {
        meaning(expression.strip_prefix(begin)?.strip_suffix(end)?)
    })
}

fn alarm(resource: &str, on: bool) -> Option<Request> {
    let resource = match resource {
        "memory" => Resource::Memory,
        "disk" => Resource::Disk,
        _ => return None,
    };
    Some(Request::SetAlarm { resource, on })
}
