//! Bodies as text: which character set, and what happens when they are in none.

use super::*;

const LENIENT: Rule = Rule { binary: false, on_invalid: OnInvalidText::Base64 };

fn scan<'a>(content_type: &'a str, content_encoding: &'a str) -> PropertyScan<'a> {
    let some = |text: &'a str| Some(text.as_bytes()).filter(|text| !text.is_empty());
    PropertyScan {
        content_type: some(content_type),
        content_encoding: some(content_encoding),
        ..PropertyScan::default()
    }
}

#[track_caller]
fn check(content_type: &str, content_encoding: &str, body: &[u8], text: &str) {
    let (shown, invalid) = LENIENT.show(body, &scan(content_type, content_encoding)).unwrap();
    assert_eq!((shown, invalid), (Shown::Text(text.into()), false));
}

#[track_caller]
fn invalid(content_type: &str, body: &[u8], replaced: &str) {
    let scan = scan(content_type, "");
    assert_eq!(LENIENT.show(body, &scan).unwrap(), (Shown::Base64(body), true));
    let replace = Rule { on_invalid: OnInvalidText::Replace, ..LENIENT };
    assert_eq!(replace.show(body, &scan).unwrap(), (Shown::Text(replaced.into()), true));
    let strict = Rule { on_invalid: OnInvalidText::DeadLetter, ..LENIENT };
    assert_eq!(strict.show(body, &scan).unwrap_err().reason, Reason::InvalidText);
    let binary = Rule { binary: true, ..strict };
    assert_eq!(binary.show(body, &scan).unwrap(), (Shown::Base64(body), false));
}

#[test]
fn utf_8_is_what_nobody_says() {
    check("", "", "hé".as_bytes(), "hé");
    check("text/plain", "", b"", "");
    check("text/plain", "gzip", b"a", "a");
    check("", "", b"\xEF\xBB\xBFa\0", "\u{FEFF}a\0");
}

#[test]
fn the_content_type_names_the_set() {
    check("text/plain; charset=iso-8859-1", "", b"h\xE9\x80", "hé\u{80}");
    check("text/plain;CHARSET=\"Windows-1252\" ; x=y", "", b"\x80", "€");
    check("text/plain; x=y; charset = shift_jis", "", b"\x83\x65", "テ");
    check("text/plain; charset=us-ascii", "", "é".as_bytes(), "é");
    check("text/plain; charset=latin1", "utf-8", b"\xE9", "é");
}

#[test]
fn the_content_encoding_names_it_where_it_is_one() {
    check("text/plain", "ISO-8859-1", b"\xE9", "é");
    check("", "utf-8", "é".as_bytes(), "é");
}

#[test]
fn utf_16_has_the_order_of_its_mark() {
    check("text/plain; charset=utf-16", "", b"\0a", "a");
    check("text/plain; charset=utf-16", "", b"\xFE\xFF\0a", "\u{FEFF}a");
    check("text/plain; charset=utf-16", "", b"\xFF\xFEa\0", "\u{FEFF}a");
    check("text/plain; charset=utf-16le", "", b"a\0", "a");
    invalid("text/plain; charset=utf-16be", b"\xD8\0", "\u{FFFD}");
}

#[test]
fn what_is_not_in_its_set_is_not_guessed() {
    invalid("", b"a\xFF", "a\u{FFFD}");
    invalid("text/plain; charset=klingon", b"abc", "abc");
    invalid("text/plain; charset=\"\"", b"abc", "abc");
    invalid("text/plain; charset=shift_jis", b"\x83", "\u{FFFD}");
    let error = Rule { on_invalid: OnInvalidText::DeadLetter, ..LENIENT };
    let error = error.show(b"\xFF", &scan("", "")).unwrap_err();
    assert_eq!(error.to_string(), "invalid_text: the body is not text in UTF-8");
}

#[test]
fn base64_is_padded_and_in_one_line() {
    assert_eq!(serde_json::to_string(&Base64(b"\xFB\xFF")).unwrap(), r#""+/8=""#);
    let long = serde_json::to_string(&Base64(&[0; 5000])).unwrap();
    assert_eq!(long.len(), 2 + 5000_usize.div_ceil(3) * 4);
    assert!(!long.contains('\\'));
}
