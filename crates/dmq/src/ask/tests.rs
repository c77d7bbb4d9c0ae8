//! Questions become the requests that the API takes, and answers what a shell can tell apart.

use super::*;

fn node() -> NodeUri {
    "sip:10.0.0.1;transport=tcp".parse().unwrap()
}

/// The request of a question, whose body as JSON where it is JSON.
fn request(ask: &Ask, body: &[u8]) -> (String, String) {
    let (method, path, body) = ask.request(body.to_vec());
    let body = match serde_json::from_slice::<Json>(&body) {
        Ok(json) => json.to_string(),
        Err(_) => String::from_utf8(body).unwrap(),
    };
    (format!("{method} {path}"), body)
}

#[test]
fn questions_are_requests_to_the_api() {
    let peer = || "events".to_owned();
    let cell = || ("my table".to_owned(), "a/b?".to_owned());
    let set = |value, expire_s| {
        let (table, key) = cell();
        Ask::SetCell(TableSet { table, key, value, expire_s })
    };
    for (ask, path, sent) in [
        (Ask::Nodes, "GET /api/dmq/nodes", ""),
        (Ask::Remove(node()), "DELETE /api/dmq/nodes/sip%3A10.0.0.1%3A5060%3Btransport%3Dtcp", ""),
        (Ask::IsFromNode([10, 0, 0, 1].into()), "GET /api/dmq/is-from-node?source=10.0.0.1", ""),
        (
            Ask::Bcast { peer: peer(), content_type: None },
            "POST /api/dmq/bcast",
            r#"{"body":"hello","peer":"events"}"#,
        ),
        (
            Ask::Send { peer: peer(), node: node(), content_type: Some("a/b".into()) },
            "POST /api/dmq/send",
            r#"{"body":"hello","content_type":"a/b","node":"sip:10.0.0.1:5060;transport=tcp","peer":"events"}"#,
        ),
        (
            Ask::Replicate { source: None, skip_loop_test: false },
            "POST /api/dmq/replicate",
            "hello",
        ),
        (
            Ask::Replicate { source: Some("::1".parse().unwrap()), skip_loop_test: true },
            "POST /api/dmq/replicate?source=%3A%3A1&skip_loop_test=1",
            "hello",
        ),
        (
            Ask::Handle { source: "10.0.0.1:5060".parse().unwrap(), goes_on: true },
            "POST /api/dmq/handle?source=10.0.0.1%3A5060&continue=1",
            "hello",
        ),
        (Ask::Tables, "GET /api/dmq/htable", ""),
        (Ask::Cells(cell().0), "GET /api/dmq/htable/my%20table", ""),
        (Ask::Cell(cell().0, cell().1), "GET /api/dmq/htable/my%20table/a%2Fb%3F", ""),
        (
            set(Value::Int(-5), Some(60)),
            "PUT /api/dmq/htable/my%20table/a%2Fb%3F",
            r#"{"expire_s":60,"value":-5}"#,
        ),
        (
            set(Value::Text("5".into()), None),
            "PUT /api/dmq/htable/my%20table/a%2Fb%3F",
            r#"{"expire_s":null,"value":"5"}"#,
        ),
        (Ask::DeleteCell(cell().0, cell().1), "DELETE /api/dmq/htable/my%20table/a%2Fb%3F", ""),
        (Ask::Sync(None), "POST /api/dmq/htable/sync", ""),
        (
            Ask::Sync(Some(node())),
            "POST /api/dmq/htable/sync?node=sip%3A10.0.0.1%3A5060%3Btransport%3Dtcp",
            "",
        ),
    ] {
        assert_eq!(request(&ask, b"hello"), (path.to_owned(), sent.to_owned()));
    }
}

#[test]
fn a_body_that_is_no_text_goes_as_base64() {
    let ask = Ask::Bcast { peer: "p".into(), content_type: None };
    assert_eq!(request(&ask, b"\xff\x00").1, r#"{"body_base64":"/wA=","peer":"p"}"#);
    assert_eq!(request(&ask, b"").1, r#"{"body":"","peer":"p"}"#);
}

#[test]
fn an_answer_is_yes_when_every_node_took_it() {
    for (answer, expected) in [
        (json!({ "outcomes": [{}, {}], "taken": 2 }), true),
        (json!({ "outcomes": [{}, {}], "taken": 1 }), false),
        (json!({ "outcomes": [], "taken": 0 }), true),
        (json!({ "is_from_node": true }), true),
        (json!({ "is_from_node": false }), false),
        (json!({ "code": 200, "body": "" }), true),
        (json!({ "code": 404, "body": "" }), false),
        (json!([]), true),
        (json!({ "value": 0 }), true),
    ] {
        assert_eq!(is_yes(&answer), expected, "{answer}");
    }
}

#[test]
fn nodes_are_a_table_for_people() {
    let nodes = json!([
        { "uri": "sip:10.0.0.3:5060", "status": "active", "local": 1, "last_seen_ms": null,
          "round_trip_us": null, "fail_count": 0, "queued": 0, "agent": "" },
        { "uri": "sip:10.0.0.1:5060", "status": "not_active", "local": 0, "last_seen_ms": 95_000,
          "round_trip_us": 1234, "fail_count": 2, "queued": 7, "agent": "kamailio\u{1b}[2J (5.6.3)" },
        { "uri": "sip:10.0.0.2:5060", "status": "pending", "local": 0, "last_seen_ms": null,
          "round_trip_us": null, "fail_count": 0, "queued": 0, "agent": "" },
    ]);
    let expected = "\
NODE               STATUS      LAST SEEN  ROUND TRIP (MS)  FAILED  QUEUED  AGENT
sip:10.0.0.3:5060  active      self       -                0       0
sip:10.0.0.1:5060  not_active  5 s ago    1.234            2       7       kamailio?[2J (5.6.3)
sip:10.0.0.2:5060  pending     never      -                0       0
";
    assert_eq!(table(&nodes, 100_000), expected);
}
