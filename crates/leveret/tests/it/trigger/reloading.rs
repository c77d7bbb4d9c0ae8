//! A changed configuration restarts what changed and nothing else; a bad one changes nothing.

use super::world::{Plan, World, at};
use crate::client::arguments::queue;
use crate::client::message::message;
use crate::server::eventually;
use crate::site::BrokerKind;

stories! {
    brokers: [],
    home: [
        a_hangup_restarts_only_what_changed,
        a_change_of_the_file_is_seen,
        triggers_come_and_go,
        a_bad_file_keeps_the_old_one,
        a_secret_is_read_again,
        a_changed_trigger_finishes_its_runs_first,
    ],
}

/// A world with a second trigger, `other`, that reads the queue `other-ID`.
fn two(place: BrokerKind) -> Plan {
    at(place).more(
        "[trigger.other]\nqueue = \"other-{id}\"\n\
         [trigger.other.http]\nurl = \"http://{sink}/other\"",
    )
}

#[track_caller]
fn start(plan: Plan) -> World {
    let mut w = plan.prepare();
    w.channel.declare(&queue(&w.filled("other-{id}")).durable());
    w.trigger.launch();
    w.trigger.expect_ready(200);
    w
}

fn publish_to_the_other(w: &World, body: &str) {
    w.publish_all([message("", &w.filled("other-{id}"), body).persistent().id(body)]);
}

/// What is configured is known to be read.
#[track_caller]
fn reload(w: &World) {
    w.trigger.hang_up();
    w.trigger.expect_log(&["INFO", "the configuration was read again", "restarted=1", "kept=1"]);
    // Until then the old one may take what comes.
    w.trigger.expect_log(&["INFO", "the trigger t starts anew"]);
}

fn a_hangup_restarts_only_what_changed(place: BrokerKind) {
    let mut w = start(two(place));
    w.sink.hold_back("under way");
    publish_to_the_other(&w, "under way");
    w.sink.expect(&["under way"]);
    w.change("/hook", "/changed");
    reload(&w);
    w.publish(&["m"]);
    assert_eq!(w.sink.request().path, "/changed");
    // The run of the other went on, and its trigger knows it.
    assert_eq!(w.trigger.metric_with("in_flight", &[("trigger", "other")]), 1.0);
    w.sink.let_go("under way");
    w.expect_all_settled();
    assert_eq!(w.sink.runs_of("under way"), 1);
    assert_eq!(w.trigger.metric("reconnects_total"), 0.0);
}

fn a_change_of_the_file_is_seen(place: BrokerKind) {
    let mut w = start(two(place));
    w.change("/hook", "/changed");
    w.trigger.expect_log(&["INFO", "the configuration was read again", "restarted=1", "kept=1"]);
    w.trigger.expect_ready(200);
    eventually("the new one runs", || {
        w.publish(&["m"]);
        w.sink.request().path == "/changed"
    });
    w.expect_all_settled();
}

fn triggers_come_and_go(place: BrokerKind) {
    let mut w = start(at(place));
    let names = |w: &World| {
        let triggers = w.trigger.api("GET", "/api/triggers");
        let list = triggers.as_array().or_else(|| triggers["triggers"].as_array());
        let list = list.unwrap_or_else(|| panic!("{triggers}"));
        let names = list.iter().map(|trigger| trigger["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<String>>()
    };
    assert_eq!(names(&w), ["t"]);
    let pipeline = "[trigger.t.http]";
    w.change(
        pipeline,
        &format!(
            "[trigger.other]\nqueue = \"other-{{id}}\"\n\
             http = {{ url = \"http://{{sink}}/other\" }}\n{pipeline}"
        ),
    );
    w.trigger.hang_up();
    eventually("it is there", || names(&w) == ["other", "t"]);
    w.trigger.expect_ready(200);
    publish_to_the_other(&w, "m");
    assert_eq!(w.sink.request().path, "/other");
    w.change(
        "[trigger.other]\nqueue = \"other-{id}\"\nhttp = { url = \"http://{sink}/other\" }\n",
        "",
    );
    w.trigger.hang_up();
    eventually("it is gone", || names(&w) == ["t"]);
    w.expect_consumers(1);
    assert_eq!(w.channel.counts(&w.filled("other-{id}")).1, 0);
}

fn a_bad_file_keeps_the_old_one(place: BrokerKind) {
    let mut w = start(two(place));
    assert_eq!(w.trigger.metric("config_reload_success"), 1.0);
    w.sink.hold();
    w.publish(&["under way"]);
    w.sink.expect(&["under way"]);
    w.change("queue = \"{queue}\"", "queue = \"{queue}\"\nconsumer = 3");
    w.trigger.hang_up();
    w.trigger.expect_log(&["ERROR", "consumer", "trigger.toml:"]);
    w.trigger.expect_metric("config_reload_success", 0);
    let page = w.trigger.http("GET", "/").1;
    assert!(page.contains("consumer") && page.contains("trigger.toml"), "{page}");
    w.sink.let_through();
    w.publish(&["m"]);
    w.sink.expect(&["m"]);
    w.expect_all_settled();
    // Put right again.
    w.change("\nconsumer = 3", "");
    w.trigger.hang_up();
    w.trigger.expect_metric("config_reload_success", 1);
    assert_eq!(w.trigger.metric("reconnects_total"), 0.0);
}

fn a_secret_is_read_again(place: BrokerKind) {
    let mut w = at(place).http("auth = { bearer = { file = \"token\" } }").prepare();
    w.trigger.write("token", "first\n");
    w.trigger.launch();
    w.publish(&["a"]);
    assert_eq!(w.sink.request().the("authorization"), "Bearer first");
    w.trigger.write("token", "second\n");
    w.trigger.hang_up();
    eventually("the new one is used", || {
        w.publish(&["b"]);
        w.sink.request().the("authorization") == "Bearer second"
    });
    assert!(!w.trigger.stderr().contains("second"));
}

fn a_changed_trigger_finishes_its_runs_first(place: BrokerKind) {
    let mut w = start(two(place));
    w.sink.hold();
    w.publish(&["a"]);
    w.sink.expect(&["a"]);
    w.change("/hook", "/changed");
    w.trigger.hang_up();
    w.expect_consumers(0);
    w.sink.let_through();
    w.expect_consumers(1);
    w.publish(&["b"]);
    assert_eq!(w.sink.request().path, "/changed");
    w.expect_all_settled();
    assert_eq!(w.sink.messages(), ["a", "b"]);
}
