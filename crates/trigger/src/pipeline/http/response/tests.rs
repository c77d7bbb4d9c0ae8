//! A table of what responses mean.

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

/// One word for what becomes of the message.
fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Retry(Reason::Failed, _) => "retry",
        Verdict::Dead(Reason::Rejected, _) => "dead",
        Verdict::Requeue => "requeue",
        Verdict::Drop => "drop",
        other => panic!("{other:?}"),
    }
}

fn judged(status: u16, headers: &[(&'static str, &str)], json: Option<&str>) -> Outcome {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    judge(status, &map, json.map(str::as_bytes), SystemTime::UNIX_EPOCH)
}

#[test]
fn statuses_are_mapped() {
    let table: &[(&[u16], &str)] = &[
        (&[200, 201, 202, 204, 206, 299], "done"),
        (&[101, 300, 301, 302, 303, 304, 307, 308], "dead"),
        (&[400, 401, 403, 404, 405, 409, 413, 415, 418, 422, 451, 499], "dead"),
        (&[408, 410, 425, 429, 500, 501, 502, 503, 504, 507, 599, 600, 999], "retry"),
    ];
    for (statuses, expected) in table {
        for status in *statuses {
            let outcome = judged(*status, &[], None);
            assert_eq!(word(&outcome.verdict), *expected, "{status}");
            assert_eq!(outcome.summary, status.to_string());
        }
    }
}

#[test]
fn the_header_says_otherwise() {
    let table = [
        (500, "ack", "done"),
        (200, "retry", "retry"),
        (404, "retry", "retry"),
        (200, "dead-letter", "dead"),
        (503, "Dead-Letter", "dead"),
        (200, "requeue", "requeue"),
        (200, "nack", "done"),
        (500, "", "retry"),
    ];
    for (status, action, expected) in table {
        let outcome = judged(status, &[(ACTION, action)], Some(r#"{"status":"SUCCESS"}"#));
        assert_eq!(word(&outcome.verdict), expected, "{status} {action}");
    }
    let unknown = judged(200, &[(ACTION, "nack")], None);
    assert_eq!(unknown.summary, "200, unknown X-Trigger-Action \"nack\"");
    assert_eq!(judged(200, &[(ACTION, "requeue")], None).summary, "200, requeue");
}

#[test]
fn json_says_otherwise() {
    let table = [
        (r#"{"status":"SUCCESS"}"#, "done"),
        (r#"{"status":"RETRY"}"#, "retry"),
        (r#"{"status":"DROP"}"#, "drop"),
        (r#"{"status":"retry"}"#, "done"),
        (r#"{"status":"ok"}"#, "done"),
        (r#"{"status":500}"#, "done"),
        (r#"{"error":"bad order","code":422}"#, "dead"),
        (r#"{"error":{"a":[1]},"code":400}"#, "dead"),
        (r#"{"timestamp":1,"error":"aborted","code":500}"#, "retry"),
        (r#"{"error":"slow down","code":429}"#, "retry"),
        (r#"{"error":"gone","code":410}"#, "retry"),
        (r#"{"error":"odd","code":70000}"#, "retry"),
        (r#"{"error":"fine","code":200}"#, "done"),
        (r#"{"error":null,"code":500}"#, "done"),
        (r#"{"error":"no code"}"#, "done"),
        (r#"{"code":500}"#, "done"),
        (r#"[{"status":"RETRY"}]"#, "done"),
        (r#""RETRY""#, "done"),
        (r#"{"status":"RETRY""#, "done"),
        ("", "done"),
    ];
    for (json, expected) in table {
        let outcome = judged(200, &[], Some(json));
        assert_eq!(word(&outcome.verdict), expected, "{json}");
        assert_eq!(outcome.pause, None);
    }
    let outcome = judged(200, &[], Some(r#"{"error":"bad\norder","code":422}"#));
    assert_eq!(outcome.summary, "200 OK, code 422: bad order");
    assert_eq!(judged(200, &[], Some(r#"{"status":"DROP"}"#)).summary, "200, DROP");
}

#[test]
fn some_statuses_pause_the_trigger() {
    let minute = Some(Pause::For(std::time::Duration::from_secs(60)));
    let table = [
        (429, "60", minute),
        (503, "60", minute),
        (503, "Thu, 01 Jan 1970 00:01:00 GMT", minute),
        (503, "nonsense", None),
        (500, "60", None),
        (200, "60", None),
        (301, "60", None),
        (410, "60", Some(Pause::UntilResumed)),
    ];
    for (status, after, expected) in table {
        let outcome = judged(status, &[("retry-after", after)], None);
        assert_eq!(outcome.pause, expected, "{status} {after}");
    }
}

#[test]
fn a_redirect_is_named_without_its_secrets() {
    let outcome = judged(302, &[("location", "https://other/login?token=s3cret#x")], None);
    let text = "302 Found to https://other/login: redirects are not followed";
    assert_eq!(outcome.verdict, Verdict::Dead(Reason::Rejected, text.into()));
}

#[test]
fn only_json_is_looked_into() {
    let table = [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/problem+json", true),
        ("application/vnd.api+json ;a=b", true),
        ("text/json", false),
        ("text/plain", false),
        ("", false),
    ];
    for (kind, expected) in table {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
        assert_eq!(is_json(&headers), expected, "{kind}");
    }
    assert!(!is_json(&HeaderMap::new()));
}

proptest! {
    #[test]
    fn whatever_comes_is_judged(
        status in 100_u16..1000,
        action in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        location in prop::option::of(prop::collection::vec(any::<u8>(), 0..500)),
        json in prop::option::of(prop::collection::vec(any::<u8>(), 0..60)),
    ) {
        let value = |bytes: Vec<u8>| HeaderValue::from_bytes(&bytes).ok();
        let mut headers = HeaderMap::new();
        headers.extend(action.and_then(value).map(|value| (HeaderName::from_static(ACTION), value)));
        headers.extend(location.and_then(value).map(|value| (LOCATION, value)));
        let status = StatusCode::from_u16(status).unwrap();
        let outcome = judge(status, &headers, json.as_deref(), SystemTime::UNIX_EPOCH);
        prop_assert!(outcome.summary.len() < 1000);
        if let Verdict::Retry(_, text) | Verdict::Dead(_, text) = outcome.verdict {
            prop_assert!(text.len() < 1000 && !text.contains(char::is_control));
        }
    }
}
