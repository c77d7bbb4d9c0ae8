//! Requests that are wrong, too large or malicious, and names that want to be markup.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

#[test]
fn what_is_wrong_with_a_request_is_named() {
    let world = World::with(1);
    let key = "expected a key such as 1795338487006-42, as the list of messages has it, got";
    for (path, error) in [
        ("/api/messages/x", key),
        ("/api/messages/1-", key),
        ("/api/messages/+1-2", key),
        ("/api/messages/01-2", key),
        ("/api/messages/1-2-3", key),
        ("/api/messages/1-99999999999999999999", key),
        ("/api/messages/1-2?body=html", "body: expected raw or base64"),
        ("/api/messages/1-2?full", "unknown parameter \"full\"; known here: body"),
        ("/api/messages?after=5", "after: expected a key such as"),
        ("/api/messages?until=soon", "until: expected a time such as 2026-11-22T09:08:07Z,"),
        ("/api/messages?until=%ff", "until: not UTF-8"),
        ("/api/messages?until=%f", "the value of until is not percent-encoded: \"%f\""),
        ("/api/messages?until=9223372036854775808", "until: \"9223372036854775808\" is later than"),
        ("/api/messages?limit=0", "limit: expected a number from 1 to 1000, got \"0\""),
        ("/api/messages?limit=1001", "limit: expected a number from 1 to 1000"),
        ("/api/messages?limit=-1", "limit: expected a number"),
        ("/api/messages?limit=5&limit=6", "the parameter limit is there twice"),
        ("/api/messages?mesage_id=x", "unknown parameter \"mesage_id\"; known here: after,"),
        ("/api/messages?message_id=", "message_id: messages without one cannot be looked up"),
        ("/api/messages?message_id=x&until=5", "message_id goes with limit only"),
        ("/api/histogram?step=90s", "step: expected whole minutes such as 15m or 1h, got \"90s\""),
        ("/api/histogram?step=0m", "step: expected whole minutes"),
        ("/api/histogram?step=hour", "step: expected a duration such as 90s"),
        (
            "/api/histogram?from=5000000&until=60000",
            "until (1970-01-01T00:01:00.000Z) is not after",
        ),
        ("/api/histogram?from=0&until=600060000&step=1m", "step: 10001 bars are more than 10000;"),
        ("/api/histogram?from=0&until=9223372036854775807&step=1m", "step: "),
    ] {
        let (status, refused) = world.get(path).refused();
        assert_eq!(status, 400, "{path}: {refused}");
        assert!(refused.starts_with(error), "{path}: {refused}");
    }
    for (path, error) in [
        ("/api/messages", "message_id is missing: /api/messages/KEY changes one message"),
        ("/api/messages?message_id=", "message_id: messages without one"),
        ("/api/messages?limit=5", "unknown parameter \"limit\"; known here: message_id"),
        ("/api/messages/nonsense", key),
    ] {
        let (status, refused) = world.send("DELETE", path, &[], "").refused();
        assert_eq!(status, 400, "{path}: {refused}");
        assert!(refused.starts_with(error), "{path}: {refused}");
    }
    assert_eq!(world.keys().len(), 1);
}

#[test]
fn what_is_wrong_with_a_body_is_named() {
    let world = World::with(1);
    let path = format!("/api/messages/{}/reschedule", world.keys()[0]);
    let expected = "expected a body such as {\"due\": \"2026-11-22T09:08:07Z\"}";
    for (body, error) in [
        ("", expected),
        ("{", expected),
        ("[]", expected),
        ("{}", expected),
        ("{\"due\": null}", expected),
        ("{\"due\": -1}", expected),
        ("{\"due\": 1.5}", expected),
        ("{\"due\": \"+90s\", \"dew\": 1}", expected),
        ("{\"due\": \"soon\"}", "due: expected a time such as"),
        ("{\"due\": \"+90\"}", "due: expected a duration such as 90s"),
        ("{\"due\": \"1969-01-01T00:00:00Z\"}", "due: \"1969-01-01T00:00:00Z\" is before 1970"),
        ("{\"due\": 9223372036854775808}", "due: \"9223372036854775808\" is later than"),
    ] {
        let (status, refused) = world.post(&path, body).refused();
        assert_eq!(status, 400, "{body}: {refused}");
        assert!(refused.starts_with(error), "{body}: {refused}");
    }
    let (status, refused) = world.post(&path, &" ".repeat(65 << 10)).refused();
    assert_eq!(status, 413, "{refused}");
    let cancel = path.replace("/api/", "/").replace("reschedule", "cancel");
    assert_eq!(world.post(&cancel, &" ".repeat(65 << 10)).status, 413);
}

