//! What people are shown.

use super::*;

#[test]
fn numbers_are_grouped() {
    for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), expected);
    }
    assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    assert_eq!(counted(1, "message"), "1 message");
    assert_eq!(counted(2_000, "message"), "2,000 messages");
}

#[test]
fn sizes_have_binary_units() {
    for (bytes, expected) in [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_536, "1.5 KiB"),
        (64 << 30, "64.0 GiB"),
        (u64::MAX, "16777216.0 TiB"),
    ] {
        assert_eq!(size(bytes), expected);
    }
}

#[test]
fn names_are_short_and_cannot_control_anything() {
    assert_eq!(name("retries é".as_bytes()), "retries é");
    assert_eq!(name(b"a\xff\x1b[31m\nb"), "a\u{fffd}\u{fffd}[31m\u{fffd}b");
    assert_eq!(name("x\u{202e}y".as_bytes()), "x\u{fffd}y");
    let long = name("é".repeat(300).as_bytes());
    assert_eq!(long.chars().count(), NAME_CHARS_MAX + 1);
    assert!(long.ends_with('…'));
}
