//! Who logs in, and secrets: read from where the sections say that they are.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use service::config::ConfigError;

use super::known;
use crate::config::sections::{Named, Sections};
use crate::config::{BrokerConfig, Sasl, Secret};

/// A secret is a line or a few.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Files that a definition depends on, each with a hash of what it held.
pub(super) type Files = Vec<(PathBuf, u64)>;

/// Who logs in.
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
}

impl Sections {
    /// Who logs in at the broker; `None` where the certificate does.
    pub(super) fn login(
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
    pub(super) fn account<C: Default + Clone>(
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
    pub(super) fn secret<C: Default + Clone>(
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

/// Adds a file to those whose contents matter.
pub(super) fn note<C: Default + Clone>(
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

pub(super) fn first_line(text: String) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
