//! The sections of a configuration, each read and checked by itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use service::config::{ConfigError, FileKind, Loaded, Origin, Part, Section, Settings, Sources};

use super::spelling::{ALONE, kinds};
use super::{
    ACCOUNT, AccountConfig, BROKER, BrokerConfig, Secret, TRIGGER, TRIGGERS, TriggerConfig,
    TriggersConfig,
};

/// Settings that triggers beside a broker do not have: the process has one log.
const NOT_THEIR_OWN: [&str; 2] = ["log_level", "log_format"];

/// What files, environment and flags say, not yet looked up in one another.
#[derive(Clone, Debug)]
pub struct Sections {
    /// What holds for all triggers.
    pub part: Loaded<TriggersConfig>,
    /// What stands above it; none where triggers run alone, and it is the file itself.
    head: Option<Section>,
    pub(super) accounts: Vec<Named<AccountConfig>>,
    pub(super) brokers: Vec<Named<BrokerConfig>>,
    pub(super) triggers: Vec<Named<TriggerConfig>>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) watched: Vec<PathBuf>,
}

/// A section and what it says.
#[derive(Clone, Debug)]
pub(super) struct Named<C> {
    pub(super) section: Section,
    pub(super) loaded: Loaded<C>,
}

impl Sections {
    /// Of triggers that run alone: `trigger.toml`, or the file that is named.
    ///
    /// # Errors
    /// What cannot be read, and what is no setting or no value of one.
    pub fn alone(sources: &Sources) -> Result<Sections, ConfigError> {
        let part = TRIGGERS.load_with(sources, &kinds(Part::Daemon))?;
        let (files, sections) = (part.files.clone(), part.sections.clone());
        Sections::of(part, None, &sections, watched(&files, ALONE.drop_ins), sources)
    }

    /// Of triggers that run beside a broker, whose file has them; `None` when it has none.
    ///
    /// # Errors
    /// What is no setting or no value of one.
    pub fn beside<C>(
        broker: &Loaded<C>,
        drop_ins: &str,
        sources: &Sources,
    ) -> Result<Option<Sections>, ConfigError> {
        let mut of_triggers = broker.sections.iter().filter(|section| section.kind == "trigger");
        let Some(first) = of_triggers.clone().next() else { return Ok(None) };
        let head = of_triggers.find(|section| section.name.is_empty()).cloned();
        let none = Section { name: String::new(), assignments: Vec::new(), ..first.clone() };
        let head = head.unwrap_or(none);
        let defaults = TriggersConfig::default();
        let part = TRIGGERS.section(defaults, &head).map_err(|error| error.inside(&head))?;
        for setting in NOT_THEIR_OWN {
            let origin = part.origin(setting).clone();
            if origin != Origin::Default {
                let reason = format!("the process has one log: set the broker's {setting} instead");
                let refusal = ConfigError::Bad { name: setting.to_owned(), origin, reason };
                return Err(refusal.inside(&head));
            }
        }
        let watched = watched(&broker.files, drop_ins);
        Sections::of(part, Some(head), &broker.sections, watched, sources).map(Some)
    }

    fn of(
        part: Loaded<TriggersConfig>,
        head: Option<Section>,
        sections: &[Section],
        watched: Vec<PathBuf>,
        sources: &Sources,
    ) -> Result<Sections, ConfigError> {
        let sections = Sections {
            accounts: named(&ACCOUNT, "account", sections)?,
            brokers: named(&BROKER, "broker", sections)?,
            triggers: named(&TRIGGER, "trigger", sections)?,
            environment: sources.environment.clone(),
            part,
            head,
            watched,
        };
        if !sections.part.config.allow_inline_secrets {
            sections.refuse_inline()?;
        }
        Ok(sections)
    }

