//! What requests say, and what messages cannot make them say.

use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::config::Headers;
use crate::message::Message;
use crate::payload::{Metadata, Rendered};

fn common(url: &str, fixed: &[(&str, &str)]) -> Result<Common, SetupError> {
    let fixed = fixed.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let config = HttpConfig { static_headers: Headers(fixed), ..HttpConfig::default() };
    Common::new(&config, &url.parse().unwrap(), "orders", "q1")
}

fn run(headers: &[(&'static str, &'static str)]) -> Run {
    let of = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let headers = headers.iter().map(of).collect();
    Run {
        message: Rc::new(Message { redelivered: true, ..Message::default() }),
        rendered: Rendered { headers, ..Rendered::default() },
        metadata: Metadata { attempt: 3, execution_id: "e-1".into(), deadline_ms: 17 },
        timeout: Duration::from_secs(1),
    }
}

#[test]
fn a_run_is_told_about_itself() {
    let headers = common("http://h/", &[]).unwrap().of(&run(&[("content-type", "a/b")]));
    let expected = [
        ("host", "h"),
        ("user-agent", concat!("leveret/", env!("CARGO_PKG_VERSION"))),
        ("content-type", "a/b"),
        ("x-trigger-name", "orders"),
        ("x-trigger-queue", "q1"),
        ("x-trigger-attempt", "3"),
        ("x-trigger-redelivered", "true"),
        ("x-trigger-execution-id", "e-1"),
        ("x-trigger-deadline-ms", "17"),
    ];
    assert_eq!(headers.len(), expected.len());
    for (name, value) in expected {
        assert_eq!(headers[name], value, "{name}");
    }
}

#[test]
fn a_message_cannot_replace_what_the_trigger_says() {
    let mut common = common("http://h/", &[("X-Key", "ours"), ("X-Many", "1"), ("X-Many", "2")]);
    common.as_mut().unwrap().authorize(HeaderValue::from_static("Basic eDp5"));
    let theirs = [
        ("authorization", "Bearer theirs"),
        ("host", "theirs"),
        ("x-key", "theirs"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("cookie", "a=b"),
        ("webhook-id", "theirs"),
        ("webhook-signature", "v1,theirs"),
        ("x-trigger-attempt", "99"),
        ("x-trigger-queue", "theirs"),
        ("user-agent", "theirs"),
        ("x-other", "passed"),
    ];
    let headers = common.unwrap().of(&run(&theirs));
    assert!(headers.values().all(|value| !value.to_str().unwrap().contains("theirs")));
    for name in ["content-length", "transfer-encoding", "connection", "cookie", "webhook-id"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(headers["x-trigger-attempt"], "3");
    assert_eq!(headers["x-other"], "passed");
    assert_eq!(headers.get_all("x-many").iter().count(), 2);
}

#[test]
fn the_host_has_its_port_unless_it_is_the_schemes() {
    let table = [
        ("http://h/", "h"),
        ("http://h:80/", "h"),
        ("http://h:443/", "h:443"),
        ("https://h:443/", "h"),
        ("https://[::1]:8443/", "[::1]:8443"),
    ];
    for (url, expected) in table {
        assert_eq!(common(url, &[]).unwrap().of(&run(&[]))["host"], expected, "{url}");
    }
    let headers = common("http://h/", &[("Host", "virtual")]).unwrap().of(&run(&[]));
    assert_eq!(headers["host"], "virtual");
}

#[test]
fn static_headers_that_break_requests_are_refused() {
    for name in ["Content-Length", "Transfer-Encoding", "Connection", "Webhook-Id"] {
        let refused = common("http://h/", &[(name, "1")]).unwrap_err();
        assert_eq!(refused, SetupError::ReservedHeader(name.into()));
    }
    for (name, value) in [("a b", "1"), ("", "1"), ("X-A", "1\r\nX-B: 2")] {
        assert_eq!(
            common("http://h/", &[(name, value)]).unwrap_err(),
            SetupError::Header(name.into())
        );
    }
}

#[test]
fn odd_names_are_shown_as_headers_can_hold_them() {
    let config = HttpConfig::default();
    let url = "http://h/".parse().unwrap();
    let common = Common::new(&config, &url, "caf\u{e9}", "my queue\r\nx: y").unwrap();
    let headers = common.of(&run(&[]));
    assert_eq!(headers["x-trigger-name"], "caf%C3%A9");
    assert_eq!(headers["x-trigger-queue"], "my%20queue%0D%0Ax:%20y");
}
