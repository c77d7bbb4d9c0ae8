//! The endpoints over real sockets, with daemons that answer, fail and are gone.

use std::io::{Read, Write};
use std::net::TcpStream;

use axum::routing::get as get_route;

use super::*;
use crate::config::Scalar;
use crate::listen::{HostPort, bind};

/// Starts a server on a free port; `daemon` answers its questions on a thread.
fn serve(daemon: impl Fn(Ask) + Send + 'static) -> Http {
    let listeners = bind("metrics", &[HostPort::parse("127.0.0.1:0").unwrap()]).unwrap();
    let (http, mut questions) = start(listeners).unwrap();
    thread::spawn(move || {
        while let Some(question) = questions.blocking_recv() {
            daemon(question);
        }
    });
    http
}

/// The status line's code, the head and the body of `GET path`.
fn get(http: &Http, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(http.addresses[0]).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
}

fn answer(health: Health) -> impl Fn(Ask) + Send {
    move |ask| match ask {
        Ask::Metrics(to) => drop(to.send(Box::new(|t| t.gauge("up", "Up", 1)))),
        Ask::Health(to) => drop(to.send(health.clone())),
    }
}

#[test]
fn metrics_are_prometheus_text() {
    let http = serve(answer(Health::default()));
    let (status, head, body) = get(&http, "/metrics");
    assert_eq!((status, body.as_str()), (200, "# TYPE up gauge\n# HELP up Up\nup 1\n"));
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert_eq!(get(&http, "/other").0, 404);
}

#[test]
fn a_working_daemon_is_healthy() {
    let http = serve(answer(Health::default()));
    let (status, head, body) = get(&http, "/healthz");
    assert_eq!((status, body.as_str()), (200, "{\"status\":\"ok\"}\n"));
    assert!(head.contains("content-type: application/json"), "{head}");
}

#[test]
fn a_failing_daemon_says_why_as_json() {
    let reason = Reason { name: "memory_alarm", detail: "uses \"2 GiB\"".into() };
    let http = serve(answer(Health { reasons: vec![reason] }));
    let (status, _, body) = get(&http, "/healthz");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 503);
    assert_eq!(
        body,
        serde_json::json!({
            "status": "failing",
            "reasons": [{ "name": "memory_alarm", "detail": "uses \"2 GiB\"" }],
        })
    );
}

#[test]
fn a_stopping_daemon_is_not_healthy() {
    let http = serve(drop);
    let (status, _, body) = get(&http, "/healthz");
    assert_eq!(status, 503);
    assert!(body.contains("\"stopping\""), "{body}");
    assert_eq!(get(&http, "/metrics").0, 503);
}

#[test]
fn dropping_the_handle_frees_the_port() {
    let http = serve(answer(Health::default()));
    let address = http.addresses[0];
    drop(http);
    assert!(TcpStream::connect(address).is_err());
}

/// The answer to `GET /` of a server that is dropped while it waits; `finish` lets it go on.
fn dropped_while_waiting(finish: bool) -> String {
    let (begun, waits) = std::sync::mpsc::channel();
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let going = go.clone();
    let route = get_route(move || {
        begun.send(()).unwrap();
        let going = going.clone();
        async move {
            going.notified().await;
            "whole"
        }
    });
    let listeners = bind("metrics", &[HostPort::parse("127.0.0.1:0").unwrap()]).unwrap();
    let http = super::serve(listeners, Router::new().route("/", route)).unwrap();
    let mut stream = TcpStream::connect(http.addresses[0]).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    waits.recv().unwrap();
    let dropping = thread::spawn(move || drop(http));
    if finish {
        go.notify_one();
    }
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    dropping.join().unwrap();
    answer
}

#[test]
fn what_is_being_answered_arrives_whole_when_the_server_ends() {
    let answer = dropped_while_waiting(true);
    assert!(answer.ends_with("\r\n\r\nwhole"), "{answer}");
}

#[test]
fn an_answer_that_does_not_come_does_not_keep_the_server() {
    assert_eq!(dropped_while_waiting(false), "");
}
