//! Definitions that are loaded when the broker starts, before clients can connect.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{DefinitionsError, IMPORTED_HASH, import};
use crate::config::ServeConfig;
use crate::shard::Shard;

/// The definitions that the settings name.
#[derive(Default)]
pub(crate) struct AtBoot {
    files: Vec<(PathBuf, Json)>,
    /// SHA-256 of all of them, in hexadecimal digits.
    hash: String,
}

/// Definitions of a file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("load_definitions: {}: {source}", .path.display())]
pub struct BootError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: DefinitionsError,
}

/// Reads what `load_definitions` names: a file, or every `*.json` of a directory by name.
pub(crate) fn read(config: &ServeConfig) -> Result<AtBoot, BootError> {
    let mut found = AtBoot::default();
    let Some(path) = &config.load_definitions else { return Ok(found) };
    let mut hash = Sha256::new();
    for path in files(path)? {
        let bytes = fs::read(&path).map_err(|source| unread(&path, source))?;
        hash.update(&bytes);
        match control::definitions::parse(&bytes) {
            Ok(json) => found.files.push((path, json)),
            Err(error) => return Err(BootError { path, source: error.into() }),
        }
    }
    found.hash = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(found)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, BootError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|source| unread(path, source))? {
        let file = entry.map_err(|source| unread(path, source))?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn unread(path: &Path, source: std::io::Error) -> BootError {
    let source = DefinitionsError::Read { path: path.to_owned(), source };
    BootError { path: path.to_owned(), source }
}

impl AtBoot {
    /// Whether they have users: then nobody needs a default one.
    pub(crate) fn have_users(&self) -> bool {
        let users = |(_, json): &(PathBuf, Json)| {
            json["users"].as_array().is_some_and(|users| !users.is_empty())
        };
        self.files.iter().any(users)
    }

    /// Imports them, and says in the log what became of them; not if they are what was imported last, and
    /// that is to be passed over.
    pub(crate) fn import(
        &self,
        shard: &mut Shard,
        skip_if_unchanged: bool,
    ) -> Result<(), BootError> {
        if self.files.is_empty() {
            return Ok(());
        }
        let hash = Json::from(&*self.hash).to_string();
        let mut last = shard.broker.parameters().filter(|p| p.vhost.is_none());
        if skip_if_unchanged && last.any(|p| p.name == IMPORTED_HASH && p.value == hash) {
            tracing::info!("definitions are those that were imported last, and passed over");
            return Ok(());
        }
        drop(last);
        for (path, json) in &self.files {
            let report = import(shard, json, None)
                .map_err(|source| BootError { path: path.clone(), source })?;
            let [made, present, ignored] = report.counts();
            let path = path.display();
            tracing::info!(
                "definitions of {path}: {made} imported, {present} there already, {ignored} ignored"
            );
            for line in report.warnings() {
                tracing::warn!("definitions of {path}: ignored {line}");
            }
        }
        if skip_if_unchanged {
            let store = &mut shard.store;
            let kept = shard.broker.set_parameter(store, None, "", IMPORTED_HASH, &hash);
            kept.expect("a hash is short, and a global parameter needs no virtual host");
        }
        Ok(())
    }
}
