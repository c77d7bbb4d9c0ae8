//! The client's side of TLS: whom to trust, and our own certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    WantsVerifier,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::address::Address;
use crate::options::TlsFiles;

/// Where systems keep the authorities that they trust.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The configuration for one address; reads the files now. An error says which file is wrong.
pub(crate) fn config(address: &Address, files: &TlsFiles) -> Result<Arc<ClientConfig>, String> {
    let files = TlsFiles {
        ca: address.ca.clone().or_else(|| files.ca.clone()),
        cert: address.cert.clone().or_else(|| files.cert.clone()),
        key: address.key.clone().or_else(|| files.key.clone()),
    };
    if address.verify {
        return verifying(&files).map(Arc::new);
    }
    let verifier = Arc::new(Anybody(Arc::new(ring::default_provider())));
    let builder = builder().dangerous().with_custom_certificate_verifier(verifier);
    identified(builder, &files).map(Arc::new)
}

/// The configuration for a server, of whatever protocol, that has to show a certificate of the
/// authorities in the files, or of the system's; reads the files now.
///
/// # Errors
/// Which file is wrong, and how.
pub fn verifying(files: &TlsFiles) -> Result<ClientConfig, String> {
    identified(builder().with_root_certificates(roots(files.ca.as_deref())?), files)
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the ring provider has cipher suites for every version")
}

/// Our own certificate, when there is one.
fn identified(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    files: &TlsFiles,
) -> Result<ClientConfig, String> {
    match (&files.cert, &files.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|e| format!("cannot read a private key from {}: {e}", key.display()))?;
            builder.with_client_auth_cert(chain, private).map_err(|e| {
                format!("certificate {} and key {}: {e}", cert.display(), key.display())
            })
        }
        (Some(_), None) => Err("there is a certificate, but no key for it".into()),
        (None, Some(_)) => Err("there is a key, but no certificate for it".into()),
    }
}

/// The name that the broker's certificate has to show.
pub(crate) fn server_name(address: &Address) -> Result<ServerName<'static>, String> {
    let name = address.server_name.as_ref().unwrap_or(&address.host);
    ServerName::try_from(name.clone())
        .map_err(|_| format!("{name:?} is no name that a certificate can have"))
}

/// A failed handshake, with what to do about it.
pub(crate) fn explain(error: &std::io::Error) -> String {
    use rustls::CertificateError::{
        BadSignature, Expired, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    use rustls::Error as Tls;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>());
    let advice = match inner {
        // A bad signature is as a rule that of an authority with the same name.
        Some(Tls::InvalidCertificate(UnknownIssuer | BadSignature)) => {
            "; set the file with the authority that signed the broker's certificate"
        }
        Some(Tls::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
            "; use the name in the broker's certificate, or set server_name_indication"
        }
        Some(Tls::InvalidCertificate(Expired)) => "; the broker needs a new certificate",
        Some(Tls::InvalidMessage(_)) => "; is this the broker's port for amqps",
        Some(Tls::AlertReceived(_)) => {
            "; the broker wants a certificate of an authority that it knows"
        }
        _ => "",
    };
    format!("{error}{advice}")
}

/// Whether the other side ended TLS with an alert.
pub(crate) fn is_refusal(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(_)))
}

/// The authorities in a file, or the system's; reads the file now.
///
/// # Errors
/// Which file is wrong, and how.
pub fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let system = || SYSTEM.iter().map(Path::new).find(|path| path.exists());
    let path = ca.or_else(system).ok_or(
        "the system has no file of authorities; install ca-certificates or set the file with the \
         authority that signed the server's certificate",
    )?;
    let mut roots = RootCertStore::empty();
    let found = certificates(path)?;
    // Systems keep some certificates that are too odd for rustls; a file that was named has none.
    let (added, ignored) = roots.add_parsable_certificates(found);
    if added == 0 || (ca.is_some() && ignored > 0) {
        return Err(format!("{} holds a certificate that cannot be used", path.display()));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e| format!("cannot read certificates from {}: {e}", path.display()))?;
    match found.is_empty() {
        true => Err(format!("{} holds no certificate in PEM form", path.display())),
        false => Ok(found),
    }
}

/// Takes any certificate; for `verify_none`. Signatures are still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
