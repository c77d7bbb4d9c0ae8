//! What triggers share: the system's authorities are read once, whoever needs them.

use std::sync::{Arc, OnceLock};

use client::options::TlsFiles;
use rustls::ClientConfig;

use crate::config::HttpConfig;

/// What HTTP pipelines share. Cheap to clone; one for all triggers of a process.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<OnceLock<Result<Arc<ClientConfig>, String>>>);

impl Shared {
    /// TLS for a trigger; with files of its own it has a configuration of its own.
    pub(crate) fn tls(&self, config: &HttpConfig) -> Result<Arc<ClientConfig>, String> {
        let files = TlsFiles {
            ca: config.tls_ca.clone(),
            cert: config.tls_cert.clone(),
            key: config.tls_key.clone(),
        };
        match files == TlsFiles::default() {
            true => self.0.get_or_init(|| load(&files)).clone(),
            false => load(&files),
        }
    }
}

fn load(files: &TlsFiles) -> Result<Arc<ClientConfig>, String> {
    let mut config = client::tls::verifying(files)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
