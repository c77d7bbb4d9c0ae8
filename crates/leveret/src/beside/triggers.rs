//! The triggers that sections `[trigger.NAME]` declare. They are read again while they run; what
//! else the file says needs a restart.

use std::net::SocketAddr;

use server::config::{SETTINGS, ServeConfig};
use service::config::{ConfigError, Loaded, Sources, Spelling};
use service::shutdown::{Hangups, Shutdown};
use trigger::config::{Home, Reload, Sections, Set, TriggersConfig};

use super::delayer::Delayer;
use super::run::Failure;

/// Triggers that were read once.
pub(super) struct Triggers {
    sections: Sections,
    set: Set,
    /// The broker beside them, at the address that it was told to listen on.
    home: Home,
}

/// The triggers of the file, if it has any; checked.
pub(super) fn read(
    broker: &Loaded<ServeConfig>,
    sources: &Sources,
) -> Result<Option<Triggers>, ConfigError> {
    let drop_ins = Spelling::LEVERET.drop_ins;
    let Some(sections) = Sections::beside(broker, drop_ins, sources)? else { return Ok(None) };
    let home = Home(super::home(&broker.config));
    let set = sections.resolve(Some(&home))?;
    if broker.config.amqp_listen.is_empty()
        && let Some(trigger) = set.triggers.iter().find(|trigger| trigger.is_at_home)
    {
        let reason = "the broker listens with TLS only, so this has to say where it is: name a \
                      section [broker.NAME]";
        return Err(sections.refused(&trigger.name, "broker", reason));
    }
    Ok(Some(Triggers { sections, set, home }))
}

/// What it takes to read the file again.
pub(crate) struct Again {
    /// The settings that the broker runs with.
    pub(crate) broker: Loaded<ServeConfig>,
    /// Where they were read.
    pub(crate) sources: Sources,
    /// When somebody asks for it.
    pub(crate) asked: Hangups,
}

impl Triggers {
    /// The sections, and the broker beside them.
    pub(super) fn into_parts(self) -> (Sections, Home) {
        (self.sections, self.home)
    }

    /// The sections as a part of the file.
    pub(super) fn print(&self) -> String {
        self.sections.print()
    }

    /// Runs them to their end, beside a broker that listens there.
    pub(super) fn run(
        self,
        again: Again,
        addresses: &[SocketAddr],
        shutdown: &Shutdown,
    ) -> Result<(), Failure> {
        let Triggers { mut set, mut home, .. } = self;
        set.move_home(addresses);
        home.move_to(addresses);
        let Again { broker, sources, asked } = again;
        let read = move || read_again(&broker, &sources, &home).map_err(|error| error.to_string());
        let reload = Reload { read: Box::new(read), asked };
        trigger::daemon::run(set, reload, shutdown)
            .map_err(|error| Failure { why: error.to_string(), exit: error.exit() })
    }
}

/// Reads the file again, and says what of it only a restart can follow.
fn read_again(
    running: &Loaded<ServeConfig>,
    sources: &Sources,
    home: &Home,
) -> Result<Set, ConfigError> {
    let (broker, beside) = super::read(sources)?;
    let changed = SETTINGS.differences(&broker.config, &running.config);
    if !changed.is_empty() {
        let changed = changed.join(", ");
        tracing::warn!("{changed} changed: restart the broker for what is not about triggers");
    }
    let delayers = super::delayer::read(running)?;
    let same = delayers.len() == beside.delayers.len()
        && !delayers.iter().zip(&beside.delayers).any(|(old, new)| Delayer::differs(old, new));
    if !same {
        tracing::warn!("delayers changed: restart the broker for what is not about triggers");
    }
    let same = match (super::node::read(running)?, &beside.node) {
        (Some(old), Some(new)) => !old.differs(new),
        (old, new) => old.is_none() && new.is_none(),
    };
    if !same {
        tracing::warn!("[dmq] changed: restart the broker for what is not about triggers");
    }
    match beside.triggers {
        Some(triggers) => triggers.sections.resolve(Some(home)),
        None => Ok(Set {
            part: TriggersConfig::default(),
            triggers: Vec::new(),
            watched: broker.files,
            warnings: Vec::new(),
        }),
    }
}
