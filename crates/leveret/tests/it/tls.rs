//! TLS listeners, certificates of clients, and logging in by them.

use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::broker::Broker;
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::login::Login;
use crate::client::wire::Wire;

/// Who signs.
pub(crate) struct Authority {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Certificate and key of one side.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: KeyPair,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Authority { certificate: der, pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str, host: &str, usages: &[ExtendedKeyUsagePurpose]) -> Identity {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationName, "Field");
        params.extended_key_usages = usages.to_vec();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: certificate.der().clone(), key, pem: certificate.pem() }
    }

    pub(crate) fn client(&self, name: &str) -> Identity {
        self.sign(name, "localhost", &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    pub(crate) fn server(&self) -> Identity {
        self.sign("server", "localhost", &[ExtendedKeyUsagePurpose::ServerAuth])
    }

    /// Both, for who connects to others as they to him.
    pub(crate) fn node(&self, host: &str) -> Identity {
        let usages = [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        self.sign("node", host, &usages)
    }

    fn config(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key, .. }) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
            }
        })
    }
}

/// A TLS broker with certificates of this authority, which are files of its directory.
pub(crate) fn broker(authority: &Authority, flags: &[&str]) -> Broker {
    let dir = tempfile::tempdir().unwrap().keep();
    let server = authority.server();
    write(&dir, "ca.pem", &authority.pem);
    write(&dir, "cert.pem", &server.pem);
    write(&dir, "key.pem", &server.key.serialize_pem());
    let tls = ["--amqps-listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    Broker::in_dir(dir, &[&tls, flags].concat())
}

/// Flags of a broker that wants certificates.
pub(crate) const VERIFY: [&str; 4] = ["--tls-ca", "ca.pem", "--tls-verify", "verify_peer"];

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

fn secure(broker: &Broker, config: Arc<ClientConfig>) -> Client {
    Client::over(Wire::tls(broker.address("amqps"), config))
}

fn external() -> Login {
    Login { mechanism: "EXTERNAL", response: Vec::new(), ..Login::default() }
}

#[test]
fn messages_pass_through_tls() {
    let authority = Authority::new("authority");
    let broker = broker(&authority, &[]);
    let client = Login::default().open_over(secure(&broker, authority.config(None)));
    let channel = client.channel();
    channel.declare(&queue("secret").exclusive());
    channel.consume(&consume("secret").no_ack());
    for size in [0, 5, 16_384, 16_385, 1_000_000] {
        channel.publish("", "secret", vec![8; size]);
        assert_eq!(channel.delivery().body, vec![8; size]);
    }
    client.close();
    // The plain listener is there as well.
    Client::connect(&broker).channel().silent();
}

#[test]
fn certificate_is_the_login_with_external() {
    let authority = Authority::new("authority");
    let by_name = ["--ssl-cert-login-from", "common_name", "--default-user", "hare"];
    let broker = broker(&authority, &[&VERIFY[..], &by_name].concat());
    let known = authority.config(Some(&authority.client("hare")));
    external().open_over(secure(&broker, known)).channel().silent();

    let unknown = authority.config(Some(&authority.client("fox")));
    let client = secure(&broker, unknown);
    external().start(&client);
    client.expect_close(
        403,
        (0, 0),
        "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL.",
    );

    // Without a certificate there is only the password.
    let client = secure(&broker, authority.config(None));
    external().start(&client);
    client.expect_close_code(403);
    let login = Login::user("hare", "guest");
    login.open_over(secure(&broker, authority.config(None))).channel().silent();
}

#[test]
fn whole_subject_is_the_login_unless_told_otherwise() {
    let authority = Authority::new("authority");
    let user = ["--default-user", "O=Field,CN=hare"];
    let broker = broker(&authority, &[&VERIFY[..], &user].concat());
    let config = authority.config(Some(&authority.client("hare")));
    external().open_over(secure(&broker, config)).channel().silent();
}

#[test]
fn certificates_of_strangers_are_refused() {
    let authority = Authority::new("authority");
    let broker = broker(&authority, &VERIFY);
    let stranger = Authority::new("stranger").client("guest");
    let client = secure(&broker, authority.config(Some(&stranger)));
    client.send_bytes(&amqp::frame::PROTOCOL_HEADER);
    client.expect_end();
    let config = authority.config(Some(&authority.client("guest")));
    Login::default().open_over(secure(&broker, config)).channel().silent();
}

#[test]
fn client_without_a_certificate_is_refused_if_asked_so() {
    let authority = Authority::new("authority");
    let broker = broker(&authority, &[&VERIFY[..], &["--tls-fail-if-no-peer-cert"]].concat());
    let client = secure(&broker, authority.config(None));
    client.send_bytes(&amqp::frame::PROTOCOL_HEADER);
    client.expect_end();
}

#[test]
fn plain_amqp_on_the_tls_port_is_cut() {
    let authority = Authority::new("authority");
    let broker = broker(&authority, &["--handshake-timeout", "300ms"]);
    let mut garbage = Wire::tcp(broker.address("amqps"));
    garbage.write(&amqp::frame::PROTOCOL_HEADER);
    garbage.rest();
    let mut silent = Wire::tcp(broker.address("amqps"));
    silent.rest();
    Login::default().open_over(secure(&broker, authority.config(None))).channel().silent();
}
