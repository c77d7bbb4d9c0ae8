//! `leveret trigger check`, `render` and `test`, and mistakes in a configuration.

use std::process::Output;

use serde_json::Value;

use super::endpoint::Answer;
use super::world::{World, at};
use crate::cli::{output, stderr, stdout};
use crate::site::BrokerKind;

stories! {
    brokers: [a_message_is_taken_through],
    home: [
        a_good_file_is_good,
        mistakes_are_named_with_their_place,
        a_mistake_ends_the_start,
        messages_are_shown_as_a_pipeline_gets_them,
        messages_of_the_queue_are_shown_and_stay,
        a_message_that_fails_is_settled_like_any_other,
        a_message_may_be_kept,
        settings_are_printed_without_secrets,
    ],
}

#[track_caller]
fn run(w: &World, words: &[&str]) -> Output {
    output(&mut w.trigger.command(words))
}

fn a_good_file_is_good(place: BrokerKind) {
    let w = at(place).prepare();
    let output = run(&w, &["check"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("1 trigger"), "{}", stdout(&output));
}

/// Mistakes in a line of `[trigger.t]`, and words of what is said about them.
const MISTAKES: &[(&str, &[&str])] = &[
    ("maximum_timeot_ms = 5", &["maximum_timeot_ms", "maximum_timeout_ms"]),
    ("consumers = 0", &["consumers"]),
    ("consumers = \"many\"", &["consumers", "many"]),
    ("prefetch = 3", &["prefetch", "at least 10"]),
    ("profile = \"digibe\"", &["profile", "digibee"]),
    ("redelivery = { max_attempt = 3 }", &["max_attempt", "max_attempts"]),
    ("broker = \"mian\"", &["mian", "main"]),
    ("account = \"nobody\"", &["account", "nobody"]),
    ("wire_no_ack = true", &["wire_no_ack", "auto_acknowledge"]),
    ("dead_letter = { mode = \"publish\" }", &["dead_letter", "routing_key"]),
    ("queue = \"twice\"", &["duplicate key"]),
    ("ordering_key = \"header.x\"", &["ordering_key", "headers."]),
    ("http = { url = \"ftp://host/\" }", &["url", "http"]),
];

fn mistakes_are_named_with_their_place(place: BrokerKind) {
    let mut w = at(place).prepare();
    let mut before = String::new();
    for (line, words) in MISTAKES {
        let own_url = line.starts_with("http =");
        if own_url {
            w.change("[trigger.t.http]\nurl = \"http://{sink}/hook\"", "");
        }
        let place = if before.is_empty() { "queue = \"{queue}\"\n" } else { &*before };
        let text = format!("queue = \"{{queue}}\"\n{line}\n");
        w.change(place, &text);
        before = text;
        let output = run(&w, &["check"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{line}: {said}");
        let at = w.trigger_line(line);
        assert!(said.contains(&format!("trigger.toml:{at}")), "{line}: line {at}? {said}");
        for word in *words {
            assert!(said.contains(word), "{line}: no {word} in {said}");
        }
    }
}

fn a_mistake_ends_the_start(place: BrokerKind) {
    let w = at(place).trigger("consumer = 3").prepare();
    let output = run(&w, &[]);
    assert_eq!(output.status.code(), Some(78));
    let said = stderr(&output);
    let at = format!("trigger.toml:{}", w.trigger_line("consumer = 3"));
    for part in ["consumer", "consumers", &at] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    assert_eq!(said.trim().lines().count(), 1, "{said}");
}

fn messages_are_shown_as_a_pipeline_gets_them(place: BrokerKind) {
    let w = at(place).prepare();
    let words = [
        "render",
        "t",
        "--body",
        "hello",
        "--header",
        "tenant=hare",
        "--property",
        "message-id=4711",
        "--routing-key",
        "key",
    ];
    let output = run(&w, &words);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = stdout(&output);
    let json = &shown[shown.find('{').expect("JSON")..];
    let json: Value = serde_json::from_str(json.trim()).unwrap_or_else(|e| panic!("{e}: {shown}"));
    assert_eq!(json["body"], "hello");
    assert_eq!(json["headers"]["tenant"], "hare");
    assert_eq!(json["properties"]["messageId"], "4711");
    assert_eq!(json["envelope"]["routingKey"], "key");
    let unknown = run(&w, &["render", "tt"]);
    assert!(stderr(&unknown).contains("tt"), "{}", stderr(&unknown));
    assert!(!unknown.status.success());
}

fn messages_of_the_queue_are_shown_and_stay(place: BrokerKind) {
    let w = at(place).prepare();
    w.publish(&["the first", "the second"]);
    let output = run(&w, &["render", "t", "--from-queue"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("the first"), "{}", stdout(&output));
    w.expect_ready(2);
    assert_eq!(w.sink.connections(), 0);
}

fn a_message_is_taken_through(place: BrokerKind) {
    let w = at(place).prepare();
    w.publish(&["a", "b"]);
    let output = run(&w, &["test", "t"]);
    assert!(output.status.success(), "{}", stderr(&output));
    w.sink.expect(&["a"]);
    w.sink.expect_no_more();
    let shown = stdout(&output);
    assert!(shown.contains("200") && shown.contains("\"body\":\"a\""), "{shown}");
    assert_eq!(w.channel.drain(&w.names.queue), ["b"]);
}

fn a_message_that_fails_is_settled_like_any_other(place: BrokerKind) {
    let w = at(place).prepare();
    w.sink.answer(Answer::status(422));
    w.publish(&["a"]);
    let output = run(&w, &["test", "t"]);
    let shown = stdout(&output);
    assert!(shown.contains("422"), "{shown}{}", stderr(&output));
    w.expect_dead("a");
    w.expect_ready(0);
}

fn a_message_may_be_kept(place: BrokerKind) {
    let w = at(place).prepare();
    w.publish(&["a"]);
    let output = run(&w, &["test", "t", "--keep"]);
    assert!(output.status.success(), "{}", stderr(&output));
    w.sink.expect(&["a"]);
    assert_eq!(w.channel.drain(&w.names.queue), ["a"]);
}

fn settings_are_printed_without_secrets(place: BrokerKind) {
    let w = at(place)
        .top("allow_inline_secrets = true")
        .http("auth = { bearer = \"carrot\" }")
        .trigger("redelivery = { max_attempts = 7 }")
        .prepare();
    let output = run(&w, &["--print-config"]);
    let shown = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(shown.contains("[trigger.t]") && shown.contains("max_attempts = 7"), "{shown}");
    assert!(!shown.contains("carrot"), "{shown}");
}
