//! From sections to definitions: names of other sections, secrets and files are looked up, and each
//! pipeline is set up once to see that it can be.

mod login;

use std::time::Duration;

use client::address::{Address, Mechanism, Password};
use client::backoff::Pauses;
use client::options::TlsFiles;
use service::config::{ConfigError, nearest};

use super::sections::{Named, Sections, secrets};
use super::{BrokerConfig, Definition, Home, Sasl, Secrets, Set, TlsMode, TriggerConfig, warnings};
use crate::pipeline::http::{self, Shared};
use crate::pipeline::{Pipeline, SetupError};
use login::{Files, first_line, lines, note};

/// The broker that triggers read from when they say nothing else, if there is one of this name.
const MAIN: &str = "main";

/// Where a trigger's messages come from.
struct Source {
    addresses: Vec<Address>,
    is_at_home: bool,
    tls: TlsFiles,
    reconnect: Pauses,
}

impl Sections {
    /// Everything that the sections refer to, looked up. `home` is the broker beside them.
    ///
    /// # Errors
    /// What is not there, or cannot be used, and where it is asked for.
    pub fn resolve(&self, home: Option<&Home>) -> Result<Set, ConfigError> {
        for broker in &self.brokers {
            self.reachable(broker)?;
        }
        let shared = Shared::default();
        let triggers = self.triggers.iter().map(|trigger| self.definition(trigger, home, &shared));
        let triggers = triggers.collect::<Result<Vec<_>, _>>()?;
        if triggers.is_empty() && home.is_none() {
            return Err(ConfigError::Nothing(self.nothing()));
        }
        let mut watched = self.watched.clone();
        for (file, _) in triggers.iter().flat_map(|trigger| &trigger.files) {
            if !watched.contains(file) {
                watched.push(file.clone());
            }
        }
        let warnings = self.triggers.iter().flat_map(|trigger| warnings::of(self, trigger));
        Ok(Set { part: self.part.config.clone(), triggers, watched, warnings: warnings.collect() })
    }

    /// The refusal of what the trigger `name` says.
    pub fn refused(&self, name: &str, setting: &str, reason: &str) -> ConfigError {
        match find(&self.triggers, name) {
            Some(named) => named.refused(setting, reason),
            None => ConfigError::Nothing(format!("no trigger {name}: {reason}")),
        }
    }

    fn nothing(&self) -> String {
        match self.watched.first() {
            Some(file) => format!("{}: no trigger: write a section [trigger.NAME]", file.display()),
            None => "no configuration: name a file with --config, or write ./trigger.toml or \
                     /etc/leveret/trigger.toml"
                .into(),
        }
    }

    fn definition(
        &self,
        named: &Named<TriggerConfig>,
        home: Option<&Home>,
        shared: &Shared,
    ) -> Result<Definition, ConfigError> {
        let mut trigger = named.loaded.config.clone();
        if let Some(size) = trigger.size {
            if named.is_given("consumers") {
                let reason = "consumers says the same: remove one of them";
                return Err(named.refused("size", reason));
            }
            trigger.consumers = size.consumers();
        }
        if trigger.prefetch == 0 {
            trigger.prefetch = trigger.consumers;
        }
        let mut files = Files::new();
        let source = self.source(named, home, &mut files)?;
        let mut values = secrets(&trigger)
            .into_iter()
            .map(|(setting, secret)| self.secret(named, setting, secret, &mut files));
        let mut value = || values.next().expect("there are as many as there are secrets");
        let secrets = Secrets {
            basic_password: first_line(value()?),
            bearer: first_line(value()?),
            oauth2_client_secret: first_line(value()?),
            signing_keys: lines(&value()?),
        };
        drop(values);
        let tls = [
            ("http_tls_ca", &trigger.http.tls_ca),
            ("http_tls_cert", &trigger.http.tls_cert),
            ("http_tls_key", &trigger.http.tls_key),
        ];
        for (setting, file) in tls {
            note(named, setting, file.as_deref(), &mut files)?;
        }
        let Source { addresses, is_at_home, tls, reconnect } = source;
        let name = named.section.name.clone();
        let definition =
            Definition { name, trigger, addresses, is_at_home, tls, reconnect, secrets, files };
        set_up(named, &definition, shared)?;
        Ok(definition)
    }

    /// Where the trigger's messages come from.
    fn source(
        &self,
        named: &Named<TriggerConfig>,
        home: Option<&Home>,
        files: &mut Files,
    ) -> Result<Source, ConfigError> {
        let c = &named.loaded.config;
        let broker = match (c.broker.as_str(), c.hostname.is_empty()) {
            ("", true) => find(&self.brokers, MAIN),
            ("", false) => None,
            (wanted, _) => Some(known(&self.brokers, wanted, named, "broker")?),
        };
        let own =
            Named { section: named.section.clone(), loaded: named.loaded.with(own_broker(c)) };
        let at_home = home.filter(|_| broker.is_none() && c.hostname.is_empty());
        let from = broker.unwrap_or(&own);
        let login = match (&*c.account, at_home) {
            ("", Some(_)) => None,
            ("", None) => self.login(from, files)?,
            (wanted, _) => Some(self.account(wanted, named, files)?),
        };
        let mut addresses = match at_home {
            Some(Home(address)) => vec![address.clone()],
            None => self.nodes(from)?,
        };
        for address in &mut addresses {
            if let Some(login) = &login {
                address.user.clone_from(&login.username);
                address.password = Password(login.password.clone());
            }
            if let Some(vhost) = &c.virtual_host {
                address.vhost.clone_from(vhost);
            }
        }
        let tls = tls_files(&from.loaded.config);
        for (setting, file) in [("tls_ca", &tls.ca), ("tls_cert", &tls.cert), ("tls_key", &tls.key)]
        {
            note(from, setting, file.as_deref(), files)?;
        }
        let reconnect = pauses(&from.loaded.config);
        Ok(Source { addresses, is_at_home: at_home.is_some(), tls, reconnect })
    }

