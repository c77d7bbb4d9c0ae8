//! The client against a node's web server, and against others that are none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::web::tests::{received, served};

/// A server that answers one request with these bytes and goes.
fn answering(bytes: &'static [u8]) -> Remote {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = Remote::new(&listener.local_addr().unwrap().to_string()).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(bytes).unwrap();
    });
    remote
}

#[test]
fn functions_are_called_and_refusals_are_errors() {
    let (web, script) = served();
    let remote = Remote::new(&format!("http://{}/", web.addresses[0])).unwrap();
    let nodes = remote.call(Method::GET, &path(&["nodes"], &[]), "").unwrap();
    assert_eq!(nodes[0]["uri"], "sip:10.0.0.3:5060");
    let sending = r#"{"peer":"events","body":"hi"}"#;
    let sent = remote.call(Method::POST, &path(&["bcast"], &[]), sending).unwrap();
    assert_eq!(sent["taken"], 1);

    let removing = path(&["nodes", "sip:10.0.0.1;transport=tcp"], &[]);
    assert_eq!(
        remote.call(Method::DELETE, &removing, "").unwrap()["removed"],
        "sip:10.0.0.1:5060;transport=tcp"
    );
    script.lock().unwrap().yes = false;
    let error = remote.call(Method::DELETE, &removing, "").unwrap_err();
    assert!(matches!(error, RemoteError::Refused { status: 404, .. }), "{error:?}");
    assert!(error.to_string().starts_with("sip:10.0.0.1:5060;transport=tcp is no other node"));
    let error = remote.call(Method::GET, "/metrics", "").unwrap_err();
    assert!(matches!(error, RemoteError::Foreign { status: 200, .. }), "{error:?}");
}

#[test]
fn paths_carry_any_name() {
    for (segments, query, expected) in [
        (&["nodes"][..], &[][..], "/api/dmq/nodes"),
        (
            &["nodes", "sip:[::1]:5060;transport=tls"],
            &[],
            "/api/dmq/nodes/sip%3A%5B%3A%3A1%5D%3A5060%3Btransport%3Dtls",
        ),
        (&["htable", "a/b", "ä %?#"], &[], "/api/dmq/htable/a%2Fb/%C3%A4%20%25%3F%23"),
        (&["messages"], &[("peer", "a&b=c +")], "/api/dmq/messages?peer=a%26b%3Dc+%2B"),
        (
            &["handle"],
            &[("source", "[::1]:5060"), ("continue", "1")],
            "/api/dmq/handle?source=%5B%3A%3A1%5D%3A5060&continue=1",
        ),
    ] {
        assert_eq!(path(segments, query), expected);
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for url in
        ["", "http://", "https://127.0.0.1:1", "ftp://x", "a b", "http://x/?y", "://", "x:99999"]
    {
        let error = Remote::new(url).unwrap_err().to_string();
        let expected = format!(
            "{url:?} is no address of a node's API; one is such as http://127.0.0.1:15694 (--api)"
        );
        assert_eq!(error, expected);
    }
    for url in [API, "localhost:1", "[::1]:1", "http://proxy/node-a/"] {
        Remote::new(url).unwrap();
    }
}

#[test]
fn a_node_that_does_not_run_is_named_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let remote = Remote::new(&address.to_string()).unwrap();
    let error = remote.call(Method::GET, "/", "").unwrap_err().to_string();
    assert!(error.starts_with(&format!("no node answers at http://{address}: ")), "{error}");
    assert!(error.contains("Connection refused"), "{error}");
    assert!(error.contains("name its address with --api"), "{error}");
    assert!(matches!(remote.messages(None), Err(RemoteError::Unreachable { .. })));
}

