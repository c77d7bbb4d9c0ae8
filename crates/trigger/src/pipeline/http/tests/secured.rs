//! TLS: whom a trigger trusts, how it shows itself, and what is said when that fails.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::sink::{Answer, Sink, ok};
use super::*;

/// An authority, and certificates that it signed, each with its key.
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
        for (name, subject) in [
            ("good", "localhost"),
            ("expired", "localhost"),
            ("elsewhere", "elsewhere.example"),
            ("client", "hare"),
        ] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            if name == "expired" {
                params.not_after = rcgen::date_time_ymd(2020, 1, 1);
            }
            write(&format!("{name}.pem"), params.signed_by(&key, &ca).unwrap().pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Files(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn certificate(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap()
    }

    /// An endpoint with one of the certificates, that asks for a client's or not.
    async fn sink(&self, name: &str, asks: bool) -> Sink {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate("ca")).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
        let mut config = builder.with_single_cert(vec![self.certificate(name)], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Sink::over([ok("fine")], move |tcp| {
            let accepting = acceptor.accept(tcp);
            async { accepting.await.ok() }
        })
        .await
    }

    fn trigger(&self, sink: &Sink) -> TriggerConfig {
        let mut trigger = trigger(&format!("https://localhost:{}/hook", sink.port));
        trigger.http.tls_ca = Some(self.path("ca.pem"));
        trigger
    }
}

#[tokio::test]
async fn a_trusted_endpoint_is_talked_to_over_one_connection() {
    let files = Files::new();
    let sink = files.sink("good", false).await;
    let http = http(&files.trigger(&sink));
    for _ in 0..5 {
        assert_eq!(http.run(&run("x")).await.verdict, Verdict::Done);
    }
    assert_eq!((sink.seen().len(), sink.connections()), (5, 1));
    assert_eq!(sink.seen()[0].header("host"), [format!("localhost:{}", sink.port)]);
}

#[tokio::test]
async fn endpoints_that_show_a_wrong_certificate_get_no_message() {
    let files = Files::new();
    for (name, expected) in [("expired", "expired"), ("elsewhere", "not valid for name")] {
        let sink = files.sink(name, false).await;
        let outcome = http(&files.trigger(&sink)).run(&run("x")).await;
        let text = retry(&outcome, Reason::Transport);
        assert!(text.starts_with("TLS with localhost: ") && text.contains(expected), "{text}");
        assert!(sink.seen().is_empty());
    }
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let (files, others) = (Files::new(), Files::new());
    let sink = files.sink("good", false).await;
    let mut trigger = files.trigger(&sink);
    trigger.http.tls_ca = Some(others.path("ca.pem"));
    let outcome = http(&trigger).run(&run("x")).await;
    let text = retry(&outcome, Reason::Transport);
    assert!(text.contains("invalid peer certificate"), "{text}");
    assert!(sink.seen().is_empty());
}

#[tokio::test]
async fn a_trigger_shows_its_certificate_where_it_is_asked() {
    let files = Files::new();
    let sink = files.sink("good", true).await;
    let mut trigger = files.trigger(&sink);
    let outcome = http(&trigger).run(&run("x")).await;
    retry(&outcome, Reason::Transport);
    trigger.http.tls_cert = Some(files.path("client.pem"));
    trigger.http.tls_key = Some(files.path("client.key"));
    assert_eq!(http(&trigger).run(&run("x")).await.verdict, Verdict::Done);
    assert_eq!(sink.seen().len(), 1);
}

#[tokio::test]
async fn an_endpoint_without_tls_is_told() {
    let sink = Sink::new([ok("")]).await;
    let files = Files::new();
    let mut trigger = files.trigger(&sink);
    trigger.http.connect_timeout_ms = 80;
    let outcome = http(&trigger).run(&run("x")).await;
    assert_eq!(retry(&outcome, Reason::Transport), "no connection to localhost in 80 ms");
    let garbage = Sink::over([Answer::Hang(String::new())], |mut tcp| async move {
        use tokio::io::AsyncWriteExt;
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        Some(tcp)
    })
    .await;
    let outcome = http(&files.trigger(&garbage)).run(&run("x")).await;
    let text = retry(&outcome, Reason::Transport);
    assert!(text.starts_with("TLS with localhost: "), "{text}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let files = Files::new();
    let mut trigger = trigger("https://localhost/");
    trigger.http.tls_ca = Some(files.path("none.pem"));
    let refused = Http::new("orders", &trigger, &Secrets::default(), &Shared::default());
    let text = refused.err().unwrap().to_string();
    assert!(text.contains("none.pem"), "{text}");
}

#[test]
fn triggers_without_files_share_the_systems_authorities() {
    let shared = Shared::default();
    let config = HttpConfig::default();
    if let (Ok(one), Ok(other)) = (shared.tls(&config), shared.clone().tls(&config)) {
        assert!(Arc::ptr_eq(&one, &other));
    }
}
