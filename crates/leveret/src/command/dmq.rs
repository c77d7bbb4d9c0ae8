//! The command line of `leveret dmq`.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command as Clap, value_parser};
use dmq::address::NodeUri;
use dmq::ask::Ask;
use dmq::config::DMQ;
use dmq::desk::{TableSet, Value};

use super::{Answer, Body, Command, LEVERET, configured, given};

/// What is done with a node's configuration.
pub(crate) enum Action {
    /// It runs until a signal.
    Run,
    /// Its configuration is checked.
    Check,
}

/// A node that runs, and what it is asked.
pub(crate) struct Question {
    /// Where its API is.
    pub(crate) api: String,
    pub(crate) what: What,
}

/// What a node that runs is asked.
pub(crate) enum What {
    /// Something that it answers at once.
    Ask {
        ask: Ask,
        /// What goes with that.
        body: Option<Body>,
        /// Whether nodes are shown as a table.
        as_table: bool,
    },
    /// What it receives for this peer, or for all, until it stops.
    Messages(Option<String>),
}

/// What the matches of `leveret dmq` ask for.
pub(super) fn read(matches: &ArgMatches) -> Result<Command, Answer> {
    let (name, of) = matches.subcommand().unwrap_or(("run", matches));
    let action = match name {
        "run" => Action::Run,
        "check" => Action::Check,
        _ => {
            let what = what(name, of)?;
            return Ok(Command::AskDmq(Question { api: value(of, "api"), what }));
        }
    };
    Ok(Command::Dmq(given(LEVERET, of, DMQ.flags(of)), action))
}

fn what(name: &str, of: &ArgMatches) -> Result<What, Answer> {
    let content_type = || maybe(of, "content_type");
    let ask = match name {
        "remove" => Ask::Remove(value(of, "node")),
        "is-from-node" => Ask::IsFromNode(value(of, "source")),
        "bcast" => Ask::Bcast { peer: value(of, "peer"), content_type: content_type() },
        "send" => Ask::Send {
            peer: value(of, "peer"),
            node: value(of, "node"),
            content_type: content_type(),
        },
        "replicate" => Ask::Replicate {
            source: maybe(of, "source"),
            skip_loop_test: of.get_flag("skip_loop_test"),
        },
        "handle" => Ask::Handle { source: value(of, "source"), goes_on: of.get_flag("continue") },
        "messages" => return Ok(What::Messages(maybe(of, "peer"))),
        "sync" => Ask::Sync(maybe(of, "node")),
        "htable" => table(of)?,
        _ => Ask::Nodes,
    };
    let body = match &ask {
        Ask::Bcast { .. } | Ask::Send { .. } => Some(Body::of(&value::<String>(of, "body"))),
        Ask::Replicate { .. } | Ask::Handle { .. } => Some(Body::File(value(of, "request"))),
        _ => None,
    };
    let as_table = ask == Ask::Nodes && value::<String>(of, "format") == "table";
    Ok(What::Ask { ask, body, as_table })
}

fn table(of: &ArgMatches) -> Result<Ask, Answer> {
    let Some(table) = maybe::<String>(of, "table") else { return Ok(Ask::Tables) };
    let key = || value(of, "key");
    Ok(match value::<String>(of, "action").as_str() {
        "get" => Ask::Cell(table, key()),
        "delete" => Ask::DeleteCell(table, key()),
        "set" => {
            let text: String = value(of, "value");
            let value = match (of.get_flag("int"), text.parse()) {
                (false, _) => Value::Text(text),
                (true, Ok(number)) => Value::Int(number),
                (true, Err(_)) => {
                    let why = format!("--int: expected a whole number of 64 bits, got {text:?}\n");
                    return Err(clap::Error::raw(ErrorKind::ValueValidation, why).into());
                }
            };
            Ask::SetCell(TableSet { table, key: key(), value, expire_s: maybe(of, "expire") })
        }
        _ => Ask::Cells(table),
    })
}

fn maybe<T: Any + Clone + Send + Sync>(of: &ArgMatches, id: &str) -> Option<T> {
    of.get_one::<T>(id).cloned()
}

/// What clap has seen to.
fn value<T: Any + Clone + Send + Sync>(of: &ArgMatches, id: &str) -> T {
    maybe(of, id).expect("clap demands it, or knows its default")
}

/// `leveret dmq` and what can be done beside running.
pub(super) fn command() -> Clap {
    with_settings(Clap::new("dmq"))
        .about("Joins a Kamailio DMQ bus, and bridges it to queues")
        .display_name("leveret dmq")
        .override_usage("leveret dmq [run|check|…] [OPTIONS]")
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(
            with_settings(Clap::new("run"))
                .about("Runs a node until a signal (what `leveret dmq` alone does)")
                .override_usage("leveret dmq run [OPTIONS]"),
        )
        .subcommand(
            with_settings(Clap::new("check"))
                .about("Checks the configuration; exit code 78 if it has an error")
                .override_usage("leveret dmq check [OPTIONS]"),
        )
        .subcommands(questions().map(|command| command.arg(api())))
        .after_help(HELP)
}

