//! What token endpoints answer.

use super::*;

#[test]
fn lifetimes_come_in_several_forms() {
    let table = [
        ("60", 60),
        ("\"60\"", 60),
        ("0", 0),
        ("null", 3600),
        ("\"soon\"", 3600),
        ("-5", 3600),
        ("18446744073709551615", u64::MAX),
    ];
    for (expires_in, seconds) in table {
        let body = format!(r#"{{"access_token":"t","expires_in":{expires_in}}}"#);
        let (token, lifetime) = understand(StatusCode::OK, body.as_bytes()).unwrap();
        assert_eq!(token, "Bearer t");
        assert_eq!(lifetime, Duration::from_secs(seconds), "{expires_in}");
    }
}

#[test]
fn an_error_is_shown_by_its_word() {
    let body = br#"{"error":"invalid_scope","error_description":"long"}"#;
    let text = understand(StatusCode::BAD_REQUEST, body).unwrap_err();
    assert_eq!(text, "400 Bad Request: invalid_scope");
    let text = understand(StatusCode::BAD_GATEWAY, b"<html>").unwrap_err();
    assert_eq!(text, "502 Bad Gateway");
}

#[test]
fn tokens_are_not_shown() {
    let (token, _) = understand(StatusCode::OK, br#"{"access_token":"t0ken"}"#).unwrap();
    assert!(!format!("{token:?}").contains("t0ken"));
}
