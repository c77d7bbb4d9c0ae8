//! TLS: whom to trust, and what is said when it fails.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use amqp::frame;
use amqp::method::*;
use client::address::Address;
use client::connection::Connection;
use client::error::Error;
use client::options::{Options, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::fake::{Fake, Peer, TUNE, fake, method_frame, write_start};

/// An authority with a server's and a client's certificate.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        write("ca.pem", ca.self_signed(&ca_key).unwrap().pem());
        let ca = Issuer::new(ca, ca_key);
        for (name, subject) in [("server", "broker.example"), ("client", "hare")] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            write(&format!("{name}.pem"), params.signed_by(&key, &ca).unwrap().pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        write("empty.pem", String::new());
        Files(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn certificate(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path(name)).unwrap()
    }

    fn server(&self, ask: bool) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap();
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if ask {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate("ca.pem")).unwrap();
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        Arc::new(builder.with_single_cert(vec![self.certificate("server.pem")], key).unwrap())
    }

    /// A server that opens a connection, and expects one large message on channel 1.
    fn fake(&self, ask: bool) -> Fake<Result<usize, std::io::Error>> {
        let config = self.server(ask);
        fake(move |peer: Peer| {
            let connection = ServerConnection::new(config).unwrap();
            serve(StreamOwned::new(connection, peer.stream))
        })
    }
}

/// Answers by rote, and says how many bytes came until the end.
fn serve(
    mut stream: StreamOwned<ServerConnection, std::net::TcpStream>,
) -> Result<usize, std::io::Error> {
    let mut header = [0; 8];
    stream.read_exact(&mut header)?;
    let mut answers = Vec::new();
    write_start(&mut answers, b"PLAIN");
    frame::write_method(&mut answers, 0, &Method::ConnectionTune(TUNE));
    let open_ok = Method::ConnectionOpenOk(ConnectionOpenOk {});
    frame::write_method(&mut answers, 0, &open_ok);
    stream.write_all(&answers)?;
    let channel_ok = method_frame(1, Method::ChannelOpenOk(ChannelOpenOk {}));
    let mut received = Vec::new();
    let mut opened = false;
    let mut piece = [0; 65536];
    loop {
        match stream.read(&mut piece)? {
            0 => return Ok(received.len()),
            read => received.extend_from_slice(&piece[..read]),
        }
        if !opened && received.windows(4).any(|ids| ids == [0, 20, 0, 10]) {
            opened = true;
            stream.write_all(&channel_ok)?;
        }
    }
}

fn options(fake: &Fake<Result<usize, std::io::Error>>, query: &str, tls: TlsFiles) -> Options {
    let port = fake.options.addresses[0].port;
    let address = format!("amqps://u:p@127.0.0.1:{port}/?{query}");
    let addresses = vec![Address::parse(&address).unwrap()];
    Options { addresses, tls, ..fake.options.clone() }
}

const NAME: &str = "server_name_indication=broker.example";

#[tokio::test]
async fn an_authority_is_trusted_and_large_messages_pass() {
    let files = Files::new();
    let fake = files.fake(false);
    let tls = TlsFiles { ca: Some(files.path("ca.pem")), ..TlsFiles::default() };
    let mut connection = Connection::open(&options(&fake, NAME, tls), 0).await.unwrap();
    assert_eq!(connection.open_channel().await.unwrap(), 1);
    assert_eq!(connection.publish(1, b"", b"k", false, &[], &vec![7; 3_000_000]), 1);
    connection.flush().await.unwrap();
    let closing = connection.close();
    // The server does not answer, but sees all bytes and the end.
    drop(closing);
    match fake.finish() {
        // Hanging up without a close-notify is an error to rustls.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof),
        Ok(received) => assert!(received > 3_000_000),
    }
}

#[tokio::test]
async fn the_files_of_an_address_come_before_those_of_the_options() {
    let files = Files::new();
    let fake = files.fake(true);
    let tls = TlsFiles { ca: Some(files.path("empty.pem")), ..TlsFiles::default() };
    let query = format!(
        "{NAME}&cacertfile={}&certfile={}&keyfile={}",
        files.path("ca.pem").display(),
        files.path("client.pem").display(),
        files.path("client.key").display()
    );
    assert!(Connection::open(&options(&fake, &query, tls), 0).await.is_ok());
    let _ = fake.finish();
}

#[tokio::test]
async fn anybody_is_trusted_when_told_so() {
    let files = Files::new();
    let fake = files.fake(false);
    let options = options(&fake, "verify=verify_none", TlsFiles::default());
    assert!(Connection::open(&options, 0).await.is_ok());
    let _ = fake.finish();
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_told() {
    async fn check(query: &str, tls: impl Fn(&Files) -> TlsFiles, expected: &str) {
        let files = Files::new();
        let fake = files.fake(false);
        let error = Connection::open(&options(&fake, query, tls(&files)), 0).await.unwrap_err();
        assert!(matches!(error, Error::Tls { .. }) && error.is_permanent(), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        let _ = fake.finish();
    }
    let ca = |files: &Files| TlsFiles { ca: Some(files.path("ca.pem")), ..TlsFiles::default() };
    let other = |files: &Files| TlsFiles { ca: Some(files.path("client.pem")), ..<_>::default() };
    check("", ca, "use the name in the broker's certificate").await;
    check(NAME, other, "set the file with the authority").await;
    check("server_name_indication=a%20b", ca, "\"a b\" is no name").await;
    check("cacertfile=/no/such/file", ca, "cannot read certificates from /no/such/file").await;
    let empty = |files: &Files| TlsFiles { ca: Some(files.path("empty.pem")), ..<_>::default() };
    check(NAME, empty, "empty.pem holds no certificate in PEM form").await;
    let half = |files: &Files| TlsFiles { cert: Some(files.path("client.pem")), ..ca(files) };
    check(NAME, half, "there is a certificate, but no key for it").await;
    let half = |files: &Files| TlsFiles { key: Some(files.path("client.key")), ..ca(files) };
    check(NAME, half, "there is a key, but no certificate for it").await;
    let unequal = |files: &Files| TlsFiles {
        cert: Some(files.path("client.pem")),
        key: Some(files.path("server.key")),
        ..ca(files)
    };
    check(NAME, unequal, "server.key: ").await;
}

/// With TLS 1.3 the server looks at our certificate when our side is done already.
#[tokio::test]
async fn a_certificate_that_is_wanted_is_told() {
    let files = Files::new();
    let fake = files.fake(true);
    let tls = TlsFiles { ca: Some(files.path("ca.pem")), ..TlsFiles::default() };
    let error = Connection::open(&options(&fake, NAME, tls), 0).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("the broker wants a certificate"), "{error}");
    assert!(fake.finish().is_err());
}

#[tokio::test]
async fn a_server_without_tls_is_recognised() {
    let fake = fake(|mut peer| {
        let mut hello = [0; 8];
        peer.stream.read_exact(&mut hello).unwrap();
        peer.bytes(b"AMQP\x00\x00\x09\x01");
        Ok(0)
    });
    let options = options(&fake, "verify=verify_none", TlsFiles::default());
    let error = Connection::open(&options, 0).await.unwrap_err();
    assert!(error.to_string().contains("is this the broker's port for amqps"), "{error}");
    let _ = fake.finish();
}