    /// Every section with the value and the origin of each setting, as a file of its own or, beside
    /// a broker, as a part of its file.
    pub fn print(&self) -> String {
        let part = TRIGGERS.print_as(FileKind::Toml, &self.part);
        let mut out = match &self.head {
            None => part,
            Some(head) => {
                let its_own = |line: &&str| !NOT_THEIR_OWN.iter().any(|own| line.starts_with(own));
                titled(head, &part.split_inclusive('\n').filter(its_own).collect::<String>())
            }
        };
        out.extend(self.accounts.iter().map(|account| account.print(&ACCOUNT)));
        out.extend(self.brokers.iter().map(|broker| broker.print(&BROKER)));
        for trigger in &self.triggers {
            // A size says it already, and both together would be refused.
            let sized = trigger.loaded.config.size.is_some();
            let shown = trigger.print(&TRIGGER);
            let lines = shown.split_inclusive('\n');
            out.extend(lines.filter(|line| !sized || !line.starts_with("consumers = ")));
        }
        out
    }

    /// Files are copied and checked in; secrets do not belong there unless that is wanted.
    fn refuse_inline(&self) -> Result<(), ConfigError> {
        for account in &self.accounts {
            account.refuse_inline("password", &account.loaded.config.password)?;
        }
        for broker in &self.brokers {
            broker.refuse_inline("password", &broker.loaded.config.password)?;
        }
        for trigger in &self.triggers {
            for (setting, secret) in secrets(&trigger.loaded.config) {
                trigger.refuse_inline(setting, secret)?;
            }
        }
        Ok(())
    }
}

/// The secrets of a trigger, by the settings that hold them.
pub(super) fn secrets(c: &TriggerConfig) -> [(&'static str, &Secret); 4] {
    [
        ("http_auth_basic_password", &c.http.auth_basic_password),
        ("http_auth_bearer", &c.http.auth_bearer),
        ("http_auth_oauth2_client_secret", &c.http.auth_oauth2_client_secret),
        ("http_sign_standard_webhooks", &c.http.sign_standard_webhooks),
    ]
}

/// The files, and the directory beside the first whose files are read after it.
fn watched(files: &[PathBuf], drop_ins: &str) -> Vec<PathBuf> {
    let directory = files.first().and_then(|file| file.parent());
    let drop_ins = directory.map(|directory: &Path| directory.join(drop_ins));
    files.iter().cloned().chain(drop_ins).collect()
}

fn named<C: Default + Clone>(
    settings: &Settings<C>,
    kind: &str,
    sections: &[Section],
) -> Result<Vec<Named<C>>, ConfigError> {
    let of_kind = sections.iter().filter(|s| s.kind == kind && !s.name.is_empty());
    let read = |section: &Section| {
        let loaded = settings.section(C::default(), section);
        let loaded = loaded.map_err(|error| error.inside(section))?;
        Ok(Named { section: section.clone(), loaded })
    };
    of_kind.map(read).collect()
}

impl<C: Default + Clone> Named<C> {
    /// The refusal of what `setting` says here.
    pub(super) fn refused(&self, setting: &str, reason: impl Into<String>) -> ConfigError {
        let origin = self.loaded.origin(setting).clone();
        let refusal = ConfigError::Bad { name: setting.to_owned(), origin, reason: reason.into() };
        refusal.inside(&self.section)
    }

    /// Whether something else than a default says what `setting` is.
    pub(super) fn is_given(&self, setting: &str) -> bool {
        *self.loaded.origin(setting) != Origin::Default
    }

    fn refuse_inline(&self, setting: &str, secret: &Secret) -> Result<(), ConfigError> {
        let in_file = matches!(self.loaded.origin(setting), Origin::File { .. });
        if !in_file || !matches!(secret, Secret::Inline(_)) {
            return Ok(());
        }
        let reason = format!(
            "a secret does not belong into this file: write {setting} = {{ file = \"…\" }} or \
             {{ env = \"…\" }}, or allow it with allow_inline_secrets"
        );
        Err(self.refused(setting, reason))
    }

    fn print(&self, settings: &Settings<C>) -> String {
        titled(&self.section, &settings.print_as(FileKind::Toml, &self.loaded))
    }
}

fn titled(section: &Section, settings: &str) -> String {
    format!("\n{:<56} # {}\n{settings}", section.head(), section.origin)
}
