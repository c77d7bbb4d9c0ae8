//! What may be written, and how odd values are taken apart.

use super::*;

#[test]
fn names_and_types_that_we_write_cannot_end_a_line_or_a_uri() {
    for peer in ["notification_peer", "htable", "a", "-_.!~*'()&=+$,", &"x".repeat(64)] {
        assert!(is_peer(peer), "{peer}");
    }
    for peer in [
        "",
        "a b",
        "a@b",
        "a:b",
        "a;b",
        "a?b",
        "a/b",
        "a%20",
        "a\r\nb",
        "\u{e4}",
        "<a>",
        &"x".repeat(65),
    ] {
        assert!(!is_peer(peer), "{peer}");
    }
    for content_type in ["", "text/plain", "application/json; charset=\"utf-8\"", &"x".repeat(255)]
    {
        assert!(is_content_type(content_type), "{content_type}");
    }
    for content_type in [" ", "a\r\nb", "a\tb", "a ", " a", "\u{e4}", "a\0", &"x".repeat(256)] {
        assert!(!is_content_type(content_type), "{content_type}");
    }
}

#[test]
fn parties_are_found_among_names_and_parameters() {
    for (value, wanted) in [
        ("<sip:a@b>", Some(("sip:a@b", None))),
        ("< sip:a@b >;tag=t", Some(("sip:a@b", Some("t")))),
        ("<sip:a@b;tag=no?tag=no> ;x ; Tag=t", Some(("sip:a@b;tag=no?tag=no", Some("t")))),
        ("\"<sip:no@no>\" <sip:a@b>", Some(("sip:a@b", None))),
        ("\"\\\"<sip:no@no>\" <sip:a@b>", Some(("sip:a@b", None))),
        ("A B<sip:a@b>;tag", Some(("sip:a@b", None))),
        ("sip:a@b;tag=t;tag=u", Some(("sip:a@b", Some("t")))),
        ("sip:a@b ;tag=", Some(("sip:a@b", Some("")))),
        ("tel:+1", Some(("tel:+1", None))),
        ("", None),
        ("a@b", None),
        ("<a@b>", None),
        ("<sip:a@b", None),
        ("<sip:a b>", None),
        ("<sip:a@b> tag=t", None),
        ("\"A <sip:a@b>", None),
        ("A sip:a@b", None),
        (";tag=t", None),
    ] {
        let read = Party::parse(value).map(|party| (party.uri, party.tag));
        assert_eq!(read, wanted, "{value}");
    }
}

#[test]
fn folds_become_blanks() {
    for (value, wanted) in
        [("a b", "a b"), ("a\r\n b", "a b"), ("a \n\t \r\n b\r\n\tc", "a  b c"), ("\r\n a", " a")]
    {
        assert_eq!(unfolded(value), wanted);
        assert!(!unfolded(value).contains(['\r', '\n']));
    }
}
