//! What is done to queues, delayed messages, connections and listeners.

use serde_json::Value;

use super::super::arguments::Given;
use super::super::columns::wanted;
use super::super::command::{COMMAND, Command, Kind};
use super::super::failure::{Failure, UNAVAILABLE, USAGE};
use super::super::session::Session;
use crate::listing::Listing;
use crate::reply::{Refusal, Why};
use crate::request::{List, Request, Which};

const QUEUES: Command = Command { section: "Queues", ..COMMAND };
const OPERATIONS: Command = Command { section: "Operations", ..COMMAND };
const DELAYED: Command = Command { section: "Delayed messages", ..COMMAND };

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "delete_queue",
        usage: "[--vhost <vhost>] <queue_name> [--if-empty|-e] [--if-unused|-u]",
        summary: "Deletes a queue",
        words: (1, 1),
        flags: &[
            ("if-empty", Kind::Switch),
            ("e", Kind::Switch),
            ("if-unused", Kind::Switch),
            ("u", Kind::Switch),
        ],
        banner: delete_banner,
        run: |session, given| {
            let deleted = session.try_ask(&Request::DeleteQueue {
                vhost: given.vhost().to_owned(),
                queue: given.word(0).to_owned(),
                if_empty: given.options.has("if-empty") || given.options.has("e"),
                if_unused: given.options.has("if-unused") || given.options.has("u"),
            })?;
            let ready = deleted.map_err(|refusal| match refusal.kind {
                Why::NotFound => Failure::new(USAGE, "Queue not found"),
                _ if refusal.text.ends_with("in use") => Failure::new(USAGE, "Queue is in use"),
                _ if refusal.text.ends_with("not empty") => {
                    Failure::new(USAGE, "Queue is not empty")
                }
                _ => refusal.into(),
            })?;
            session.say(&format!("Queue was successfully deleted with {ready} ready messages"));
            Ok(())
        },
        ..QUEUES
    },
    Command {
        name: "purge_queue",
        usage: "[--vhost <vhost>] <queue>",
        summary: "Purges a queue (removes all messages in it)",
        words: (1, 1),
        banner: |given, _| {
            format!("Purging queue '{}' in vhost '{}' ...", given.word(0), given.vhost())
        },
        run: |session, given| {
            let (vhost, queue) = (given.vhost().to_owned(), given.word(0).to_owned());
            session.ask(&Request::PurgeQueue { vhost, queue }).map(drop)
        },
        ..QUEUES
    },
    Command {
        name: "list_delayed",
        usage: "[--vhost <vhost>] [--limit <number>] [<exchange>]",
        summary: "Lists messages that wait in delayed exchanges, by their times",
        words: (0, 1),
        flags: &[("limit", Kind::Integer)],
        banner: |given, _| format!("Listing delayed messages for vhost {} ...", given.vhost()),
        run: |session, given| {
            let list = List {
                listing: Listing::Delayed,
                vhost: Some(given.vhost().to_owned()),
                exchange: given.words.first().cloned(),
                limit: given.options.get("limit").and_then(|text| text.parse().ok()),
                columns: wanted(&[], given, Listing::Delayed)?,
                ..List::default()
            };
            session.list_all(list)
        },
        ..DELAYED
    },
    Command {
        name: "cancel_delayed",
        usage: "<id>",
        summary: "Drops a delayed message that still waits",
        words: (1, 1),
        banner: |given, _| format!("Cancelling delayed message {} ...", given.word(0)),
        run: |session, given| {
            session.ask(&Request::CancelDelayed { id: given.word(0).to_owned() }).map(drop)
        },
        ..DELAYED
    },
    Command {
        name: "release_delayed",
        usage: "<id>",
        summary: "Lets a delayed message go on before its time",
        words: (1, 1),
        banner: |given, _| format!("Releasing delayed message {} ...", given.word(0)),
        run: |session, given| {
            session.ask(&Request::ReleaseDelayed { id: given.word(0).to_owned() }).map(drop)
        },
        ..DELAYED
    },
    Command {
        name: "close_connection",
        usage: "<connectionpid> <explanation>",
        summary: "Instructs the broker to close the connection associated with the Erlang process \
                  id",
        words: (2, 2),
        banner: |given, _| {
            format!("Closing connection {}, reason: {}...", given.word(0), given.word(1))
        },
        run: |session, given| {
            let (which, reason) = (Which::One(given.word(0).to_owned()), given.word(1).to_owned());
            match session.try_ask(&Request::CloseConnections { which, reason })? {
                // One that is gone is closed.
                Err(Refusal { kind: Why::NotFound, .. }) if given.word(0).starts_with('<') => {
                    Ok(())
                }
                Err(Refusal { kind: Why::NotFound, .. }) => {
                    let text = format!("Error:\n{{:invalid_pid_syntax, \"{}\"}}", given.word(0));
                    Err(Failure::new(UNAVAILABLE, text))
                }
                closed => Ok(closed.map(drop)?),
            }
        },
        ..OPERATIONS
    },
    Command {
        name: "close_all_connections",
        usage: "[--vhost <vhost> --limit <limit>] [-n <node> --global] [--per-connection-delay \
                <delay>] <explanation>",
        summary: "Instructs the broker to close all connections for the specified vhost or entire \
                  RabbitMQ node",
        words: (1, 1),
        flags: &[
            ("global", Kind::Switch),
            ("limit", Kind::Integer),
            ("per-connection-delay", Kind::Integer),
        ],
        banner: |given, session| match given.options.has("global") {
            true => {
                let node = &session.node;
                format!(
                    "Closing all connections to node {node} (global), reason: {}...",
                    given.word(0)
                )
            }
            false => {
                let vhost = given.vhost();
                format!("Closing all connections in vhost {vhost}, reason: {}...", given.word(0))
            }
        },
        run: |session, given| {
            let limit = given.options.get("limit").and_then(|text| text.parse().ok());
            let global = given.options.has("global");
            let vhost = (!global).then(|| given.vhost().to_owned());
            let which = Which::Vhost { vhost, limit: limit.unwrap_or(0) };
            close(session, which, given.word(0))
        },
        ..OPERATIONS
    },
    Command {
        name: "close_all_user_connections",
        usage: "<username> <explanation>",
        summary: "Instructs the broker to close all connections of the specified user",
        words: (2, 2),
        banner: |given, _| {
            format!("Closing connections for user {}, reason: {}...", given.word(0), given.word(1))
        },
        run: |session, given| {
            let (which, reason) = (Which::User(given.word(0).to_owned()), given.word(1).to_owned());
            session.ask(&Request::CloseConnections { which, reason }).map(drop)
        },
        ..OPERATIONS
    },
    Command {
        name: "suspend_listeners",
        summary: "Suspends client connection listeners so that no new client connections are \
                  accepted",
        banner: |_, session| {
            format!(
                "Will suspend client connection listeners on node {}. The node will no longer \
                 accept client connections!",
                session.node
            )
        },
        run: |session, _| session.ask(&Request::SuspendListeners).map(drop),
        ..OPERATIONS
    },
    Command {
        name: "resume_listeners",
        summary: "Resumes client connection listeners making them accept client connections again",
        banner: |_, session| {
            format!(
                "Will resume client connection listeners on node {}. The node will now accept \
                 client connections",
                session.node
            )
        },
        run: |session, _| session.ask(&Request::ResumeListeners).map(drop),
        ..OPERATIONS
    },
];

fn delete_banner(given: &Given, _: &Session) -> String {
    let condition = match (
        given.options.has("if-empty") || given.options.has("e"),
        given.options.has("if-unused"),
    ) {
        (false, false) => "",
        (true, false) => "if queue is empty ",
        (false, true) => "if queue is unused ",
        (true, true) => "if queue is empty and if queue is unused ",
    };
    format!("Deleting queue '{}' on vhost '{}' {condition}...", given.word(0), given.vhost())
}

fn close(session: &mut Session, which: Which, reason: &str) -> Result<(), Failure> {
    let reason = reason.to_owned();
    let closed: Value = session.ask(&Request::CloseConnections { which, reason })?;
    session.say(&format!("Closed {closed} connections"));
    Ok(())
}
