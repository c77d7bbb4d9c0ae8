//! Virtual hosts, their limits, and the limits of users.

use super::super::arguments::Given;
use super::super::command::{ANY, COMMAND, Command, Kind, Tools};
use super::super::failure::{DATA, Failure, NO_USER, SOFTWARE, UNAVAILABLE};
use super::super::format::cell;
use super::super::session::Session;
use super::users::shown;
use crate::listing::Listing;
use crate::reply::{Refusal, Why};
use crate::request::{List, Request, VhostMeta};

const VHOSTS: Command = Command { section: "Virtual hosts", ..COMMAND };
const USERS: Command = Command { section: "Users", ..COMMAND };

const META: &[super::super::command::Flag] =
    &[("description", Kind::Text), ("tags", Kind::Text), ("default-queue-type", Kind::Text)];

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "add_vhost",
        usage: "<vhost> [--description <description> --tags \"<tag1>,<tag2>,<...>\" \
                --default-queue-type <quorum|classic>]",
        summary: "Creates a virtual host",
        words: (1, 1),
        flags: META,
        banner: |given, _| format!("Adding vhost \"{}\" ...", given.word(0)),
        run: |session, given| {
            let (vhost, meta) = (given.word(0).to_owned(), meta(given));
            match session.try_ask(&Request::AddVhost { vhost, meta })? {
                // It is there, which is what was wanted.
                Err(Refusal { kind: Why::Exists, .. }) => Ok(()),
                added => Ok(added.map(drop)?),
            }
        },
        ..VHOSTS
    },
    Command {
        name: "update_vhost_metadata",
        usage: "<vhost> [--description <description>] [--tags \"<tag1>,<tag2>,<...>\"] \
                [--default-queue-type <quorum|classic>]",
        summary: "Updates metadata (tags, description, default queue type) a virtual host",
        words: (1, 1),
        flags: META,
        banner: |given, _| format!("Updating metadata of vhost \"{}\" ...", given.word(0)),
        run: |session, given| {
            let (vhost, meta) = (given.word(0).to_owned(), meta(given));
            if meta == VhostMeta::default() {
                let why = "not enough arguments. Provide at least one of --description, --tags, \
                           --default-queue-type";
                return Err(given.invalid(why));
            }
            ask(session, Request::SetVhostMeta { vhost, meta })
        },
        ..VHOSTS
    },
    Command {
        name: "delete_vhost",
        usage: "<vhost>",
        summary: "Deletes a virtual host",
        words: (1, 1),
        banner: |given, _| format!("Deleting vhost \"{}\" ...", given.word(0)),
        run: |session, given| ask(session, Request::DeleteVhost { vhost: given.word(0).into() }),
        ..VHOSTS
    },
    Command {
        name: "set_vhost_tags",
        usage: "<vhost> <tag> [...]",
        summary: "Sets virtual host tags",
        words: (1, ANY),
        banner: |given, _| {
            let tags = given.words[1..].join(", ");
            format!("Setting tags for virtual host \"{}\" to [{tags}] ...", given.word(0))
        },
        run: |session, given| {
            let meta = VhostMeta { tags: Some(given.words[1..].to_vec()), ..VhostMeta::default() };
            let vhost = given.word(0).to_owned();
            let set = session.try_ask(&Request::SetVhostMeta { vhost, meta })?;
            let refused = |refusal: Refusal| match refusal.kind {
                Why::NoVhost => {
                    let text = format!("Virtual host \"{}\" does not exist", given.word(0));
                    Failure::new(DATA, text)
                }
                _ => refusal.into(),
            };
            set.map(drop).map_err(refused)
        },
        ..VHOSTS
    },
    Command {
        name: "restart_vhost",
        usage: "[--vhost <vhost>]",
        summary: "Restarts a failed vhost data stores and queues",
        banner: |given, session| {
            format!("Trying to restart vhost '{}' on node '{}' ...", given.vhost(), session.node)
        },
        run: |session, given| {
            let (vhost, node) = (given.vhost(), session.node.clone());
            let list =
                List { listing: Listing::Vhosts, columns: shown(&["name"]), ..List::default() };
            let found = session.rows(list)?;
            if !found.iter().any(|row| row.get("name").is_some_and(|name| name == vhost)) {
                let text = format!(
                    "Failed to start vhost '{vhost}' on node '{node}'Reason: \
                     {{:no_such_vhost, \"{vhost}\"}}"
                );
                return Err(Failure::new(SOFTWARE, text));
            }
            session.say(&format!("Vhost '{vhost}' is already running on node '{node}'"));
            Ok(())
        },
        ..VHOSTS
    },
    Command {
        name: "trace_on",
        usage: "[--vhost <vhost>]",
        summary: "Starts copying the messages of a virtual host to amq.rabbitmq.trace",
        banner: |given, _| format!("Starting tracing for vhost \"{}\" ...", given.vhost()),
        run: |session, given| {
            session.ask(&Request::Trace { vhost: given.vhost().to_owned(), on: true })?;
            session.say(&format!("Trace enabled for vhost {}", given.vhost()));
            Ok(())
        },
        ..VHOSTS
    },
    Command {
        name: "trace_off",
        usage: "[--vhost <vhost>]",
        summary: "Stops copying them",
        banner: |given, _| format!("Stopping tracing for vhost \"{}\" ...", given.vhost()),
        run: |session, given| {
            session.ask(&Request::Trace { vhost: given.vhost().to_owned(), on: false })?;
            session.say(&format!("Trace disabled for vhost {}", given.vhost()));
            Ok(())
        },
        ..VHOSTS
    },
    Command {
        name: "set_vhost_limits",
        usage: "[--vhost <vhost>] <definition>",
        summary: "Sets virtual host limits",
        words: (1, 1),
        banner: |given, _| {
            let (limits, vhost) = (given.word(0), given.vhost());
            format!("Setting vhost limits to \"{limits}\" for vhost \"{vhost}\" ...")
        },
        run: |session, given| {
            let (vhost, limits) = (given.vhost().to_owned(), given.word(0).to_owned());
            ask(session, Request::SetVhostLimits { vhost, limits })
        },
        ..VHOSTS
    },
    Command {
        name: "clear_vhost_limits",
        usage: "[--vhost <vhost>]",
        summary: "Clears virtual host limits",
        banner: |given, _| format!("Clearing vhost \"{}\" limits ...", given.vhost()),
        run: |session, given| {
            let vhost = given.vhost().to_owned();
            ask(session, Request::ClearVhostLimits { vhost })
        },
        ..VHOSTS
    },
    Command {
        name: "list_vhost_limits",
        tools: Tools::LOOK,
        usage: "[--vhost <vhost>] [--global] [--no-table-headers]",
        summary: "Displays configured virtual host limits",
        flags: &[("global", Kind::Switch)],
        banner: |given, _| match given.options.has("global") {
            true => "Listing limits for all vhosts ...".to_owned(),
            false => format!("Listing limits for vhost \"{}\" ...", given.vhost()),
        },
        run: |session, given| {
            if given.options.has("global") {
                return session.list(Listing::VhostLimits, shown(&["vhost", "limits"]), None, None);
            }
            let list = List {
                listing: Listing::VhostLimits,
                vhost: Some(given.vhost().to_owned()),
                columns: shown(&["limits"]),
                ..List::default()
            };
            limits(session, list)
        },
        ..VHOSTS
    },
    Command {
        name: "set_user_limits",
        usage: "<username> <definition>",
        summary: "Sets user limits",
        words: (2, 2),
        banner: |given, _| {
            let (user, limits) = (given.word(0), given.word(1));
            format!("Setting user limits to \"{limits}\" for user \"{user}\" ...")
        },
        run: |session, given| {
            let (user, limits) = (given.word(0).to_owned(), given.word(1).to_owned());
            of_user(session, given.word(0), Request::SetUserLimits { user, limits })
        },
        ..USERS
    },
    Command {
        name: "clear_user_limits",
        usage: "<username> <limit_type> | all",
        summary: "Clears user connection/channel limits",
        words: (2, 2),
        banner: |given, _| match (given.word(0), given.word(1)) {
            (user, "all") => format!("Clearing all limits for user \"{user}\" ..."),
            (user, limit) => format!("Clearing \"{limit}\" limit for user \"{user}\" ..."),
        },
        run: |session, given| {
            let (user, limit) = (given.word(0).to_owned(), given.word(1).to_owned());
            of_user(session, given.word(0), Request::ClearUserLimits { user, limit })
        },
        ..USERS
    },
    Command {
        name: "list_user_limits",
        tools: Tools::LOOK,
        usage: "[--user <username>] [--global]",
        summary: "Displays configured user limits",
        flags: &[("user", Kind::Text), ("global", Kind::Switch)],
        banner: |given, _| match given.options.get("user") {
            Some(user) => format!("Listing limits for user \"{user}\" ..."),
            None => "Listing limits for all users ...".to_owned(),
        },
        run: |session, given| {
            let Some(user) = given.options.get("user") else {
                return session.list(Listing::UserLimits, shown(&["user", "limits"]), None, None);
            };
            let list = List {
                listing: Listing::UserLimits,
                user: Some(user.to_owned()),
                columns: shown(&["limits"]),
                ..List::default()
            };
            term(limits(session, list), user)
        },
        ..USERS
    },
];