#[test]
fn unknown_pages_and_methods_are_refused() {
    let world = World::with(1);
    for path in ["/nothing", "/api", "/api/messages/", "/messages/1-1", "/api/messages/1-1/hold"] {
        assert_eq!(world.get(path).refused().0, 404, "{path}");
    }
    for (method, path, allowed) in [
        ("POST", "/", "get,head"),
        ("DELETE", "/metrics", "get,head"),
        ("PUT", "/api/messages", "get,head,delete"),
        ("GET", "/api/messages/1-1/release", "post"),
        ("POST", "/api/messages/1-1", "get,head,delete"),
        ("GET", "/messages/1-1/cancel", "post"),
    ] {
        let reply = world.send(method, path, &[], "");
        assert_eq!(reply.refused().0, 405, "{method} {path}");
        assert!(reply.head.contains(&format!("allow: {allowed}")), "{path}: {}", reply.head);
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let world = World::new();
    let reply = world.get(&format!("/api/messages?message_id={}", "x".repeat(20_000)));
    assert_eq!(reply.refused().0, 431);
    let cookie = "x".repeat(20_000);
    assert_eq!(world.send("GET", "/", &[("Cookie", &cookie)], "").refused().0, 431);
}

#[test]
fn names_are_never_markup() {
    const NAME: &str = "\"'><script>alert(1)</script>&amp;";
    let world = World::new();
    let properties = PropertiesBuf { message_id: Some(NAME.into()), ..PropertiesBuf::default() };
    let key = world.hold_message(
        1,
        1,
        Message {
            exchange: NAME.into(),
            routing_key: b"<b>\xff\x1b".to_vec(),
            properties: properties.encode(),
            body: vec![],
        },
    );
    {
        let status = &mut world.engine().status;
        for text in [&mut status.name, &mut status.queue, &mut status.exchange, &mut status.storage]
        {
            *text = NAME.into();
        }
        status.connected = Some(NAME.into());
        status.last_error = Some((NOW_MS, NAME.into()));
    }
    let cancel = format!("/messages/{key}/cancel");
    let full = |world: &World| world.engine().status.full = Some(NAME.into());
    let blocked = |world: &World| world.engine().status.blocked = Some(NAME.into());
    for page in [
        world.get("/"),
        world.get("/?did=%3Cscript%3E"),
        world.post(&cancel, ""),
        {
            full(&world);
            blocked(&world);
            world.get("/")
        },
        {
            world.engine().away = Some(NAME.into());
            world.get("/")
        },
        world.post(&cancel, "sure=yes"),
    ] {
        let page_text = page.text();
        assert!(!page_text.contains("<script") && !page_text.contains("<b>"), "{page_text}");
        assert!(!page_text.contains(['\u{1b}', '\0']));
        assert!(
            page_text.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;"),
            "{page_text}"
        );
        assert!(page.head.contains("content-security-policy: default-src 'none';"));
        assert!(page.head.contains("x-frame-options: deny"));
    }
    let metrics = World::new();
    metrics.engine().status.queue = "a\"b\\c\nd".into();
    assert!(metrics.get("/metrics").text().contains("queue=\"a\\\"b\\\\c\\nd\""));
}

#[test]
fn no_query_breaks_the_server() {
    let world = World::with(3);
    let mut runner = TestRunner::new(Config { cases: 300, ..Config::default() });
    let path = prop_oneof![
        Just("/"),
        Just("/api/status"),
        Just("/api/messages"),
        Just("/api/messages/1-1"),
        Just("/api/histogram"),
    ];
    let name = prop_oneof!["after|until|limit|message_id|body|from|step", "[!-~&&[^#]]{0,8}",];
    let value = prop_oneof![
        "[!-~&&[^#]]{0,24}",
        "[+-]?[0-9]{0,21}(-[0-9]{0,21})?[smhdZ]{0,2}",
        "%[0-9a-f]{2}(%[0-9a-g]{2}){0,8}",
    ];
    let query = proptest::collection::vec((name, value), 0..4);
    let checked = runner.run(&(path, query), |(path, query)| {
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let reply = world.get(&format!("{path}?{}", query.join("&")));
        prop_assert!(matches!(reply.status, 200 | 400 | 404), "{} {path} {query:?}", reply.status);
        Ok(())
    });
    checked.unwrap();
    assert_eq!(world.get("/api/status").status, 200);
}

#[test]
fn no_request_breaks_the_server() {
    let world = World::with(1);
    let mut runner = TestRunner::new(Config { cases: 100, ..Config::default() });
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    let checked = runner.run(&bytes, |bytes| {
        let mut stream = TcpStream::connect(world.web.addresses[0]).unwrap();
        // The server may have closed the connection already.
        let _ = stream.write_all(b"GET /api/messages?");
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        Ok(())
    });
    checked.unwrap();
    assert_eq!(world.get("/api/status").status, 200);
}