#[test]
fn answers_of_others_are_recognised() {
    for (answer, expected) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"[..],
            "answered 200 with something that",
        ),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "answered 404 with something"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "ended too early"),
        (b"SIP/2.0 400 Bad Request\r\n\r\n", "ended too early"),
        (b"", "ended too early"),
    ] {
        let error = answering(answer).call(Method::GET, "/", "").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi";
    let error = answering(page).messages(None).unwrap_err();
    assert!(matches!(error, RemoteError::Foreign { status: 200, .. }), "{error:?}");
}

#[test]
fn messages_are_streamed_until_the_node_stops() {
    let (web, script) = served();
    let remote = Remote::new(&web.addresses[0].to_string()).unwrap();
    let mut messages = remote.messages(Some("events")).unwrap();
    assert_eq!(script.lock().unwrap().asked, ["Some(\"events\")"]);
    {
        let mut script = script.lock().unwrap();
        let listener = script.listeners.pop().unwrap();
        listener.missed.fetch_add(7, std::sync::atomic::Ordering::Relaxed);
        let large = vec![1; 64 << 10];
        for body in [b"one", &large[..]] {
            listener.to.try_send(Arc::new(received(body))).unwrap();
        }
    }
    assert_eq!(messages.next().unwrap().unwrap(), Event::Missed(7));
    let mut body = || {
        let Some(Ok(Event::Message(line))) = messages.next() else { panic!("no message") };
        let message: Value = serde_json::from_str(&line).unwrap();
        message["body"].clone()
    };
    assert_eq!(body(), "one");
    assert_eq!(body(), json!("\u{1}".repeat(64 << 10)));
    assert!(messages.next().is_none());
}

#[test]
fn a_stream_that_breaks_or_is_refused_is_an_error() {
    let (web, script) = served();
    script.lock().unwrap().subscribed = Err(crate::desk::SubscribeError::BadPeer("a b".into()));
    let remote = Remote::new(&web.addresses[0].to_string()).unwrap();
    let error = remote.messages(Some("a b")).unwrap_err().to_string();
    assert_eq!(error, "no such name can be a peer's: \"a b\"");

    let remote = answering(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
          19\r\nevent: message\ndata: {}\n\n\r\n5\r\nevent\r\n",
    );
    let mut messages = remote.messages(None).unwrap();
    assert_eq!(messages.next().unwrap().unwrap(), Event::Message("{}".into()));
    let error = messages.next().unwrap().unwrap_err();
    assert!(matches!(error, RemoteError::Broken { .. }), "{error:?}");
}

/// All events of bytes that come in pieces of this size.
fn events(bytes: &[u8], size: usize) -> Vec<Result<Event, String>> {
    let mut events = Events::default();
    let mut all = Vec::new();
    for piece in bytes.chunks(size) {
        events.push(piece);
        while let Some(event) = events.next() {
            let wrong = event.is_err();
            all.push(event);
            if wrong {
                return all;
            }
        }
    }
    all
}

#[test]
fn events_are_read_however_they_are_cut() {
    let stream = ":\n\nevent: message\ndata: {\"a\": \"ä:b\"}\n\nevent:other\ndata: x\n\ndata: y\n\n\
                  event: missed\r\ndata:{\"missed\":3}\r\nid: 5\r\n\r\nevent: message\ndata: z";
    let expected = [Ok(Event::Message("{\"a\": \"ä:b\"}".into())), Ok(Event::Missed(3))];
    for size in 1..stream.len() {
        assert_eq!(events(stream.as_bytes(), size), expected, "{size}");
    }
}

#[test]
fn a_stream_cannot_grow_or_stop_the_client() {
    let endless = vec![b'x'; LINE_MAX + 2];
    assert_eq!(events(&endless, 64 << 10), [Err(format!("a line has more than {LINE_MAX} bytes"))]);
    let odd = b"event: missed\ndata: many\n\n";
    assert_eq!(events(odd, 99), [Err("no count of missed messages: \"many\"".into())]);
    assert_eq!(events(b"\xff\xfe\n\n:\n\n\n\n", 99), []);
}

const LINE_MAX: usize = events::LINE_BYTES_MAX;
