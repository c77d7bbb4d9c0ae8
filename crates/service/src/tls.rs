//! TLS for listeners: a rustls configuration from PEM files, and the name that a client's
//! certificate gives it for EXTERNAL authentication, in RabbitMQ's form.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, X509Certificate};

use crate::config::{Scalar, Word, quoted};

/// The files and rules of TLS listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate chain, its own first, as PEM.
    pub cert: PathBuf,
    /// The private key of the first certificate, as PEM (PKCS#8, PKCS#1 or SEC1), not encrypted.
    pub key: PathBuf,
    /// Certificates of the authorities that sign clients' certificates, as PEM.
    pub ca: Option<PathBuf>,
    /// Whether clients are asked for a certificate.
    pub verify: Verify,
    /// Whether a client without a certificate is refused; only with [`Verify::Peer`].
    pub fail_if_no_peer_cert: bool,
    /// The versions that are offered, at least one.
    pub versions: Vec<Version>,
}

/// A version of TLS. Older ones are not safe, and not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Version {
    /// All of them.
    pub const ALL: [Version; 2] = [Version::Tls13, Version::Tls12];

    fn supported(self) -> &'static SupportedProtocolVersion {
        match self {
            Version::Tls12 => &rustls::version::TLS12,
            Version::Tls13 => &rustls::version::TLS13,
        }
    }
}

impl Word for Version {
    const WORDS: &'static [(&'static str, Self)] =
        &[("tlsv1.3", Version::Tls13), ("tlsv1.2", Version::Tls12)];
}

/// Whether clients are asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// They are not asked.
    #[default]
    None,
    /// They are asked, and a certificate that is given must be signed by one of the authorities.
    Peer,
}

impl Scalar for Verify {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "verify_none" | "none" => Ok(Verify::None),
            "verify_peer" | "peer" => Ok(Verify::Peer),
            _ => Err(format!("expected verify_none or verify_peer, got {}", quoted(text))),
        }
    }

    fn toml(&self) -> String {
        match self {
            Verify::None => "\"verify_none\"".into(),
            Verify::Peer => "\"verify_peer\"".into(),
        }
    }
}

/// Which part of a client's certificate is its user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoginFrom {
    /// The whole subject, such as `CN=client,O=Example`.
    #[default]
    DistinguishedName,
    /// The subject's common name; several are joined by commas.
    CommonName,
}

impl Scalar for LoginFrom {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "distinguished_name" => Ok(LoginFrom::DistinguishedName),
            "common_name" => Ok(LoginFrom::CommonName),
            _ => Err(format!("expected distinguished_name or common_name, got {}", quoted(text))),
        }
    }

    fn toml(&self) -> String {
        match self {
            LoginFrom::DistinguishedName => "\"distinguished_name\"".into(),
            LoginFrom::CommonName => "\"common_name\"".into(),
        }
    }
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read or holds nothing of its kind.
    #[error("cannot read {what} from {}: {reason}", .path.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it was not found.
        reason: String,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("cannot use certificate {} with key {}: {source}", .cert.display(), .key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// Certificates of clients cannot be checked.
    #[error("cannot verify clients: {0}")]
    Verifier(String),
}

/// The configuration of a TLS listener; reads the files of `tls` now.
pub fn server_config(tls: &Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates("a certificate", &tls.cert)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|e| refused("a private key", &tls.key, e))?;
    let versions: Vec<_> = tls.versions.iter().map(|version| version.supported()).collect();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .expect("the ring provider has cipher suites for every version");
    let builder = match tls.verify {
        Verify::None => builder.with_no_client_auth(),
        Verify::Peer => builder.with_client_cert_verifier(verifier(tls, provider)?),
    };
    let config = builder.with_single_cert(chain, key).map_err(|source| TlsError::Pair {
        cert: tls.cert.clone(),
        key: tls.key.clone(),
        source,
    })?;
    Ok(Arc::new(config))
}

fn verifier(
    tls: &Tls,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let Some(ca) = &tls.ca else {
        return Err(TlsError::Verifier("no file with the authorities' certificates".into()));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("an authority's certificate", ca)? {
        roots.add(certificate).map_err(|e| TlsError::File {
            what: "an authority's certificate",
            path: ca.clone(),
            reason: e.to_string(),
        })?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if !tls.fail_if_no_peer_cert {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|e| TlsError::Verifier(e.to_string()))
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(|items| items.collect())
        .map_err(|e| refused(what, path, e))?;
    if certificates.is_empty() {
        return Err(refused(what, path, pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

fn refused(what: &'static str, path: &Path, error: pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::Io(e) => e.to_string(),
        pem::Error::NoItemsFound => "the file holds none in PEM form".into(),
        other => other.to_string(),
    };
    TlsError::File { what, path: path.to_owned(), reason }
}

/// Until when each certificate of a file is valid, in Unix milliseconds.
pub fn valid_until(path: &Path) -> Result<Vec<u64>, TlsError> {
    let what = "a certificate";
    let until = |certificate: &CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| {
            TlsError::File { what, path: path.to_owned(), reason: error.to_string() }
        })?;
        let seconds = certificate.validity().not_after.timestamp();
        Ok(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
    };
    certificates(what, path)?.iter().map(until).collect()
}

/// The user name that a client's certificate gives it; `None` when the certificate cannot be
/// read or has no such part.
pub fn client_name(certificate: &CertificateDer<'_>, from: LoginFrom) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let rdns = certificate.subject().iter_rdn();
    let name = match from {
        LoginFrom::DistinguishedName => {
            let mut parts: Vec<String> =
                rdns.map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
            parts.reverse();
            parts.join(",")
        }
        LoginFrom::CommonName => {
            let names = rdns.flat_map(|rdn| rdn.iter());
            let names = names.filter(|a| short_name(&a.attr_type().to_id_string()) == Some("CN"));
            names
                .map(|a| String::from_utf8_lossy(value(a)).into_owned())
                .collect::<Vec<_>>()
                .join(",")
        }
    };
    (!name.is_empty()).then_some(name)
}

/// The names of RFC 4514 and those that RabbitMQ adds; other types appear as dotted numbers.
fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "TITLE",
        "2.5.4.42" => "GIVENNAME",
        "2.5.4.43" => "INITIALS",
        "2.5.4.44" => "GENERATIONQUALIFIER",
        "2.5.4.65" => "PSEUDONYM",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "EMAILADDRESS",
        _ => return None,
    })
}

fn value<'a>(attribute: &'a AttributeTypeAndValue<'_>) -> &'a [u8] {
    attribute.attr_value().data
}

/// `type=value`, escaped as RFC 4514 says; like RabbitMQ also every byte that does not print.
fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let mut out = short_name(&oid).map_or(oid.clone(), str::to_owned);
    out.push('=');
    let bytes = value(attribute);
    for (i, &byte) in bytes.iter().enumerate() {
        let at_edge =
            (i == 0 && matches!(byte, b' ' | b'#')) || (i + 1 == bytes.len() && byte == b' ');
        match byte {
            _ if at_edge => out.extend(['\\', char::from(byte)]),
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'}' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:02X}")),
        }
    }
    out
}
