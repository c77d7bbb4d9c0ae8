//! TLS of connections: whom nodes trust, either way.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use client::options::TlsFiles;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use service::tls::Verify;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// The files of TLS, and the names that nodes may have.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsPlan {
    /// Authorities that sign certificates of nodes. Without it: the system's, and those who connect
    /// to us are not asked for a certificate.
    pub ca: Option<PathBuf>,
    /// Our certificate chain, shown both by the side that connects and the side that listens.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// A certificate is accepted that has one of these names; when there are none, of those who
    /// connect to us, any. A node that we connect to may show the host of its URI in any case.
    pub names: Vec<String>,
}

/// Both sides of TLS.
pub(super) struct Tls {
    /// `None` when nothing listens for TLS.
    acceptor: Option<TlsAcceptor>,
    /// `None` when nothing is known of TLS.
    connector: Option<TlsConnector>,
    names: Vec<ServerName<'static>>,
}

impl Tls {
    /// Reads the files now. An error says which setting is wrong.
    pub(super) fn new(plan: &TlsPlan, listens: bool) -> Result<Tls, String> {
        let names = plan.names.iter().map(|name| {
            ServerName::try_from(name.clone())
                .map_err(|_| format!("tls_names: {name:?} is no name that a certificate can have"))
        });
        let names: Vec<_> = names.collect::<Result<_, _>>()?;
        let acceptor = if listens { Some(acceptor(plan)?) } else { None };
        let is_set = plan.ca.is_some() || plan.cert.is_some();
        let connector = if is_set { Some(connector(plan, names.clone())?) } else { None };
        Ok(Tls { acceptor, connector, names })
    }

    /// The other side's stream, and whether it has shown a certificate with a name that is accepted.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, bool)> {
        let acceptor = self.acceptor.as_ref().ok_or_else(|| io::Error::other("no TLS here"))?;
        let stream = acceptor.accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let verified = chain.and_then(|chain| chain.first()).is_some_and(|shown| {
            self.names.is_empty() || self.names.iter().any(|name| is_named(shown, name))
        });
        Ok((stream.into(), verified))
    }

    pub(super) async fn connect(
        &self,
        name: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = self.connector.as_ref().ok_or_else(|| {
            io::Error::other("there are no certificates: see tls_ca_file and tls_cert_file")
        })?;
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(connector.connect(name, stream).await?.into())
    }
}

fn acceptor(plan: &TlsPlan) -> Result<TlsAcceptor, String> {
    let (Some(cert), Some(key)) = (plan.cert.clone(), plan.key.clone()) else {
        return Err("tls_cert_file and tls_key_file are needed to listen for TLS".into());
    };
    let verify = if plan.ca.is_some() { Verify::Peer } else { Verify::None };
    let ca = plan.ca.clone();
    let versions = service::tls::Version::ALL.to_vec();
    let fail_if_no_peer_cert = false;
    let tls = service::tls::Tls { cert, key, ca, verify, fail_if_no_peer_cert, versions };
    service::tls::server_config(&tls).map(TlsAcceptor::from).map_err(|error| error.to_string())
}

fn connector(plan: &TlsPlan, names: Vec<ServerName<'static>>) -> Result<TlsConnector, String> {
    let TlsPlan { ca, cert, key, .. } = plan.clone();
    let files = TlsFiles { ca, cert, key };
    let mut config = client::tls::verifying(&files)?;
    if !names.is_empty() {
        let roots = Arc::new(client::tls::roots(files.ca.as_deref())?);
        let provider = Arc::new(ring::default_provider());
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider);
        let inner = inner.build().map_err(|error| format!("tls_ca_file: {error}"))?;
        config.dangerous().set_certificate_verifier(Arc::new(AlsoNamed { inner, names }));
    }
    Ok(TlsConnector::from(Arc::new(config)))
}

fn is_named(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

/// Takes certificates of the authorities for the host of a node's URI, as usual, and those for one
/// of the names: a URI of a bus is as a rule an address, which few certificates have.
#[derive(Debug)]
struct AlsoNamed {
    inner: Arc<WebPkiServerVerifier>,
    names: Vec<ServerName<'static>>,
}

impl ServerCertVerifier for AlsoNamed {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;
        let verify = |name| {
            self.inner.verify_server_cert(certificate, intermediates, name, ocsp_response, now)
        };
        match verify(host) {
            Err(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if let Some(name) = self.names.iter().find(|name| is_named(certificate, name)) => {
                verify(name)
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
