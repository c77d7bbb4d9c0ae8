//! What runs beside the broker, in its process: a delayer for each section `[delayer.NAME]` of the
//! file, the triggers of sections `[trigger.NAME]`, and the node of a DMQ bus of `[dmq]`, on threads
//! of their own and connected like any other client.
//!
//! They start when the broker is ready and end before it does: at a stop they may still publish.
//! One that cannot go on stops the whole process.

mod delayer;
mod node;
mod run;
mod triggers;

use std::path::PathBuf;

use client::address::Address;
use server::config::{SETTINGS, ServeConfig};
use service::config::{ConfigError, Loaded, Part, SectionKind, Sources};
use trigger::config::{Home, Sections, kinds};

use self::delayer::{DELAYER, Delayer};
use self::node::Node;
use self::triggers::Triggers;

pub(crate) use run::run;
pub(crate) use triggers::Again;

/// What a section may be.
const KINDS: [SectionKind; 5] = {
    let [trigger, broker, account] = kinds(Part::Section);
    [
        SectionKind { name: DELAYER, is_named: true, part: Part::None },
        trigger,
        broker,
        account,
        dmq::config::kind(Part::Section),
    ]
};

/// Everything that the broker's file declares beside it, checked.
pub(crate) struct Beside {
    delayers: Vec<Delayer>,
    triggers: Option<Triggers>,
    node: Option<Node>,
}

/// The broker's settings, and what runs beside it.
pub(crate) fn read(sources: &Sources) -> Result<(Loaded<ServeConfig>, Beside), ConfigError> {
    let broker = SETTINGS.load_with(sources, &KINDS)?;
    let delayers = delayer::read(&broker)?;
    let triggers = triggers::read(&broker, sources)?;
    let node = node::read(&broker)?;
    Ok((broker, Beside { delayers, triggers, node }))
}

/// Where the broker of these sources keeps its data; what is beside it is not looked at.
pub(crate) fn data_dir(sources: &Sources) -> Result<PathBuf, ConfigError> {
    SETTINGS.load_with(sources, &KINDS).map(|loaded| loaded.config.data_dir)
}

/// The triggers that the file declares, and the broker beside them, to be looked at.
pub(crate) fn triggers(sources: &Sources) -> Result<(Sections, Home), ConfigError> {
    let (broker, beside) = read(&Sources { flags: Vec::new(), ..sources.clone() })?;
    let nothing = || {
        let file = broker.files.first().map(|file| file.display().to_string()).unwrap_or_default();
        ConfigError::Nothing(format!("{file}: no trigger: write a section [trigger.NAME]"))
    };
    beside.triggers.map(Triggers::into_parts).ok_or_else(nothing)
}

/// How a part reaches the broker that it runs beside; the real port is known when that is ready.
fn home(broker: &ServeConfig) -> Address {
    let port = broker.amqp_listen.first().map_or(0, |listen| listen.port);
    Address::local(port, &broker.default_user, &broker.default_pass, &broker.default_vhost)
}

impl Beside {
    /// The sections as a part of the file.
    pub(crate) fn print(&self) -> String {
        let delayers = self.delayers.iter().map(Delayer::print);
        let triggers = self.triggers.iter().map(Triggers::print);
        delayers.chain(triggers).chain(self.node.iter().map(Node::print)).collect()
    }

    /// Logs what may not be meant. Triggers do that themselves.
    pub(crate) fn warn(&self) {
        self.delayers.iter().for_each(Delayer::warn);
        self.node.iter().for_each(Node::warn);
    }
}