fn meta(given: &Given) -> VhostMeta {
    let text = |flag| given.options.get(flag).map(str::to_owned);
    let split = |tags: String| -> Vec<String> {
        let tags = tags.split(',').map(|tag| tag.trim().to_owned());
        tags.filter(|tag| !tag.is_empty()).collect()
    };
    VhostMeta {
        description: text("description"),
        tags: text("tags").map(split),
        default_queue_type: text("default-queue-type"),
    }
}

/// Shows the limits of one, without a table around them.
fn limits(session: &mut Session, list: List) -> Result<(), Failure> {
    let rows = session.rows(list)?;
    let limits = rows.first().and_then(|row| row.get("limits")).map(cell);
    session.show(&format!("{}\n", limits.unwrap_or_default()));
    Ok(())
}

/// A user that is missing is told as a term here.
pub(super) fn of_user(session: &mut Session, user: &str, request: Request) -> Result<(), Failure> {
    term(session.ask(&request).map(drop), user)
}

/// The words for a user that is missing, where RabbitMQ shows the term.
pub(super) fn term(outcome: Result<(), Failure>, user: &str) -> Result<(), Failure> {
    outcome.map_err(|failure| match failure.exit {
        NO_USER => Failure::new(UNAVAILABLE, format!("{{:no_such_user, \"{user}\"}}")),
        _ => failure,
    })
}

/// Asks for a change that has nothing to say.
pub(super) fn ask(session: &mut Session, request: Request) -> Result<(), Failure> {
    session.ask(&request).map(drop)
}
