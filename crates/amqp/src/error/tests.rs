//! Reply codes, their scopes and texts.

use super::*;

/// Number, name and scope as amqp.md and the specification have them.
const CODES: [(u16, &str, bool); 18] = [
    (311, "CONTENT_TOO_LARGE", false),
    (312, "NO_ROUTE", false),
    (313, "NO_CONSUMERS", false),
    (320, "CONNECTION_FORCED", true),
    (402, "INVALID_PATH", true),
    (403, "ACCESS_REFUSED", false),
    (404, "NOT_FOUND", false),
    (405, "RESOURCE_LOCKED", false),
    (406, "PRECONDITION_FAILED", false),
    (501, "FRAME_ERROR", true),
    (502, "SYNTAX_ERROR", true),
    (503, "COMMAND_INVALID", true),
    (504, "CHANNEL_ERROR", true),
    (505, "UNEXPECTED_FRAME", true),
    (506, "RESOURCE_ERROR", true),
    (530, "NOT_ALLOWED", true),
    (540, "NOT_IMPLEMENTED", true),
    (541, "INTERNAL_ERROR", true),
];

#[test]
fn reply_codes_have_the_specified_number_name_and_scope() {
    let codes = ReplyCode::ALL.map(|code| (code.code(), code.name(), code.is_hard()));
    assert_eq!(codes, CODES);
}

#[test]
fn reply_text_is_name_and_explanation() {
    let error = AmqpError::new(ReplyCode::NotFound, "no queue 'q' in vhost '/'").at((50, 10));
    assert_eq!(error.reply_text(), "NOT_FOUND - no queue 'q' in vhost '/'");
    assert_eq!(error.to_string(), error.reply_text());
    assert_eq!((error.class_id, error.method_id), (50, 10));
}

#[test]
fn reply_text_over_255_bytes_ends_in_dots_at_255() {
    let prefix = "NOT_FOUND - ".len();
    let check = |text: String, expected_len: usize, dots: bool| {
        let text = AmqpError::new(ReplyCode::NotFound, text).reply_text();
        assert_eq!(text.len(), expected_len, "{text}");
        assert_eq!(text.ends_with("..."), dots, "{text}");
    };
    check("q".repeat(255 - prefix), 255, false);
    check("q".repeat(256 - prefix), 255, true);
    check("q".repeat(10_000), 255, true);
    check("é".repeat(200), 255, true);
    check(format!("q{}", "é".repeat(200)), 254, true);
    check(format!("q{}", "兔".repeat(200)), 253, true);
}

#[test]
fn decode_errors_become_connection_errors() {
    let check = |error: DecodeError, text: &str| {
        let error = AmqpError::from(error);
        assert!(error.code.is_hard());
        assert_eq!(error.reply_text(), text);
    };
    check(DecodeError::Utf8, "FRAME_ERROR - Malformed UTF-8 in shortstr");
    check(DecodeError::Truncated, "FRAME_ERROR - cannot decode: a field reaches past the end");
    check(
        DecodeError::Trailing,
        "FRAME_ERROR - cannot decode: bytes are left after the last field",
    );
    check(DecodeError::BadHeader, "FRAME_ERROR - malformed content header");
    check(DecodeError::BadTag(b'U'), "SYNTAX_ERROR - unknown field value type 85");
    check(DecodeError::TooDeep, "SYNTAX_ERROR - field table nested too deeply");
    check(DecodeError::UnknownMethod(60, 1), "NOT_IMPLEMENTED - unknown method 60.1");
    let unknown = AmqpError::from(DecodeError::UnknownMethod(60, 1));
    assert_eq!((unknown.class_id, unknown.method_id), (60, 1));
}
