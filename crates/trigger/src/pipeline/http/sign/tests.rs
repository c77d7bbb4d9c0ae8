//! The published vector of Standard Webhooks, RFC 8032's first key, and ids that must not be signed.

use std::rc::Rc;
use std::time::Duration;

use amqp::content::PropertyScan;
use bytes::Bytes;
use proptest::prelude::*;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::*;
use crate::message::Message;
use crate::payload::{Metadata, Rendered};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &[u8] = b"{\"test\": 2432232314}";
const VECTOR: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

/// The secret and public key of RFC 8032, 7.1, test 1.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn run(message_id: &[u8]) -> Run {
    let scan = PropertyScan { message_id: Some(message_id), ..PropertyScan::default() };
    Run {
        message: Rc::new(Message { properties: scan.encode(), ..Message::default() }),
        rendered: Rendered { body: Bytes::from_static(BODY), ..Rendered::default() },
        metadata: Metadata { execution_id: "exec-1".into(), ..Metadata::default() },
        timeout: Duration::from_secs(1),
    }
}

fn signed(keys: &[&str], message_id: &[u8]) -> [String; 3] {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let mut headers = HeaderMap::new();
    Signer::new(&keys).unwrap().sign(&run(message_id), 1_614_265_330, &mut headers);
    [&ID, &TIMESTAMP, &SIGNATURE].map(|name| headers[name].to_str().unwrap().to_owned())
}

#[test]
fn the_published_vector_holds() {
    let expected = ["msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", VECTOR];
    assert_eq!(signed(&[SECRET], b"msg_p5jXN8AQM9LWM0D4loKWxJek"), expected);
}

#[test]
fn each_key_signs_while_keys_change() {
    let [_, _, both] = signed(&["whsec_b2xkZXIga2V5", SECRET], b"msg_p5jXN8AQM9LWM0D4loKWxJek");
    let (other, vector) = both.split_once(' ').unwrap();
    assert_eq!(vector, VECTOR);
    assert!(other.starts_with("v1,") && other != VECTOR, "{other}");
}

#[test]
fn an_ed25519_key_signs_what_its_public_key_verifies() {
    for private in [bytes(SEED), [bytes(SEED), bytes(PUBLIC)].concat()] {
        let key = format!("whsk_{}", STANDARD.encode(private));
        let [id, timestamp, signature] = signed(&[&key], b"msg_1");
        let signature = STANDARD.decode(signature.strip_prefix("v1a,").unwrap()).unwrap();
        let content = [format!("{id}.{timestamp}.").as_bytes(), BODY].concat();
        let public = UnparsedPublicKey::new(&ED25519, bytes(PUBLIC));
        assert_eq!(public.verify(&content, &signature), Ok(()));
    }
}

#[test]
fn ids_that_could_upset_the_signature_are_hashed() {
    let [id, ..] = signed(&[SECRET], b"plain-id_1");
    assert_eq!(id, "plain-id_1");
    for odd in [&b"1.2"[..], b"a b", b"\xff", "ü".as_bytes(), &[b'a'; 65]] {
        let [id, ..] = signed(&[SECRET], odd);
        assert_eq!(id, URL_SAFE_NO_PAD.encode(Sha256::digest(odd)));
    }
}

#[test]
fn a_message_without_an_id_is_named_by_its_run() {
    let [id, ..] = signed(&[SECRET], b"");
    assert_eq!(id, "exec-1");
    assert_eq!(super::id(None, "exec-2"), "exec-2");
}

#[test]
fn what_is_no_key_is_refused_by_its_number_alone() {
    let short = STANDARD.encode([1; 31]);
    let mismatched = STANDARD.encode([bytes(SEED), vec![1; 32]].concat());
    for wrong in [
        "",
        "secret",
        "whsec_",
        "whsec_???",
        &short,
        &format!("whsk_{short}"),
        &format!("whsk_{mismatched}"),
    ] {
        let error = Signer::new(&[SECRET.into(), wrong.into()]).err().unwrap();
        assert_eq!(error, SetupError::SigningKey(2));
    }
}

proptest! {
    #[test]
    fn any_id_makes_plain_headers(message_id in prop::collection::vec(any::<u8>(), 0..100)) {
        let [id, _, signature] = signed(&[SECRET], &message_id);
        prop_assert!(!id.is_empty() && !id.contains('.') && id.len() <= ID_BYTES_MAX);
        prop_assert!(!signature.contains(' '));
    }
}
