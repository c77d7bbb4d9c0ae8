//! TLS: who is known, and who is not.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::super::connection::CONNECT_TIMEOUT;
use super::*;

const MESSAGE: &[u8] = b"KDMQ sip:p@h:1 SIP/2.0\r\nContent-Length: 0\r\n\r\n";

/// An authority, and what it has signed.
struct Authority {
    files: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let files = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        fs::write(files.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority { files, issuer: Issuer::new(params, key) }
    }

    fn ca(&self) -> Option<PathBuf> {
        Some(self.files.path().join("ca.pem"))
    }

    /// A node with a certificate for a name, that accepts these names besides.
    fn node(&self, name: &str, accepted: &[&str]) -> TlsPlan {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str| self.files.path().join(format!("{name}.{kind}.pem"));
        fs::write(file("cert"), signed.pem()).unwrap();
        fs::write(file("key"), key.serialize_pem()).unwrap();
        TlsPlan {
            ca: self.ca(),
            cert: Some(file("cert")),
            key: Some(file("key")),
            names: accepted.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

fn bind(tls: &TlsPlan) -> Sockets {
    Sockets::bind(&SocketPlan { tls: tls.clone(), ..plan(Transport::Tls) }).unwrap()
}

/// A message from one node to another and its answer on the same connection: whether each was
/// verified, the listening one's view first; or why there is no connection.
async fn exchange(from: &TlsPlan, to: &TlsPlan) -> Result<(bool, bool), String> {
    let work = async {
        let (mut a, mut b) = (bind(from), bind(to));
        let [(Transport::Tls, address)] = b.addresses()[..] else { panic!("one address") };
        let route = Route::Stream { transport: Transport::Tls, address, name: "127.0.0.1".into() };
        a.send(&route, &MESSAGE.into()).unwrap();
        let (mut at_a, mut at_b) = (Seen::default(), Seen::default());
        tokio::select! {
            () = at_b.until(&mut b, |seen| !seen.packets.is_empty()) => {}
            () = at_a.until(&mut a, |seen| !seen.failed.is_empty()) => {}
        }
        if let Some((_, reason)) = at_a.failed.pop() {
            return Err(reason);
        }
        let (source, packet) = &at_b.packets[0];
        assert_eq!((source.transport, &packet[..]), (Transport::Tls, MESSAGE));
        b.send(&Route::Flow(source.flow.unwrap()), &MESSAGE.into()).unwrap();
        at_a.until(&mut a, |seen| !seen.packets.is_empty() || !seen.failed.is_empty()).await;
        match at_a.failed.pop() {
            Some((_, reason)) => Err(reason),
            None => Ok((source.verified, at_a.packets[0].0.verified)),
        }
    };
    LocalSet::new().run_until(work).await
}

#[tokio::test]
async fn nodes_with_certificates_of_one_authority_know_each_other() {
    let ours = Authority::new();
    let (by_ip, by_name) = (ours.node("127.0.0.1", &[]), ours.node("a.bus.test", &[]));
    assert_eq!(exchange(&by_ip, &by_ip).await, Ok((true, true)));
    assert_eq!(exchange(&by_name, &by_ip).await, Ok((true, true)));
}

#[tokio::test]
async fn a_name_that_is_not_accepted_is_not_verified() {
    let ours = Authority::new();
    let caller = ours.node("a.bus.test", &[]);
    let listens = |accepted: &[&str]| ours.node("127.0.0.1", accepted);
    for (accepted, verified) in [
        (&["a.bus.test"][..], true),
        (&["b.bus.test", "A.Bus.Test"], true),
        (&["b.bus.test"], false),
        (&["bus.test"], false),
        (&["127.0.0.1"], false),
    ] {
        assert_eq!(exchange(&caller, &listens(accepted)).await, Ok((verified, true)));
    }
    // A certificate for all of a domain.
    let caller = ours.node("*.bus.test", &[]);
    assert_eq!(exchange(&caller, &listens(&["b.bus.test"])).await, Ok((true, true)));
}

#[tokio::test]
async fn a_node_that_we_connect_to_has_its_uris_host_or_an_accepted_name() {
    let ours = Authority::new();
    let listener = ours.node("b.bus.test", &[]);
    let refused = exchange(&ours.node("127.0.0.1", &[]), &listener).await.unwrap_err();
    assert!(refused.starts_with("the TLS handshake failed: "), "{refused}");
    assert!(refused.contains("not valid for name"), "{refused}");
    let refused = exchange(&ours.node("127.0.0.1", &["c.bus.test"]), &listener).await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
    let accepts = ours.node("127.0.0.1", &["c.bus.test", "b.bus.test"]);
    assert_eq!(exchange(&accepts, &listener).await, Ok((true, true)));
}

#[tokio::test]
async fn another_authority_is_refused_by_both_sides() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let listener = ours.node("127.0.0.1", &[]);
    for accepted in [&[][..], &["127.0.0.1"]] {
        let foreign = theirs.node("127.0.0.1", accepted);
        let refused = exchange(&foreign, &listener).await.unwrap_err();
        assert!(refused.starts_with("the TLS handshake failed: "), "{refused}");
    }
    // It trusts us, but what it shows is its own.
    let trusts = TlsPlan { ca: ours.ca(), ..theirs.node("127.0.0.1", &[]) };
    let refused = exchange(&trusts, &listener).await.unwrap_err();
    assert!(refused.contains("the connection") || refused.contains("handshake"), "{refused}");
}

#[tokio::test]
async fn without_a_certificate_or_an_authority_nobody_is_verified() {
    let ours = Authority::new();
    let listener = ours.node("127.0.0.1", &[]);
    let nameless = TlsPlan { ca: ours.ca(), ..TlsPlan::default() };
    let connects = SocketPlan { tls: nameless, ..plan(Transport::Udp) };
    LocalSet::new()
        .run_until(async {
            let (mut a, mut b) = (Sockets::bind(&connects).unwrap(), bind(&listener));
            let address = b.addresses()[0].1;
            let name = "127.0.0.1".into();
            let route = Route::Stream { transport: Transport::Tls, address, name };
            a.send(&route, &MESSAGE.into()).unwrap();
            assert!(!packets(&mut b, 1).await[0].0.verified);

            let mut bare = Sockets::bind(&plan(Transport::Udp)).unwrap();
            bare.send(&route, &MESSAGE.into()).unwrap();
            let mut seen = Seen::default();
            seen.until(&mut bare, |seen| !seen.failed.is_empty()).await;
            let reason = "the TLS handshake failed: there are no certificates: see tls_ca_file \
                          and tls_cert_file";
            assert_eq!(seen.failed, [(route, reason.to_owned())]);
        })
        .await;
    let no_authority = TlsPlan { ca: None, ..listener.clone() };
    assert_eq!(exchange(&listener, &no_authority).await, Ok((false, true)));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_is_closed() {
    let ours = Authority::new();
    let tls = ours.node("127.0.0.1", &[]);
    LocalSet::new()
        .run_until(async {
            let mut sockets = bind(&tls);
            let address = sockets.addresses()[0].1;
            for (words, limit) in [(&b""[..], CONNECT_TIMEOUT), (MESSAGE, Duration::ZERO)] {
                let began = Instant::now();
                let mut peer = tokio::net::TcpStream::connect(address).await.unwrap();
                peer.write_all(words).await.unwrap();
                let ended = async {
                    let _ = peer.read_to_end(&mut Vec::new()).await;
                };
                let seen = serving(&mut sockets, ended).await;
                assert!(seen.packets.is_empty());
                assert!(began.elapsed() >= limit && began.elapsed() <= limit * 2, "{words:?}");
            }
        })
        .await;
}

#[tokio::test]
async fn wrong_files_and_names_are_named() {
    let ours = Authority::new();
    let right = ours.node("127.0.0.1", &[]);
    let missing = Some(ours.files.path().join("missing.pem"));
    let names = vec!["no name".to_owned()];
    for (tls, expected) in [
        (TlsPlan::default(), "no TLS: tls_cert_file and tls_key_file are needed to listen for TLS"),
        (TlsPlan { cert: missing.clone(), ..right.clone() }, "missing.pem"),
        (TlsPlan { ca: missing, ..right.clone() }, "missing.pem"),
        (
            TlsPlan { names, ..right },
            "no TLS: tls_names: \"no name\" is no name that a certificate can have",
        ),
    ] {
        let refused = Sockets::bind(&SocketPlan { tls, ..plan(Transport::Tls) });
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
