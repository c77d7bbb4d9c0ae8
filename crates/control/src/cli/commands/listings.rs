//! Listings of what there is: queues, exchanges, bindings, connections, channels, consumers.

use super::super::columns::wanted;
use super::super::command::{ANY, COMMAND, Command, Kind, Tools};
use crate::listing::Listing;

const LIST: Command = Command {
    section: "Monitoring, observability and health checks",
    tools: Tools::LOOK,
    words: (0, ANY),
    ..COMMAND
};

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "list_queues",
        usage: "[--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] \
                [<column>, ...] [--timeout <timeout>]",
        summary: "Lists queues and their properties",
        flags: &[("online", Kind::Switch), ("offline", Kind::Switch), ("local", Kind::Switch)],
        banner: |given, session| {
            let timeout =
                session.timeout_s.map_or("infinity".into(), |s| format!("{s:.1} seconds"));
            format!("Timeout: {timeout} ...\nListing queues for vhost {} ...", given.vhost())
        },
        check: |given| wanted(&given.words, given, Listing::Queues).map(drop),
        run: |session, given| {
            let columns = wanted(&given.words, given, Listing::Queues)?;
            if given.options.has("offline") {
                return Ok(());
            }
            session.list(Listing::Queues, columns, Some(given.vhost()), None)
        },
        ..LIST
    },
    Command {
        name: "list_exchanges",
        usage: "[--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]",
        summary: "Lists exchanges",
        banner: |given, _| format!("Listing exchanges for vhost {} ...", given.vhost()),
        check: |given| wanted(&given.words, given, Listing::Exchanges).map(drop),
        run: |session, given| {
            let columns = wanted(&given.words, given, Listing::Exchanges)?;
            session.list(Listing::Exchanges, columns, Some(given.vhost()), None)
        },
        ..LIST
    },
    Command {
        name: "list_bindings",
        usage: "[--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]",
        summary: "Lists all bindings on a vhost",
        banner: |given, _| format!("Listing bindings for vhost {}...", given.vhost()),
        check: |given| wanted(&given.words, given, Listing::Bindings).map(drop),
        run: |session, given| {
            let columns = wanted(&given.words, given, Listing::Bindings)?;
            session.list(Listing::Bindings, columns, Some(given.vhost()), None)
        },
        ..LIST
    },
    Command {
        name: "list_connections",
        usage: "[--no-table-headers] [<column> ...] [--timeout <timeout>]",
        summary: "Lists AMQP 0.9.1 connections for the node",
        banner: |_, _| "Listing connections ...".to_owned(),
        check: |given| wanted(&given.words, given, Listing::Connections).map(drop),
        run: |session, given| {
            let columns = wanted(&given.words, given, Listing::Connections)?;
            session.list(Listing::Connections, columns, None, None)
        },
        ..LIST
    },
    Command {
        name: "list_channels",
        usage: "[--no-table-headers] [<column> ...]",
        summary: "Lists all channels in the node",
        banner: |_, _| "Listing channels ...".to_owned(),
        check: |given| wanted(&given.words, given, Listing::Channels).map(drop),
        run: |session, given| {
            let columns = wanted(&given.words, given, Listing::Channels)?;
            session.list(Listing::Channels, columns, None, None)
        },
        ..LIST
    },
    Command {
        name: "list_consumers",
        usage: "[--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]",
        summary: "Lists all consumers for a vhost",
        banner: |given, _| format!("Listing consumers in vhost {} ...", given.vhost()),
        check: |given| wanted(&given.words, given, Listing::Consumers).map(drop),
        run: |session, given| {
            let columns = wanted(&given.words, given, Listing::Consumers)?;
            session.list(Listing::Consumers, columns, Some(given.vhost()), None)
        },
        ..LIST
    },
    Command {
        name: "list_vhosts",
        section: "Access Control",
        usage: "[--no-table-headers] [<column> ...] [--timeout <timeout>]",
        summary: "Lists virtual hosts",
        banner: |_, _| "Listing vhosts ...".to_owned(),
        check: |given| wanted(&given.words, given, Listing::Vhosts).map(drop),
        run: |session, given| {
            let columns = wanted(&given.words, given, Listing::Vhosts)?;
            session.list(Listing::Vhosts, columns, None, None)
        },
        ..LIST
    },
];
