//! Password hashes, in RabbitMQ's form: base64(salt + hash(salt + password)) with a salt of four bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};

/// Bytes of salt in front of a password hash.
pub const SALT_LEN: usize = 4;

/// How a password was hashed. Passwords that are set here are hashed with SHA-256; the others come with definitions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Hashing {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
    /// MD5: users from before RabbitMQ 3.6.
    Md5,
}

impl Hashing {
    /// All of them.
    pub const ALL: [Hashing; 3] = [Hashing::Sha256, Hashing::Sha512, Hashing::Md5];

    /// As RabbitMQ's definitions call it.
    pub fn name(self) -> &'static str {
        match self {
            Hashing::Sha256 => "rabbit_password_hashing_sha256",
            Hashing::Sha512 => "rabbit_password_hashing_sha512",
            Hashing::Md5 => "rabbit_password_hashing_md5",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Hashing> {
        Hashing::ALL.into_iter().find(|hashing| hashing.name() == name)
    }

    fn digest(self, salt: &[u8], password: &[u8]) -> Vec<u8> {
        let salted = [salt, password].concat();
        match self {
            Hashing::Sha256 => Sha256::digest(&salted).to_vec(),
            Hashing::Sha512 => Sha512::digest(&salted).to_vec(),
            Hashing::Md5 => <Md5 as md5::Digest>::digest(&salted).to_vec(),
        }
    }
}

/// base64(salt + SHA-256(salt + password)), RabbitMQ's `rabbit_password_hashing_sha256`.
pub fn hash_password(salt: [u8; SALT_LEN], password: &[u8]) -> String {
    let mut bytes = salt.to_vec();
    bytes.extend_from_slice(&Hashing::Sha256.digest(&salt, password));
    BASE64.encode(bytes)
}

/// Whether the hash is one of this password.
pub(super) fn matches(hashing: Hashing, hash: &str, password: &[u8]) -> bool {
    let Ok(stored) = BASE64.decode(hash) else { return false };
    let Some((salt, stored)) = stored.split_first_chunk::<SALT_LEN>() else { return false };
    let given = hashing.digest(salt, password);
    // The time does not depend on where the two differ.
    stored.len() == given.len()
        && stored.iter().zip(given).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}
