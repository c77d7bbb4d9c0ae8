//! From sections to definitions: names of other sections, secrets and files are looked up, and each
//! pipeline is set up once to see that it can be.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use client::address::{Address, Mechanism, Password};
use client::backoff::Pauses;
use client::options::TlsFiles;
use service::config::{ConfigError, nearest};

use super::sections::{Named, Sections, secrets};
use super::{
    BrokerConfig, Definition, Home, Sasl, Secret, Secrets, Set, TlsMode, TriggerConfig, warnings,
};
use crate::pipeline::command::Command;
use crate::pipeline::http::{self, Http, Shared};

/// A secret is a line or a few.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// The broker that triggers read from when they say nothing else, if there is one of this name.
const MAIN: &str = "main";

/// Files that a definition depends on, each with a hash of what it held.
type Files = Vec<(PathBuf, u64)>;

/// Where a trigger's messages come from.
struct Source {
    addresses: Vec<Address>,
    is_at_home: bool,
    tls: TlsFiles,
    reconnect: Pauses,
}

/// Who logs in, and the section that says so.
struct Login {
    username: String,
    password: String,
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
        set_up(named, &trigger, &secrets, shared)?;
        let Source { addresses, is_at_home, tls, reconnect } = source;
        let name = named.section.name.clone();
        Ok(Definition { name, trigger, addresses, is_at_home, tls, reconnect, secrets, files })
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

    /// Who logs in at the broker; `None` where the certificate does.
    fn login(
        &self,
        broker: &Named<BrokerConfig>,
        files: &mut Files,
    ) -> Result<Option<Login>, ConfigError> {
        let c = &broker.loaded.config;
        if c.tls_sasl == Sasl::External {
            return Ok(None);
        }
        if !c.account.is_empty() {
            return self.account(&c.account, broker, files).map(Some);
        }
        let (username, password) = (c.username.clone(), &c.password);
        let password = self.password(broker, &username, password, files)?;
        Ok(Some(Login { username, password }))
    }

    /// The account that `of` wants to log in with.
    fn account<C: Default + Clone>(
        &self,
        wanted: &str,
        of: &Named<C>,
        files: &mut Files,
    ) -> Result<Login, ConfigError> {
        let account = known(&self.accounts, wanted, of, "account")?;
        let c = &account.loaded.config;
        let password = self.password(account, &c.username, &c.password, files)?;
        Ok(Login { username: c.username.clone(), password })
    }

    /// The password of `username`; everybody knows that of the user guest.
    fn password<C: Default + Clone>(
        &self,
        named: &Named<C>,
        username: &str,
        password: &Secret,
        files: &mut Files,
    ) -> Result<String, ConfigError> {
        match (password, username) {
            (Secret::None, "guest") => Ok("guest".into()),
            (Secret::None, other) => {
                let reason = format!(
                    "no password for the user {other}: write password = {{ file = \"…\" }} or \
                     {{ env = \"…\" }}"
                );
                Err(named.refused("password", reason))
            }
            (secret, _) => self.secret(named, "password", secret, files).map(first_line),
        }
    }

    /// The text that `setting` of `named` refers to; empty without one.
    fn secret<C: Default + Clone>(
        &self,
        named: &Named<C>,
        setting: &str,
        secret: &Secret,
        files: &mut Files,
    ) -> Result<String, ConfigError> {
        let text = match secret {
            Secret::None => return Ok(String::new()),
            Secret::Inline(text) => text.clone(),
            Secret::Environment(name) => {
                let found = self.environment.iter().find(|(variable, _)| variable == name.as_str());
                let value = found.and_then(|(_, value)| value.to_str());
                let missing =
                    || format!("the environment variable {name} is not set, or not UTF-8");
                value.ok_or_else(|| named.refused(setting, missing()))?.to_owned()
            }
            Secret::File(path) => {
                note(named, setting, Some(path), files)?;
                let text = match fs::metadata(path) {
                    Ok(of) if of.len() > SECRET_BYTES_MAX => Err("larger than 64 KiB".to_owned()),
                    _ => fs::read_to_string(path).map_err(|error| error.to_string()),
                };
                text.map_err(|why| {
                    let reason = format!("cannot read the secret in {}: {why}", path.display());
                    named.refused(setting, reason)
                })?
            }
        };
        match text.trim().is_empty() {
            true => Err(named.refused(setting, "the secret is empty: write it there")),
            false => Ok(text),
        }
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

/// Adds a file to those whose contents matter.
fn note<C: Default + Clone>(
    named: &Named<C>,
    setting: &str,
    file: Option<&Path>,
    files: &mut Files,
) -> Result<(), ConfigError> {
    let Some(path) = file else { return Ok(()) };
    let contents = fs::read(path).map_err(|error| {
        named.refused(setting, format!("cannot read {}: {error}", path.display()))
    })?;
    let mut hasher = DefaultHasher::new();
    contents.hash(&mut hasher);
    files.push((path.to_owned(), hasher.finish()));
    Ok(())
}

/// Sets the pipeline up, and lets go of it.
fn set_up(
    named: &Named<TriggerConfig>,
    trigger: &TriggerConfig,
    secrets: &Secrets,
    shared: &Shared,
) -> Result<(), ConfigError> {
    let name = &named.section.name;
    if trigger.http.url.is_empty() {
        let made = Command::new(&trigger.command, name, &trigger.queue, trigger.reply_enabled);
        return made.map(drop).map_err(|error| named.refused("command_argv", error.to_string()));
    }
    let made = Http::new(name, trigger, secrets, shared);
    made.map(drop).map_err(|error| {
        let setting = match &error {
            http::SetupError::Url(_) => "http_url",
            http::SetupError::Method(_) => "http_method",
            http::SetupError::Header(_) | http::SetupError::ReservedHeader(_) => {
                "http_static_headers"
            }
            http::SetupError::Bearer => "http_auth_bearer",
            http::SetupError::SigningKey(_) => "http_sign_standard_webhooks",
            http::SetupError::Deny(_) => "http_net_deny",
            http::SetupError::Tls(_) => "http_tls_ca",
        };
        named.refused(setting, error.to_string())
    })
}

fn first_line(text: String) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
