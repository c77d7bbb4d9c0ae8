//! What the configuration comes to: the definition of each trigger with everything looked up, and
//! how to read it again. A trigger whose definition has not changed goes on at a reload.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use client::address::{Address, Mechanism};
use client::backoff::Pauses;
use client::options::TlsFiles;
use service::shutdown::Hangups;

use super::{TriggerConfig, TriggersConfig};

/// A trigger with everything that its section refers to.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The section's name.
    pub name: String,
    /// What the section says; `consumers` and `prefetch` are the numbers that apply.
    pub trigger: TriggerConfig,
    /// The brokers, any of which will do, with virtual host, login and heartbeat; never empty.
    pub addresses: Vec<Address>,
    /// Whether that is the broker that the trigger runs beside.
    pub is_at_home: bool,
    /// The files for TLS with the broker.
    pub tls: TlsFiles,
    /// When a connection is tried again.
    pub reconnect: Pauses,
    /// The values of the section's secrets.
    pub secrets: Secrets,
    /// Files of secrets and certificates, each with a hash of what it holds: a change makes the
    /// definition another one.
    pub files: Vec<(PathBuf, u64)>,
}

impl Definition {
    /// Who the broker takes what is published for; a certificate's name is the broker's to know.
    pub fn login(&self) -> Option<&[u8]> {
        let first = self.addresses.first()?;
        (first.mechanism == Mechanism::Plain).then_some(first.user.as_bytes())
    }
}

/// The values of a trigger's secrets; empty where there is none. `Debug` shows none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Of `http_auth_basic_password`.
    pub basic_password: String,
    /// Of `http_auth_bearer`.
    pub bearer: String,
    /// Of `http_auth_oauth2_client_secret`.
    pub oauth2_client_secret: String,
    /// Of `http_sign_standard_webhooks`: `whsec_…` or `whsk_…`, the newest first.
    pub signing_keys: Vec<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(***)")
    }
}

/// The broker that triggers run beside, in the same process.
#[derive(Clone, Debug)]
pub struct Home(pub Address);

impl Home {
    /// Moves to one of the listeners that the broker has.
    pub fn move_to(&mut self, listeners: &[SocketAddr]) {
        self.0.move_to(listeners);
    }
}

/// Everything that the daemon is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// What holds for all triggers.
    pub part: TriggersConfig,
    /// In the order of their sections.
    pub triggers: Vec<Definition>,
    /// Every file and directory that was read: a change of one is a reason to read them again.
    pub watched: Vec<PathBuf>,
    /// What works and may not be meant, a sentence each.
    pub warnings: Vec<String>,
}

impl Set {
    /// Moves the triggers that read from the broker beside them to where that listens.
    pub fn move_home(&mut self, listeners: &[SocketAddr]) {
        let at_home = self.triggers.iter_mut().filter(|trigger| trigger.is_at_home);
        for address in at_home.flat_map(|trigger| &mut trigger.addresses) {
            address.move_to(listeners);
        }
    }
}

/// How the configuration is read again while triggers run.
pub struct Reload {
    /// Reads everything anew; flags and environment stay as they were. An error says what is wrong,
    /// for people.
    pub read: Box<dyn FnMut() -> Result<Set, String> + Send>,
    /// When somebody asks for it.
    pub asked: Hangups,
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reload")
    }
}