/// What a node that runs can be asked.
fn questions() -> [Clap; 10] {
    let node = |help| needed("node", "NODE", help).value_parser(value_parser!(NodeUri));
    let peer = || needed("peer", "PEER", "The peer, such as htable.");
    let body = || needed("body", "BODY", "The body; - is standard input, @FILE a file.");
    let content_type =
        || option("content_type", "TYPE", "The content type. Default: text/plain, for text.");
    let request = || {
        needed("request", "FILE", "A file with the request; - is standard input.")
            .value_parser(value_parser!(PathBuf))
    };
    let format = option("format", "json|table", "How it is shown. Default: json.")
        .value_parser(["json", "table"])
        .default_value("json")
        .hide_default_value(true)
        .hide_possible_values(true);
    let from = option("source", "IP", "Where it came from, for the loop test.")
        .value_parser(value_parser!(IpAddr));
    let source = option("source", "IP:PORT", "Where it came from.")
        .value_parser(value_parser!(SocketAddr))
        .required(true);
    [
        Clap::new("list-nodes")
            .about("Shows the nodes of the bus, as kamcmd dmq.list_nodes does")
            .arg(format),
        Clap::new("bcast")
            .about("Sends a message to all active nodes, as dmq_bcast_message does")
            .args([peer(), body(), content_type()]),
        Clap::new("send").about("Sends a message to one node, as dmq_send_message does").args([
            peer(),
            node("The node, as sip:192.0.2.1:5060."),
            body(),
            content_type(),
        ]),
        Clap::new("replicate")
            .about("Sends a SIP request unchanged to all active nodes, as dmq_t_replicate does")
            .args([request(), from])
            .arg(switch("skip_loop_test", "Leaves the loop test out.")),
        Clap::new("handle")
            .about("Gives a KDMQ request to its peer, as dmq_handle_message does")
            .args([request(), source])
            .arg(switch("continue", "Says that the caller goes on with the request.")),
        Clap::new("is-from-node")
            .about("Tells whether a node has this address; exit code 1 if none has")
            .arg(needed("source", "IP", "The address.").value_parser(value_parser!(IpAddr))),
        Clap::new("messages")
            .about("Shows what arrives, a line of JSON each, until the node stops")
            .arg(option("peer", "PEER", "For this peer only.")),
        Clap::new("remove")
            .about("Forgets a node, as kamcmd dmq.remove does")
            .arg(node("The node, as sip:192.0.2.1:5060.")),
        htable(),
        Clap::new("sync")
            .about("Asks a node for all its hash tables")
            .arg(node("The node. Default: the next that is active.").required(false)),
    ]
}

fn htable() -> Clap {
    let of_a_cell = [("action", "get"), ("action", "set"), ("action", "delete")];
    Clap::new("htable")
        .about("Shows and changes hash tables, on all nodes")
        .override_usage(
            "leveret dmq htable [TABLE [list]]\n       \
             leveret dmq htable TABLE get|delete KEY\n       \
             leveret dmq htable TABLE set KEY VALUE [--int] [--expire SECONDS]",
        )
        .args([
            needed("table", "TABLE", "The table. Default: their names.").required(false),
            needed("action", "ACTION", "list, get, set or delete. Default: list.")
                .value_parser(["list", "get", "set", "delete"])
                .hide_possible_values(true)
                .hide_default_value(true)
                .required(false)
                .default_value("list"),
            needed("key", "KEY", "The key of a cell.")
                .required(false)
                .required_if_eq_any(of_a_cell),
            needed("value", "VALUE", "What it is set to.")
                .required(false)
                .required_if_eq("action", "set"),
            switch("int", "Says that VALUE is a number, not a text."),
            option("expire", "SECONDS", "How long it lives. Default: for ever.")
                .value_parser(value_parser!(u32)),
        ])
}

fn api() -> Arg {
    option("api", "URL", "The node's page and API (its setting `listen`).")
        .default_value("http://127.0.0.1:15694")
}

fn needed(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(id).value_name(value).help(help).required(true).allow_hyphen_values(true)
}

fn option(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(id).long(id.replace('_', "-")).value_name(value).help(help);
    arg.allow_hyphen_values(true)
}

fn switch(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id.replace('_', "-")).action(ArgAction::SetTrue).help(help)
}

fn with_settings(command: Clap) -> Clap {
    let help = "Reads settings from FILE and from dmq.d/*.toml beside it.\n\
                Default: ./dmq.toml or /etc/leveret/dmq.toml, if there is one.";
    DMQ.arguments(configured(command, help))
}

const HELP: &str = "\
Examples:
  leveret dmq --server-address sip:192.0.2.3:5060 --notification-address sip:192.0.2.1:5060
      joins the bus that the node at 192.0.2.1 is on; its page is on http://127.0.0.1:15694/
  leveret dmq check --config dmq.toml
      says what is wrong with the file, and where
  leveret dmq list-nodes --format table
      the nodes of the bus, asked of the node that runs on this machine
  leveret dmq bcast events '{\"id\":1}' --content-type application/json
      sends a message to all nodes, and shows what became of it at each
  leveret dmq messages --peer events
      shows what arrives for a peer
  leveret dmq htable shared set key1 value-one --expire 60
      sets a cell of a hash table on all nodes

Each setting has one name everywhere: --ping-interval here, LEVERET_DMQ_PING_INTERVAL in the
environment, ping_interval in dmq.toml and in [dmq] of leveret.toml, which runs a node beside the
broker. A flag wins over the environment, that over dmq.d/*.toml, that over dmq.toml.

Exit codes: 0 stopped cleanly, or done; 1 the answer is no, or not every node took the message; 64
wrong command line or request, 69 address not available, or no node at --api, 74 input/output error,
78 wrong setting, 130 or 143 second signal.";