    /// Refuses a broker that could not be connected to, whether a trigger uses it or not.
    fn reachable(&self, broker: &Named<BrokerConfig>) -> Result<(), ConfigError> {
        self.login(broker, &mut Files::new())?;
        self.nodes(broker)?;
        let c = &broker.loaded.config;
        match c.tls_mode {
            TlsMode::Off => Ok(()),
            TlsMode::On | TlsMode::Mutual => {
                let usable = client::tls::verifying(&tls_files(c)).map(drop);
                usable.map_err(|reason| broker.refused("tls_mode", reason))
            }
        }
    }

    /// The broker's nodes, without a login.
    fn nodes(&self, broker: &Named<BrokerConfig>) -> Result<Vec<Address>, ConfigError> {
        let c = &broker.loaded.config;
        let scheme = if c.tls_mode == TlsMode::Off { "amqp" } else { "amqps" };
        let setting = if broker.section.kind == "broker" { "hosts" } else { "hostname" };
        let node = |host: &String| {
            let plain = !host.is_empty() && !host.contains(['/', '@', '?', ' ', '%']);
            let parsed = Address::parse(&format!("{scheme}://{host}/")).ok().filter(|_| plain);
            let address = parsed.ok_or_else(|| {
                let reason = format!("expected a host such as \"rabbit:5672\", got {host:?}");
                broker.refused(setting, reason)
            })?;
            Ok(Address {
                vhost: c.vhost.clone(),
                heartbeat_s: Some(c.heartbeat_s),
                mechanism: match c.tls_sasl {
                    Sasl::External => Mechanism::External,
                    Sasl::Plain | Sasl::Oauth2 => Mechanism::Plain,
                },
                ..address
            })
        };
        c.hosts.iter().map(node).collect()
    }
}

/// The broker that the trigger itself names, or one on this machine.
fn own_broker(c: &TriggerConfig) -> BrokerConfig {
    let defaults = BrokerConfig::default();
    let host = match (c.hostname.as_str(), c.port) {
        ("", _) => return defaults,
        (host, None) => host.to_owned(),
        (host, Some(port)) if host.contains(':') && !host.starts_with('[') => {
            format!("[{host}]:{port}")
        }
        (host, Some(port)) => format!("{host}:{port}"),
    };
    BrokerConfig { hosts: vec![host], ..defaults }
}

fn tls_files(c: &BrokerConfig) -> TlsFiles {
    TlsFiles { ca: c.tls_ca.clone(), cert: c.tls_cert.clone(), key: c.tls_key.clone() }
}

fn pauses(c: &BrokerConfig) -> Pauses {
    Pauses {
        first: Duration::from_millis(c.reconnect_min_ms),
        longest: Duration::from_millis(c.reconnect_max_ms),
        jitter: c.reconnect_jitter,
    }
}

fn find<'a, C>(all: &'a [Named<C>], name: &str) -> Option<&'a Named<C>> {
    all.iter().find(|named| named.section.name == name)
}

/// The section that `setting` of `of` names.
fn known<'a, C, D: Default + Clone>(
    all: &'a [Named<C>],
    wanted: &str,
    of: &Named<D>,
    setting: &str,
) -> Result<&'a Named<C>, ConfigError> {
    find(all, wanted).ok_or_else(|| {
        let near = nearest(wanted, all.iter().map(|named| named.section.name.as_str()));
        let advice = match near {
            Some(near) => format!("did you mean {near}?"),
            None => "write it, or name another".to_owned(),
        };
        of.refused(setting, format!("there is no section [{setting}.{wanted}]; {advice}"))
    })
}

/// Sets the pipeline up, and lets go of it.
fn set_up(
    named: &Named<TriggerConfig>,
    definition: &Definition,
    shared: &Shared,
) -> Result<(), ConfigError> {
    Pipeline::new(definition, shared).map(drop).map_err(|error| {
        let setting = match &error {
            SetupError::Command(_) => "command_argv",
            SetupError::Http(error) => match error {
                http::SetupError::Url(_) => "http_url",
                http::SetupError::Method(_) => "http_method",
                http::SetupError::Header(_) | http::SetupError::ReservedHeader(_) => {
                    "http_static_headers"
                }
                http::SetupError::Bearer => "http_auth_bearer",
                http::SetupError::SigningKey(_) => "http_sign_standard_webhooks",
                http::SetupError::Deny(_) => "http_net_deny",
                http::SetupError::Tls(_) => "http_tls_ca",
            },
        };
        named.refused(setting, error.to_string())
    })
}
