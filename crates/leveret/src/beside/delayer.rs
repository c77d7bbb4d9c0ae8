//! A delayer that a section `[delayer.NAME]` declares.

use std::net::SocketAddr;
use std::path::PathBuf;

use client::addresses::Addresses;
use delayer::config::{DelayerConfig, OPTIONS, StorageAddress, WwwPort};
use server::config::ServeConfig;
use service::config::{ConfigError, FileKind, Loaded, Origin, Section};
use service::shutdown::Shutdown;

use super::home;
use super::run::Failure;

/// The kind of its sections.
pub(super) const DELAYER: &str = "delayer";

/// Options that a delayer beside the broker does not have, and the broker's settings that apply.
const NOT_ITS_OWN: [(&str, &str); 2] = [("log-level", "log_level"), ("log-format", "log_format")];

/// A delayer that a section declares.
pub(super) struct Delayer {
    /// The section's name.
    pub(super) name: String,
    origin: Origin,
    loaded: Loaded<DelayerConfig>,
}

/// The delayers of the file, checked.
pub(super) fn read(broker: &Loaded<ServeConfig>) -> Result<Vec<Delayer>, ConfigError> {
    let mut delayers = Vec::<Delayer>::new();
    for section in broker.sections.iter().filter(|section| section.kind == DELAYER) {
        let delayer = delayer(&broker.config, section)?;
        if let Some(other) = delayers.iter().find(|other| other.place() == delayer.place()) {
            let reason = format!(
                "[delayer.{}] stores there as well: give each delayer a storage of its own",
                other.name
            );
            return Err(delayer.refused("storage-address", reason));
        }
        delayers.push(delayer);
    }
    Ok(delayers)
}

fn delayer(broker: &ServeConfig, section: &Section) -> Result<Delayer, ConfigError> {
    let directory = broker.data_dir.join(format!("delayer-{}", section.name));
    let defaults = DelayerConfig {
        rabbitmq_address: Addresses(vec![home(broker)]),
        storage_address: StorageAddress::Path(directory),
        www_port: WwwPort::Off,
        ..DelayerConfig::default()
    };
    let loaded = OPTIONS.section(defaults, section)?;
    let delayer = Delayer { name: section.name.clone(), origin: section.origin.clone(), loaded };
    for (option, setting) in NOT_ITS_OWN {
        if *delayer.loaded.origin(option) != Origin::Default {
            let reason = format!("the process has one log: set the broker's {setting} instead");
            return Err(delayer.refused(option, reason));
        }
    }
    if broker.amqp_listen.is_empty() && delayer.is_at_home() {
        let reason = "the broker listens with TLS only, so this has to say where it is";
        return Err(delayer.refused("rabbitmq-address", reason.to_owned()));
    }
    Ok(delayer)
}

impl Delayer {
    /// Whether it is a client of the broker that it runs beside.
    fn is_at_home(&self) -> bool {
        *self.loaded.origin("rabbitmq-address") == Origin::Default
    }

    /// Its section as a part of the file.
    pub(super) fn print(&self) -> String {
        let head = format!("[delayer.{}]", self.name);
        let options = OPTIONS.print_as(FileKind::Toml, &self.loaded);
        let its_own = |line: &&str| !NOT_ITS_OWN.iter().any(|(option, _)| line.starts_with(option));
        let options: String = options.split_inclusive('\n').filter(its_own).collect();
        format!("\n{head:<56} # {}\n{options}", self.origin)
    }

    /// Logs what may not be meant.
    pub(super) fn warn(&self) {
        for warning in delayer::config::warnings(&self.loaded) {
            tracing::warn!("[delayer.{}] {warning}", self.name);
        }
    }

    /// Runs it to its end, beside a broker that listens there.
    pub(super) fn run(self, addresses: &[SocketAddr], shutdown: &Shutdown) -> Result<(), Failure> {
        let at_home = self.is_at_home();
        let mut config = self.loaded.config;
        if at_home {
            config.rabbitmq_address.move_to(addresses);
        }
        delayer::run(&config, &self.name, shutdown).map_err(|error| Failure {
            why: format!("[delayer.{}] {error}", self.name),
            exit: error.exit(),
        })
    }

    /// Whether it is not what `other` is.
    pub(super) fn differs(&self, other: &Delayer) -> bool {
        let (own, others) = (&self.loaded.config, &other.loaded.config);
        self.name != other.name || !OPTIONS.differences(own, others).is_empty()
    }

    /// What no other delayer may store in: a directory by whatever way it is named, or a URL.
    fn place(&self) -> PathBuf {
        match &self.loaded.config.storage_address {
            StorageAddress::Mongo(address) => PathBuf::from(address),
            StorageAddress::Path(path) | StorageAddress::Lmdb(path) => {
                let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                absolute.canonicalize().unwrap_or(absolute)
            }
        }
    }

    fn refused(&self, option: &'static str, reason: String) -> ConfigError {
        let origin = match self.loaded.origin(option) {
            Origin::Default => self.origin.clone(),
            origin => origin.clone(),
        };
        ConfigError::Bad { name: option.to_owned(), origin, reason }
    }
}
