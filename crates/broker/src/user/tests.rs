//! Patterns as RabbitMQ reads them, and hashes.

use super::{Pattern, Users, hash_password, password_matches};

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
        assert!(password_matches(hash, b"pass"));
        assert!(!password_matches(hash, b"Pass") && !password_matches(hash, b""));
    }
    for nonsense in ["", "AAAA", "not base64!", &one[..20]] {
        assert!(!password_matches(nonsense, b"pass"), "{nonsense}");
    }
}

#[test]
fn guest_is_for_this_machine_only() {
    assert_eq!(Users::default().loopback_only, ["guest"]);
}
