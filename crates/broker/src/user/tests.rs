//! Patterns as RabbitMQ reads them, and hashes.

use super::password::{Hashing, hash_password, matches};
use super::{Pattern, Users};

#[test]
fn patterns_match_anywhere_unless_they_anchor_themselves() {
    for (pattern, allowed, refused) in [
        (".*", &["", "a", "amq.gen-x"][..], &[][..]),
        ("", &[""], &["a"]),
        ("^$", &[""], &["a"]),
        ("b", &["b", "abc"], &["", "a"]),
        ("^b", &["b", "bc"], &["ab"]),
        ("^b$", &["b"], &["bc", "ab"]),
        ("^(a|b)\\.", &["a.x", "b.x"], &["c.x", "ax"]),
        ("^amq\\.gen.*|^q", &["amq.gen-1", "q"], &["amq.topic"]),
    ] {
        let compiled = Pattern::new(pattern).expect("valid");
        assert_eq!(compiled.as_str(), pattern);
        assert!(allowed.iter().all(|name| compiled.allows(name)), "{pattern}");
        assert!(refused.iter().all(|name| !compiled.allows(name)), "{pattern}");
    }
}

#[test]
fn hashes_differ_by_salt_and_fit_their_password() {
    let (one, two) = (hash_password([1; 4], b"pass"), hash_password([2; 4], b"pass"));
    assert_ne!(one, two);
    for hash in [&one, &two] {
        assert!(matches(Hashing::Sha256, hash, b"pass"));
        assert!(!matches(Hashing::Sha256, hash, b"Pass") && !matches(Hashing::Sha256, hash, b""));
    }
    for nonsense in ["", "AAAA", "not base64!", &one[..20]] {
        assert!(!matches(Hashing::Sha256, nonsense, b"pass"), "{nonsense}");
    }
}

#[test]
fn hashes_of_other_algorithms_are_understood() {
    // Made by RabbitMQ 3.10.8.
    for (hashing, hash) in HASHES {
        assert!(matches(hashing, hash, b"pass"), "{}", hashing.name());
        assert!(!matches(hashing, hash, b"word"), "{}", hashing.name());
        assert_eq!(Hashing::parse(hashing.name()), Some(hashing));
    }
}

const HASHES: [(Hashing, &str); 3] = [
    (Hashing::Sha256, "kK4CF3RA9a0zc1UzsC/k7hmbOixt5fwB7xuq27+JIpdlsbPt"),
    (
        Hashing::Sha512,
        "ivadFWMHwI44zRxbYriYE0sSItZKfDiFTeqH+Ojs3j4XbF5y61jGxMuWHGHRh9X8WpATthY2A31WIBW1Q/dBw69Ep0g=",
    ),
    (Hashing::Md5, "tYAkNGoYfR5QQW4o0O3UuGnXBf4="),
];

#[test]
fn guest_is_for_this_machine_only() {
    assert_eq!(Users::default().loopback_only, ["guest"]);
}
