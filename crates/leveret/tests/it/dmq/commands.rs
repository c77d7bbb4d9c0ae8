//! The command line, which talks to a running node.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::node::{Manner, Node};
use super::process::Dmq;

/// What a command that succeeds prints.
#[track_caller]
fn run(ours: &Dmq, words: &[&str]) -> String {
    let output = ours.run(words);
    let erred = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {} {erred}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(ours: &Dmq, words: &[&str]) -> Value {
    let said = run(ours, words);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn nodes_are_listed_like_kamcmd_does() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other]).start();
    ours.expect_active(&[&other]);
    let list = json(&ours, &["list-nodes"]);
    let row = list.as_array().unwrap().iter().find(|row| row["local"] == 0).unwrap();
    assert_eq!(row["host"], other.ip().to_string());
    assert_eq!(row["port"], 5060);
    assert_eq!(row["status"], "active");
    assert_eq!(row["resolved_ip"], other.ip().to_string());
    assert_eq!(row["fail_count"], 0);
    let seen = row["last_notification"].as_u64().unwrap();
    let now = crate::server::now_ms() / 1000;
    assert!(now - seen <= 10, "{row}");
    assert!(row["round_trip_us"].as_u64().is_some_and(|us| us > 0), "{row}");
}

#[test]
fn messages_are_sent_and_shown() {
    let [other, deaf] = [Node::start(), Node::start()];
    deaf.behave_for("chat", Manner::Code(404, "User Not Found"));
    let ours = Dmq::beside(&[&other, &deaf]).set("peers", "[\"chat\"]").start();
    ours.expect_active(&[&other, &deaf]);
    // Not all took it, which is told by the code of the command as well.
    let output = ours.run(&["bcast", "chat", "hello"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["taken"], 1, "{told}");
    let told = json(&ours, &["send", "chat", &other.uri(), "you", "--content-type", "text/x-you"]);
    assert_eq!(told["taken"], 1, "{told}");
    let you = other.first("the message", |packet| packet.asks("chat") && packet.text() == "you");
    assert_eq!(you.header("Content-Type"), "text/x-you");
    run(&ours, &["is-from-node", &other.ip().to_string()]);
    assert_eq!(ours.run(&["is-from-node", "127.0.0.77"]).status.code(), Some(1));
    run(&ours, &["remove", &deaf.uri()]);
    assert_eq!(ours.state(&deaf), "");

    let api = format!("http://{}", ours.server().address("http"));
    let mut listener = ours
        .command(&["messages", "--peer", "news", "--api", &api])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let is_heard = || other.request(ours.ip(), "news", "heard").ask().code() == 200;
    super::process::within(crate::server::DEADLINE, "it listens", is_heard);
    let mut line = String::new();
    BufReader::new(listener.stdout.take().unwrap()).read_line(&mut line).unwrap();
    listener.kill().unwrap();
    listener.wait().unwrap();
    let message: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(message["body"], "heard", "{line}");
}

#[test]
fn a_node_that_does_not_run_is_no_riddle() {
    let ours = Dmq::beside(&[]);
    let output = ours.command(&["list-nodes", "--api", "http://127.0.0.1:9"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("127.0.0.1:9") && said.contains("--api"), "{said}");
}
