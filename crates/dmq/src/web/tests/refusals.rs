//! Requests that are wrong, too large, or come from other web sites: each is refused with JSON that
//! says what to do, and the node is asked nothing.

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn what_is_wrong_with_a_message_is_named() {
    let world = World::new();
    let expected = r#"expected a body such as {"peer": "events", "body": "text"}: "#;
    for (body, error) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{", "EOF while parsing an object"),
        ("[]", "invalid length 0"),
        ("\"x\"", "invalid type: string \"x\""),
        (r#"{"body":"x"}"#, "missing field `peer`"),
        (r#"{"peer":5,"body":"x"}"#, "invalid type: integer `5`, expected a string"),
        (r#"{"peer":"events","bdy":"x"}"#, "unknown field `bdy`, expected one of `peer`, `node`"),
        (r#"{"peer":"events","body":"x","body":"y"}"#, "duplicate field `body`"),
        (r#"{"peer":"events","body":"x"} y"#, "trailing characters"),
        ("\u{feff}{}", "expected value"),
    ] {
        let (status, refused) = world.post("/api/dmq/bcast", body).await.refused();
        assert_eq!(status, 400, "{body}: {refused}");
        assert!(refused.starts_with(&format!("{expected}{error}")), "{body}: {refused}");
    }
    for (path, body, error) in [
        ("bcast", r#"{"peer":"events"}"#, "body is missing: a text, or bytes as body_base64"),
        (
            "bcast",
            r#"{"peer":"events","body":"","body_base64":""}"#,
            "body and body_base64 are both there: leave one out",
        ),
        ("bcast", r#"{"peer":"events","body_base64":"*"}"#, "body_base64: Invalid symbol 42"),
        (
            "bcast",
            r#"{"peer":"events","node":"sip:a","body":""}"#,
            "node: a broadcast goes to all active nodes; /api/dmq/send sends to one",
        ),
        (
            "send",
            r#"{"peer":"events","body":""}"#,
            "node is missing: the URI of one node; /api/dmq/bcast sends to all",
        ),
        (
            "send",
            r#"{"peer":"events","node":"10.0.0.1","body":""}"#,
            "node: expected a node such as sip:10.0.0.1:5060, but of \"10.0.0.1\": it does not \
             start with sip:",
        ),
        (
            "send",
            r#"{"peer":"events","node":"sip:a:99999","body":""}"#,
            "node: expected a node such as sip:10.0.0.1:5060, but of \"sip:a:99999\": its port",
        ),
    ] {
        let (status, refused) = world.post(&format!("/api/dmq/{path}"), body).await.refused();
        assert_eq!(status, 400, "{body}: {refused}");
        assert!(refused.starts_with(error), "{body}: {refused}");
    }
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn what_the_node_refuses_has_a_status() {
    let world = World::new();
    for (error, status) in [
        (SendError::UnknownNode(uri("sip:10.0.0.9")), 404),
        (SendError::Ourselves(uri("sip:10.0.0.3")), 400),
        (SendError::BadPeer("a b".into()), 400),
        (SendError::BadContentType("a\r\nb".into()), 400),
        (SendError::TooLarge { bytes: 70_000, bytes_max: 60_000 }, 413),
    ] {
        world.script().sent = Err(error.clone());
        let body = r#"{"peer":"events","node":"sip:10.0.0.9","body":"hi"}"#;
        let refused = world.post("/api/dmq/send", body).await.refused();
        assert_eq!(refused, (status, error.to_string()));
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_named() {
    let world = World::new();
    let an_ip = "an IP address such as 10.0.0.1";
    let a_socket = "an address and a port such as 10.0.0.1:5060";
    for (method, path, error) in [
        ("GET", "is-from-node", format!("the parameter source is missing: it is {an_ip}")),
        ("GET", "is-from-node?source=", format!("source: expected {an_ip}, got \"\"")),
        ("GET", "is-from-node?source=kam", format!("source: expected {an_ip}, got \"kam\"")),
        (
            "GET",
            "is-from-node?source=10.0.0.1:5060",
            format!("source: expected {an_ip}, got \"10.0.0.1:5060\""),
        ),
        (
            "GET",
            "is-from-node?sorce=10.0.0.1",
            "unknown parameter \"sorce\"; known here: source".into(),
        ),
        (
            "GET",
            "is-from-node?source=10.0.0.1&source=10.0.0.2",
            "the parameter source is there twice".into(),
        ),
        ("POST", "handle", format!("the parameter source is missing: it is {a_socket}")),
        ("POST", "handle?source=10.0.0.1", format!("source: expected {a_socket}, got")),
        (
            "POST",
            "handle?source=10.0.0.1:1&continue=yes",
            "continue: expected 1 or 0, got \"yes\"".into(),
        ),
        ("POST", "replicate?source=x", format!("source: expected {an_ip}, got \"x\"")),
        (
            "POST",
            "replicate?skip=1",
            "unknown parameter \"skip\"; known here: source, skip_loop_test".into(),
        ),
        ("GET", "messages?per=x", "unknown parameter \"per\"; known here: peer".into()),
        (
            "DELETE",
            "nodes/10.0.0.1",
            "the path: expected a node such as sip:10.0.0.1:5060, but of".into(),
        ),
        ("POST", "htable/sync?node=x", "node: expected a node such as".into()),
    ] {
        let (status, refused) = world.ask(method, &format!("/api/dmq/{path}"), "").await.refused();
        assert_eq!(status, 400, "{path}: {refused}");
        assert!(refused.starts_with(&error), "{path}: {refused}");
    }
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_cell_is_named() {
    let world = World::new();
    let expected = "expected a body such as {\"value\": \"text\", \"expire_s\": 60}: ";
    let value = "value: expected a text or a whole number of 64 bits, got ";
    for (body, error) in [
        ("", format!("{expected}EOF")),
        ("{}", format!("{expected}missing field `value`")),
        (r#"{"value":1,"expire":5}"#, format!("{expected}unknown field `expire`")),
        (r#"{"value":1,"expire_s":0}"#, format!("{expected}invalid value: integer `0`")),
        (r#"{"value":1,"expire_s":-1}"#, format!("{expected}invalid value: integer `-1`")),
        (r#"{"value":1,"expire_s":4294967296}"#, format!("{expected}invalid value")),
        (r#"{"value":1.5}"#, format!("{value}1.5")),
        (r#"{"value":9223372036854775808}"#, format!("{value}9223372036854775808")),
        (r#"{"value":null}"#, format!("{value}null")),
        (r#"{"value":[1]}"#, format!("{value}[1]")),
    ] {
        let (status, refused) = world.ask("PUT", "/api/dmq/htable/t/k", body).await.refused();
        assert_eq!(status, 400, "{body}: {refused}");
        assert!(refused.starts_with(&error), "{body}: {refused}");
    }
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let world = World::new();
    let large = vec![b' '; request::BODY_BYTES_MAX + 1];
    for (method, path) in [
        ("POST", "bcast"),
        ("POST", "send"),
        ("POST", "replicate"),
        ("POST", "handle?source=10.0.0.1:5060"),
        ("PUT", "htable/t/k"),
    ] {
        let reply = world.ask(method, &format!("/api/dmq/{path}"), large.clone()).await;
        let error = "the request's body has more than 1048576 bytes";
        assert_eq!(reply.refused(), (413, error.into()), "{path}");
    }
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let world = World::new();
    for path in ["/nothing", "/api", "/api/dmq", "/api/dmq/htable/t/k/x", "/api/dmq/nodes/a/b"] {
        let refused = world.get(path).await.refused();
        assert_eq!(refused, (404, "no such page; / shows what there is".into()), "{path}");
    }
    for (method, path, allow) in [
        ("GET", "/api/dmq/bcast", "POST"),
        ("GET", "/api/dmq/nodes/x", "DELETE"),
        ("POST", "/api/dmq/nodes", "GET,HEAD"),
        ("POST", "/api/dmq/htable/t/k", "GET,HEAD,PUT,DELETE"),
    ] {
        let reply = world.ask(method, path, "").await;
        assert_eq!((reply.refused().0, reply.header("allow")), (405, allow), "{path}");
    }
}

#[tokio::test]
async fn other_web_sites_change_nothing() {
    let world = World::new();
    for (method, path) in [
        ("POST", "/api/dmq/bcast"),
        ("POST", "/api/dmq/send"),
        ("POST", "/api/dmq/replicate"),
        ("POST", "/api/dmq/handle?source=10.0.0.1:5060"),
        ("POST", "/api/dmq/htable/sync"),
        ("PUT", "/api/dmq/htable/t/k"),
        ("DELETE", "/api/dmq/htable/t/k"),
        ("DELETE", "/api/dmq/nodes/sip:10.0.0.1"),
    ] {
        for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
            let mut request = request(method, path, Bytes::new());
            request.headers_mut().insert(name, value.parse().unwrap());
            let expected = (403, "a page of another web site asks for this change".into());
            assert_eq!(world.send(request).await.refused(), expected, "{path} {name}");
        }
    }
    assert!(world.asked().is_empty());
}

/// Requests of anybody, and what may become of them: never silence, never something else than JSON.
#[test]
fn nothing_that_is_asked_upsets_the_server() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(async { World::new() });
    let paths = prop::sample::select(vec![
        "bcast",
        "send",
        "replicate",
        "handle",
        "is-from-node",
        "htable/sync",
        "htable/{}/{}",
        "htable/{}",
        "nodes/{}",
        "{}",
    ]);
    let methods = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH"]);
    let names = "[ -~é\\x00]{0,12}";
    let queries = "(source=|continue=|node=|[a-z]{1,5}=?)[ -~]{0,12}";
    let fields = r#"\{("(peer|body|node|value|expire_s|body_base64)":("[a-z=]{0,4}"|[0-9]{1,3}|null|\[\]),?){0,3}\}"#;
    let bodies = prop_oneof![fields.prop_map(String::into_bytes), any::<Vec<u8>>()];
    let strategy = (methods, paths, names, queries, bodies);
    proptest!(|((method, path, name, query, body) in strategy)| {
        let name = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let query = query.replace("%3D", "=");
        let path = format!("/api/dmq/{}?{query}", path.replace("{}", &name.to_string()));
        let reply = runtime.block_on(world.ask(method, &path, body));
        prop_assert!([200, 400, 404, 405].contains(&reply.status), "{path} {}", reply.text);
        prop_assert!(reply.json().is_object(), "{path} {}", reply.text);
    });
}
