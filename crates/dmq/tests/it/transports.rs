//! The same bus by UDP, TCP and TLS: messages and their outcomes, a crash, a return.

use std::fs;
use std::path::Path;

use dmq::address::Transport;
use dmq::config::DmqConfig;
use dmq::message::{Outcome, Outgoing, Recipient};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::task::LocalSet;

use crate::bus::Bus;

/// A certificate that all nodes share: buses are named, nodes are not.
fn certify(folder: &Path) -> DmqConfig {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let params = CertificateParams::new(vec!["bus.test".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text).unwrap();
        Some(folder.join(name))
    };
    DmqConfig {
        tls_ca_file: write("ca.pem", ca.pem()),
        tls_cert_file: write("cert.pem", certificate.pem()),
        tls_key_file: write("key.pem", key.serialize_pem()),
        tls_names: vec!["bus.test".to_owned()],
        ..DmqConfig::default()
    }
}

async fn works(transport: Transport, config: DmqConfig) {
    let mut bus = Bus::new(transport, config);
    for number in 1..=5 {
        bus.start(number);
    }
    bus.agree().await;

    let mut listeners = Vec::new();
    for running in &bus.running[1..] {
        let registered = running.node.register(Some("events".into()), 10).await.unwrap();
        listeners.push(registered.unwrap());
    }
    let message = |to| Outgoing {
        peer: "events".into(),
        to,
        content_type: "text/plain".into(),
        body: vec![b'x'; 20_000].into(),
        lane: 0,
    };
    let first = bus.running[0].node.clone();
    let delivered = first.send(message(Recipient::All)).await.unwrap().unwrap();
    assert_eq!(delivered.len(), 4);
    assert!(delivered.iter().all(|delivered| delivered.outcome.is_taken()), "{delivered:?}");
    for listener in &mut listeners {
        let received = listener.messages.recv().await.unwrap();
        assert_eq!(
            (received.from.as_ref(), received.body.len()),
            (Some(&bus.running[0].uri), 20_000)
        );
    }

    let last = bus.running.pop().unwrap();
    let gone = last.uri.clone();
    last.kill().await;
    let delivered = first.send(message(Recipient::One(gone))).await.unwrap().unwrap();
    let outcome = &delivered[0].outcome;
    match transport {
        Transport::Udp => assert_eq!(*outcome, Outcome::TimedOut),
        Transport::Tcp | Transport::Tls => {
            assert!(matches!(outcome, Outcome::Unreachable(_)), "{outcome:?}");
        }
    }
    bus.agree().await;
    bus.start(5);
    bus.agree().await;
    bus.running.pop().unwrap().leave().await;
    bus.agree().await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_by_udp() {
    LocalSet::new().run_until(works(Transport::Udp, DmqConfig::default())).await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_by_tcp() {
    LocalSet::new().run_until(works(Transport::Tcp, DmqConfig::default())).await;
}

#[tokio::test(start_paused = true)]
async fn a_bus_by_tls() {
    let folder = tempfile::tempdir().unwrap();
    LocalSet::new().run_until(works(Transport::Tls, certify(folder.path()))).await;
}
