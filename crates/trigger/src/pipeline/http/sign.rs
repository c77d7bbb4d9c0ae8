//! Signatures of Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature` over
//! `id.timestamp.body`, one signature for each key, so that receivers can change keys at leisure.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use ring::signature::Ed25519KeyPair;
use sha2::{Digest, Sha256};

use crate::pipeline::Run;
use crate::pipeline::http::SetupError;

static ID: HeaderName = HeaderName::from_static("webhook-id");
static TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
static SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// A longer id of a message stands as its hash.
const ID_BYTES_MAX: usize = 64;

/// The seed of an Ed25519 key; some tools write the public key behind it.
const SEED_BYTES: usize = 32;

/// The signing keys of a trigger.
pub struct Signer {
    keys: Vec<Key>,
}

enum Key {
    /// `whsec_…`: HMAC-SHA256, scheme `v1`.
    Symmetric(hmac::Key),
    /// `whsk_…`: Ed25519, scheme `v1a`.
    Asymmetric(Box<Ed25519KeyPair>),
}

impl Signer {
    /// `keys` as in
    /// [`sign_standard_webhooks`](crate::config::HttpConfig::sign_standard_webhooks).
    ///
    /// # Errors
    /// One is no key; the error says which, and never shows it.
    pub fn new(keys: &[String]) -> Result<Signer, SetupError> {
        let parse = |(at, key): (usize, &String)| {
            Key::parse(key.trim()).ok_or(SetupError::SigningKey(at + 1))
        };
        Ok(Signer { keys: keys.iter().enumerate().map(parse).collect::<Result<_, _>>()? })
    }

    /// Adds the three headers; `now_s` is in seconds since 1970.
    pub(crate) fn sign(&self, run: &Run, now_s: u64, headers: &mut HeaderMap) {
        let scan = run.message.scan().unwrap_or_default();
        let id = id(scan.message_id, &run.metadata.execution_id);
        let signatures = self.signatures(&id, now_s, &run.rendered.body);
        let value = |text| HeaderValue::try_from(text).expect("base64 and UUIDs are visible ASCII");
        headers.insert(&ID, value(id));
        headers.insert(&TIMESTAMP, now_s.into());
        headers.insert(&SIGNATURE, value(signatures));
    }

    fn signatures(&self, id: &str, now_s: u64, body: &[u8]) -> String {
        let prefix = format!("{id}.{now_s}.");
        let mut out = String::new();
        for key in &self.keys {
            if !out.is_empty() {
                out.push(' ');
            }
            match key {
                Key::Symmetric(key) => {
                    let mut context = hmac::Context::with_key(key);
                    context.update(prefix.as_bytes());
                    context.update(body);
                    out.push_str("v1,");
                    STANDARD.encode_string(context.sign(), &mut out);
                }
                Key::Asymmetric(pair) => {
                    out.push_str("v1a,");
                    let signature = pair.sign(&[prefix.as_bytes(), body].concat());
                    STANDARD.encode_string(signature, &mut out);
                }
            }
        }
        out
    }
}

impl Key {
    fn parse(text: &str) -> Option<Key> {
        if let Some(secret) = text.strip_prefix("whsec_") {
            let secret = STANDARD.decode(secret).ok().filter(|secret| !secret.is_empty())?;
            return Some(Key::Symmetric(hmac::Key::new(hmac::HMAC_SHA256, &secret)));
        }
        let private = STANDARD.decode(text.strip_prefix("whsk_")?).ok()?;
        let pair = match private.split_at_checked(SEED_BYTES)? {
            (seed, []) => Ed25519KeyPair::from_seed_unchecked(seed),
            (seed, public) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
        };
        pair.ok().map(|pair| Key::Asymmetric(Box::new(pair)))
    }
}

/// The same for every delivery of a message, so that receivers can tell a repeated one. The
/// message's own id where it cannot upset what is signed, else its hash; a message without one gets
/// a new id with each run, because taking two messages for one would lose the second.
fn id(message_id: Option<&[u8]>, execution_id: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match message_id {
        None | Some([]) => execution_id.to_owned(),
        Some(id) if id.len() <= ID_BYTES_MAX && id.iter().all(is_plain) => {
            String::from_utf8_lossy(id).into_owned()
        }
        Some(id) => URL_SAFE_NO_PAD.encode(Sha256::digest(id)),
    }
}

#[cfg(test)]
mod tests;
