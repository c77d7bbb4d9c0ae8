//! The node of a DMQ bus that `[dmq]` declares.

use std::net::SocketAddr;

use client::addresses::Addresses;
use dmq::config::{DMQ, DmqConfig};
use server::config::ServeConfig;
use service::config::{ConfigError, FileKind, Loaded, Origin, Section};
use service::shutdown::Shutdown;

use super::home;
use super::run::Failure;

/// Settings that a node beside the broker does not have: the process has one log.
const NOT_ITS_OWN: [&str; 2] = ["log_level", "log_format"];

/// A node that the file declares.
pub(super) struct Node {
    section: Section,
    loaded: Loaded<DmqConfig>,
}

/// The node of the file, if it has one; checked.
pub(super) fn read(broker: &Loaded<ServeConfig>) -> Result<Option<Node>, ConfigError> {
    let kind = dmq::config::KIND;
    let Some(section) = broker.sections.iter().find(|section| section.kind == kind) else {
        return Ok(None);
    };
    let defaults =
        DmqConfig { bridge_broker: Addresses(vec![home(&broker.config)]), ..DmqConfig::default() };
    let loaded = DMQ.section(defaults, section).map_err(|error| error.inside(section))?;
    let node = Node { section: section.clone(), loaded };
    for setting in NOT_ITS_OWN {
        if *node.loaded.origin(setting) != Origin::Default {
            let reason = format!("the process has one log: set the broker's {setting} instead");
            return Err(node.refused(setting, reason));
        }
    }
    let needs_broker = node.loaded.config.has_bridge() && node.is_at_home();
    if broker.config.amqp_listen.is_empty() && needs_broker {
        let reason = "the broker listens with TLS only, so this has to say where it is";
        return Err(node.refused("bridge_broker", reason.to_owned()));
    }
    Ok(Some(node))
}

impl Node {
    /// Whether its bridge leads to the broker that it runs beside.
    fn is_at_home(&self) -> bool {
        *self.loaded.origin("bridge_broker") == Origin::Default
    }

    /// Its section as a part of the file.
    pub(super) fn print(&self) -> String {
        let settings = DMQ.print_as(FileKind::Toml, &self.loaded);
        let its_own = |line: &&str| !NOT_ITS_OWN.iter().any(|own| line.starts_with(own));
        let settings: String = settings.split_inclusive('\n').filter(its_own).collect();
        format!("\n{:<56} # {}\n{settings}", self.section.head(), self.section.origin)
    }

    /// Logs what may not be meant.
    pub(super) fn warn(&self) {
        for warning in dmq::config::warnings(&self.loaded) {
            tracing::warn!("[dmq] {warning}");
        }
    }

    /// Runs it to its end, beside a broker that listens there.
    pub(super) fn run(self, addresses: &[SocketAddr], shutdown: &Shutdown) -> Result<(), Failure> {
        let at_home = self.is_at_home();
        let mut config = self.loaded.config;
        if at_home {
            config.bridge_broker.move_to(addresses);
        }
        dmq::run(&config, shutdown)
            .map_err(|error| Failure { why: format!("[dmq] {error}"), exit: error.exit() })
    }

    /// Whether it is not what `other` is.
    pub(super) fn differs(&self, other: &Node) -> bool {
        !DMQ.differences(&self.loaded.config, &other.loaded.config).is_empty()
    }

    fn refused(&self, setting: &'static str, reason: String) -> ConfigError {
        let origin = self.loaded.origin(setting).clone();
        ConfigError::Bad { name: setting.to_owned(), origin, reason }.inside(&self.section)
    }
}
