//! Names of clients in RabbitMQ's form, handshakes with and without certificates, and refusals.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConnection};

use super::*;

fn certificate(subject: &[(DnType, &str)]) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

#[track_caller]
fn check(subject: &[(DnType, &str)], whole: Option<&str>, common: Option<&str>) {
    let certificate = certificate(subject);
    let name = |from| client_name(&certificate, from);
    assert_eq!(name(LoginFrom::DistinguishedName).as_deref(), whole);
    assert_eq!(name(LoginFrom::CommonName).as_deref(), common);
}

#[test]
fn the_last_part_of_the_subject_comes_first() {
    check(
        &[
            (DnType::CountryName, "SE"),
            (DnType::OrganizationName, "Example"),
            (DnType::OrganizationalUnitName, "Lab"),
            (DnType::CommonName, "client"),
        ],
        Some("CN=client,OU=Lab,O=Example,C=SE"),
        Some("client"),
    );
}

#[test]
fn special_characters_are_escaped_in_the_whole_subject_only() {
    check(
        &[(DnType::OrganizationName, " a,b+\"c\" "), (DnType::CommonName, "#zoë~")],
        Some("CN=\\#zo\\C3\\AB\\7E,O=\\ a\\,b\\+\\\"c\\\"\\ "),
        Some("#zoë~"),
    );
}

#[test]
fn unknown_attributes_appear_as_numbers() {
    let custom = DnType::CustomDnType(vec![2, 5, 4, 97]);
    check(&[(custom, "x"), (DnType::CommonName, "c")], Some("CN=c,2.5.4.97=x"), Some("c"));
}

#[test]
fn a_certificate_without_a_name_gives_none() {
    check(&[], None, None);
    check(&[(DnType::OrganizationName, "o")], Some("O=o"), None);
    let garbage = CertificateDer::from(vec![1, 2, 3]);
    assert_eq!(client_name(&garbage, LoginFrom::CommonName), None);
}

/// A directory with an authority, a server's and a client's certificate, and stray files.
struct Files {
    directory: tempfile::TempDir,
    client: (CertificateDer<'static>, PrivateKeyDer<'static>),
}

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
        let server_key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        write("cert.pem", server.signed_by(&server_key, &ca).unwrap().pem());
        write("key.pem", server_key.serialize_pem());
        write("other-key.pem", KeyPair::generate().unwrap().serialize_pem());
        write("empty.pem", String::new());
        let client_key = KeyPair::generate().unwrap();
        let mut client = CertificateParams::new(Vec::new()).unwrap();
        client.distinguished_name = DistinguishedName::new();
        client.distinguished_name.push(DnType::CommonName, "hare");
        let certificate = client.signed_by(&client_key, &ca).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(client_key.serialize_der()).unwrap();
        Files { directory, client: (certificate, key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn tls(&self) -> Tls {
        Tls {
            cert: self.path("cert.pem"),
            key: self.path("key.pem"),
            ca: Some(self.path("ca.pem")),
            verify: Verify::None,
            fail_if_no_peer_cert: false,
            versions: Version::ALL.to_vec(),
        }
    }

    /// Shakes hands in memory; gives the client's name, or the server's refusal.
    fn handshake(&self, tls: &Tls, with_certificate: bool) -> Result<Option<String>, String> {
        let all = [&rustls::version::TLS12, &rustls::version::TLS13];
        self.handshake_with(tls, with_certificate, &all)
    }

    /// The same, of a client that speaks these versions only.
    fn handshake_with(
        &self,
        tls: &Tls,
        with_certificate: bool,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Option<String>, String> {
        let mut roots = RootCertStore::empty();
        let authorities = certificates("ca", &self.path("ca.pem")).unwrap();
        roots.add_parsable_certificates(authorities);
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let client = if with_certificate {
            let (certificate, key) = &self.client;
            client.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap()
        } else {
            client.with_no_client_auth()
        };
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(server_config(tls).unwrap()).unwrap();
        for _ in 0..5 {
            let mut flight = Vec::new();
            client.write_tls(&mut flight).unwrap();
            server.read_tls(&mut flight.as_slice()).unwrap();
            server.process_new_packets().map_err(|e| e.to_string())?;
            let mut flight = Vec::new();
            server.write_tls(&mut flight).unwrap();
            client.read_tls(&mut flight.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        assert!(!server.is_handshaking());
        let chain = server.peer_certificates().unwrap_or_default();
        Ok(chain.first().and_then(|c| client_name(c, LoginFrom::DistinguishedName)))
    }
}

#[test]
fn clients_are_asked_for_certificates_as_configured() {
    let files = Files::new();
    let none = files.tls();
    let optional = Tls { verify: Verify::Peer, ..files.tls() };
    let required = Tls { fail_if_no_peer_cert: true, ..optional.clone() };
    let hare = Ok(Some("CN=hare".to_owned()));
    assert_eq!(files.handshake(&none, true), Ok(None));
    assert_eq!(files.handshake(&optional, false), Ok(None));
    assert_eq!(files.handshake(&optional, true), hare);
    assert_eq!(files.handshake(&required, true), hare);
    let refusal = files.handshake(&required, false).unwrap_err();
    assert!(refusal.contains("certificate"), "{refusal}");
}

#[test]
fn only_the_versions_that_are_configured_are_spoken() {
    let files = Files::new();
    for (offered, spoken, works) in [
        (vec![Version::Tls13], &rustls::version::TLS12, false),
        (vec![Version::Tls13], &rustls::version::TLS13, true),
        (vec![Version::Tls12], &rustls::version::TLS13, false),
        (vec![Version::Tls12], &rustls::version::TLS12, true),
        (Version::ALL.to_vec(), &rustls::version::TLS12, true),
    ] {
        let tls = Tls { versions: offered, ..files.tls() };
        let done = files.handshake_with(&tls, false, &[spoken]);
        assert_eq!(done.is_ok(), works, "{tls:?} {spoken:?}: {done:?}");
    }
}

#[test]
fn unusable_files_are_named() {
    let files = Files::new();
    let refused = |tls: Tls, expected: &str| {
        let refusal = server_config(&tls).unwrap_err().to_string();
        let refusal = refusal.replace(files.directory.path().to_str().unwrap(), "DIR");
        assert!(refusal.starts_with(expected), "{refusal}");
    };
    refused(
        Tls { cert: files.path("absent.pem"), ..files.tls() },
        "cannot read a certificate from DIR/absent.pem: No such file or directory",
    );
    refused(
        Tls { cert: files.path("empty.pem"), ..files.tls() },
        "cannot read a certificate from DIR/empty.pem: the file holds none in PEM form",
    );
    refused(
        Tls { key: files.path("cert.pem"), ..files.tls() },
        "cannot read a private key from DIR/cert.pem: the file holds none in PEM form",
    );
    refused(
        Tls { key: files.path("other-key.pem"), ..files.tls() },
        "cannot use certificate DIR/cert.pem with key DIR/other-key.pem",
    );
    refused(
        Tls { verify: Verify::Peer, ca: Some(files.path("empty.pem")), ..files.tls() },
        "cannot read an authority's certificate from DIR/empty.pem",
    );
}
