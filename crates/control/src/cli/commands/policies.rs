//! Policies, operator policies and runtime parameters.

use super::super::arguments::Given;
use super::super::command::{COMMAND, Command, Flag, Kind, Tools};
use super::super::failure::Failure;
use super::super::session::Session;
use super::users::shown;
use super::vhosts::ask;
use crate::listing::Listing;
use crate::request::{Policy, Request};

const POLICIES: Command = Command { section: "Policies", ..COMMAND };
const PARAMETERS: Command = Command { section: "Parameters", ..COMMAND };

const POLICY_FLAGS: &[Flag] = &[("priority", Kind::Integer), ("apply-to", Kind::Text)];
/// What sets a policy of either kind.
const SET: Command = Command {
    usage: "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> \
            <definition>",
    words: (3, 3),
    flags: POLICY_FLAGS,
    ..POLICIES
};
const LIST_USAGE: &str = "[--vhost <vhost>] [--no-table-headers]";

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "set_policy",
        summary: "Sets or updates a policy",
        banner: |given, _| set_banner(given, "policy"),
        run: |session, given| set(session, given, false),
        ..SET
    },
    Command {
        name: "set_operator_policy",
        summary: "Sets an operator policy that overrides a subset of arguments in user policies",
        banner: |given, _| set_banner(given, "operator policy override"),
        run: |session, given| set(session, given, true),
        ..SET
    },
    Command {
        name: "clear_policy",
        usage: "[--vhost <vhost>] <policy>",
        summary: "Clears (removes) a policy",
        words: (1, 1),
        banner: |given, _| {
            format!("Clearing policy \"{}\" on vhost \"{}\" ...", given.word(0), given.vhost())
        },
        run: |session, given| clear(session, given, false),
        ..POLICIES
    },
    Command {
        name: "clear_operator_policy",
        usage: "[--vhost <vhost>] <name>",
        summary: "Clears an operator policy",
        words: (1, 1),
        banner: |given, _| {
            let (name, vhost) = (given.word(0), given.vhost());
            format!("Clearing operator policy \"{name}\" on vhost \"{vhost}\" ...")
        },
        run: |session, given| clear(session, given, true),
        ..POLICIES
    },
    Command {
        name: "list_policies",
        tools: Tools::LOOK,
        usage: LIST_USAGE,
        summary: "Lists all policies in a virtual host",
        banner: |given, _| format!("Listing policies for vhost \"{}\" ...", given.vhost()),
        run: |session, given| of(session, Listing::Policies, given),
        ..POLICIES
    },
    Command {
        name: "list_operator_policies",
        tools: Tools::LOOK,
        usage: LIST_USAGE,
        summary: "Lists operator policy overrides for a virtual host",
        banner: |given, _| {
            format!("Listing operator policy overrides for vhost \"{}\" ...", given.vhost())
        },
        run: |session, given| of(session, Listing::OperatorPolicies, given),
        ..POLICIES
    },
    Command {
        name: "set_parameter",
        usage: "[--vhost <vhost>] <component_name> <name> <value>",
        summary: "Sets a runtime parameter.",
        words: (3, 3),
        banner: |given, _| {
            let [component, name, value] = [0, 1, 2].map(|at| given.word(at));
            format!(
                "Setting runtime parameter \"{name}\" for component \"{component}\" to \
                 \"{value}\" in vhost \"{}\" ...",
                given.vhost()
            )
        },
        run: |session, given| {
            ask(
                session,
                Request::SetParameter {
                    vhost: Some(given.vhost().to_owned()),
                    component: given.word(0).to_owned(),
                    name: given.word(1).to_owned(),
                    value: given.word(2).to_owned(),
                },
            )
        },
        ..PARAMETERS
    },
    Command {
        name: "clear_parameter",
        usage: "[--vhost <vhost>] <component_name> <name>",
        summary: "Clears a runtime parameter.",
        words: (2, 2),
        banner: |given, _| {
            let (component, name) = (given.word(0), given.word(1));
            format!(
                "Clearing runtime parameter \"{name}\" for component \"{component}\" on vhost \
                 \"{}\" ...",
                given.vhost()
            )
        },
        run: |session, given| {
            ask(
                session,
                Request::ClearParameter {
                    vhost: Some(given.vhost().to_owned()),
                    component: given.word(0).to_owned(),
                    name: given.word(1).to_owned(),
                },
            )
        },
        ..PARAMETERS
    },
    Command {
        name: "list_parameters",
        tools: Tools::LOOK,
        usage: "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
        summary: "Lists runtime parameters for a virtual host",
        banner: |given, _| {
            format!("Listing runtime parameters for vhost \"{}\" ...", given.vhost())
        },
        run: |session, given| of(session, Listing::Parameters, given),
        ..PARAMETERS
    },
    Command {
        name: "set_global_parameter",
        usage: "<name> <value>",
        summary: "Sets a runtime parameter.",
        words: (2, 2),
        banner: |given, _| {
            let (name, value) = (given.word(0), given.word(1));
            format!("Setting global runtime parameter \"{name}\" to \"{value}\" ...")
        },
        run: |session, given| {
            let (name, value) = (given.word(0).to_owned(), given.word(1).to_owned());
            let component = String::new();
            session.ask(&Request::SetParameter { vhost: None, component, name, value }).map(drop)
        },
        ..PARAMETERS
    },
    Command {
        name: "clear_global_parameter",
        usage: "<name>",
        summary: "Clears a global runtime parameter",
        words: (1, 1),
        banner: |given, _| format!("Clearing global runtime parameter \"{}\" ...", given.word(0)),
        run: |session, given| {
            let (component, name) = (String::new(), given.word(0).to_owned());
            session.ask(&Request::ClearParameter { vhost: None, component, name }).map(drop)
        },
        ..PARAMETERS
    },
    Command {
        name: "list_global_parameters",
        tools: Tools::LOOK,
        usage: "[--no-table-headers] [--timeout <timeout>]",
        summary: "Lists global runtime parameters",
        banner: |_, _| "Listing global runtime parameters ...".to_owned(),
        run: |session, _| {
            session.list(Listing::GlobalParameters, shown(&["name", "value"]), None, None)
        },
        ..PARAMETERS
    },
];

fn set_banner(given: &Given, what: &str) -> String {
    let [name, pattern, definition] = [0, 1, 2].map(|at| given.word(at));
    let priority = given.options.get("priority").unwrap_or("0");
    let vhost = given.vhost();
    format!(
        "Setting {what} \"{name}\" for pattern \"{pattern}\" to \"{definition}\" with priority \
         \"{priority}\" for vhost \"{vhost}\" ..."
    )
}

fn set(session: &mut Session, given: &Given, operator: bool) -> Result<(), Failure> {
    let option = |name| given.options.get(name);
    let policy = Policy {
        name: given.word(0).to_owned(),
        pattern: given.word(1).to_owned(),
        definition: given.word(2).to_owned(),
        apply_to: option("apply-to").unwrap_or("all").to_owned(),
        priority: option("priority").and_then(|text| text.parse().ok()).unwrap_or(0),
    };
    let vhost = given.vhost().to_owned();
    ask(session, Request::SetPolicy { operator, vhost, policy })
}

fn clear(session: &mut Session, given: &Given, operator: bool) -> Result<(), Failure> {
    let (vhost, name) = (given.vhost().to_owned(), given.word(0).to_owned());
    ask(session, Request::ClearPolicy { operator, vhost, name })
}

fn of(session: &mut Session, listing: Listing, given: &Given) -> Result<(), Failure> {
    session.list(listing, shown(listing.shown()), Some(given.vhost()), None)
}
