//! Commands in the place of an endpoint: what they are given, and what their end means.

use serde_json::Value;

use super::world::{Plan, World, at};
use crate::server::eventually;
use crate::site::BrokerKind;

stories! {
    brokers: [a_command_is_given_the_message, exit_codes_decide],
    home: [
        the_body_may_be_all_that_it_reads,
        its_environment_is_small,
        other_programs_exit_codes_may_be_used,
        a_command_that_ignores_sigterm_is_killed_with_its_children,
        a_daemon_that_a_command_leaves_does_not_hang_its_run,
        a_missing_program_is_told,
        output_is_capped,
        standard_error_is_logged,
    ],
}

/// A world whose command is this script; `$D` is the directory of the trigger.
fn script(place: BrokerKind, script: &str, lines: &str) -> (Plan, String) {
    let plan = at(place).command("argv = [\"/bin/sh\", \"run.sh\"]").command(lines);
    (plan, script.to_owned())
}

#[track_caller]
fn start((plan, script): (Plan, String)) -> World {
    let mut w = plan.prepare();
    w.trigger.write("run.sh", script);
    w.trigger.launch();
    w.trigger.expect_ready(200);
    w
}

/// What is in a file of the trigger's directory, when it is there.
#[track_caller]
fn written(w: &World, name: &str) -> String {
    let path = w.trigger.dir().join(name);
    eventually(&format!("there is a file {name}"), || {
        // Asked so that each round takes as long as a round trip.
        w.trigger.metric("in_flight") >= 0.0 && path.exists()
    });
    std::fs::read_to_string(path).unwrap()
}

fn a_command_is_given_the_message(place: BrokerKind) {
    let w = start(script(place, "cat > part && mv part stdin", ""));
    w.publish_all([w.message("say \"hello\"").header("tenant", "hare")]);
    let json: Value = serde_json::from_str(&written(&w, "stdin")).unwrap();
    assert_eq!(json["body"], "say \"hello\"");
    assert_eq!(json["headers"]["tenant"], "hare");
    assert_eq!(json["envelope"]["routingKey"], w.names.queue);
    w.expect_all_settled();
    w.trigger.expect_outcome("ok", 1);
}

fn exit_codes_decide(place: BrokerKind) {
    // The message says how the command ends.
    let (plan, script) =
        script(place, "code=$(cat)\n$code", "stdin = \"body\"\nexit_codes = [\"7=dead-letter\"]");
    let w = start((
        plan.trigger("allow_redelivery = true\nbreaker = { failures = 0 }")
            .trigger("redelivery = { max_attempts = 2, backoff_ms = [10] }"),
        script,
    ));
    for (end, dead, runs) in [
        ("exit 0", false, 1),
        ("exit 65", true, 1),
        ("exit 75", true, 2),
        ("exit 1", true, 2),
        ("exit 7", true, 1),
        ("kill -9 $$", true, 2),
    ] {
        let before = w.trigger.metric("started_total");
        // `$code` is split into words and not expanded again.
        let body = if end.starts_with("kill") { "eval kill -9 $$" } else { end };
        w.publish(&[body]);
        if dead {
            w.expect_dead(body);
        }
        eventually(end, || w.trigger.metric("started_total") - before == f64::from(runs));
        w.expect_no_dead();
    }
    w.expect_all_settled();
    w.trigger.expect_outcome("ok", 1);
}

fn the_body_may_be_all_that_it_reads(place: BrokerKind) {
    let w = start(script(place, "cat > part && mv part stdin", "stdin = \"body\""));
    let body = "x".repeat(2 << 20);
    w.publish(&[&body[..0]]);
    assert_eq!(written(&w, "stdin"), "");
    w.expect_all_settled();
    std::fs::remove_file(w.trigger.dir().join("stdin")).unwrap();
    w.publish_all([w.message(&body).id("id")]);
    assert_eq!(written(&w, "stdin").len(), body.len());
    w.expect_all_settled();
}

fn its_environment_is_small(place: BrokerKind) {
    let (plan, script) =
        script(place, "env > part && mv part env", "environment = [\"COLOUR=grey\", \"PASSED\"]");
    let mut w = plan.prepare();
    w.trigger.write("run.sh", script);
    w.trigger.set_variable("PASSED", "on");
    w.trigger.set_variable("SECRET", "not this");
    w.trigger.launch();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    w.publish_all([w.message("m").header("traceparent", parent)]);
    let env = written(&w, "env");
    for line in [
        "TRIGGER_NAME=t",
        &format!("TRIGGER_QUEUE={}", w.names.queue),
        "TRIGGER_ATTEMPT=1",
        "TRIGGER_REDELIVERED=false",
        &format!("TRACEPARENT={parent}"),
        "COLOUR=grey",
        "PASSED=on",
    ] {
        assert!(env.lines().any(|known| known == line), "no {line} in\n{env}");
    }
    for name in ["TRIGGER_EXECUTION_ID=", "TRIGGER_DEADLINE_MS=", "PATH="] {
        assert!(env.lines().any(|line| line.starts_with(name)), "no {name} in\n{env}");
    }
    assert!(!env.contains("SECRET"), "{env}");
}

fn other_programs_exit_codes_may_be_used(place: BrokerKind) {
    let (plan, script) = script(place, "exit $(cat)", "stdin = \"body\"\nexit_preset = \"corvus\"");
    let w = start((plan, script));
    w.publish(&["0"]);
    w.trigger.expect_outcome("ok", 1);
    for code in ["3", "5"] {
        w.publish(&[code]);
        w.expect_dead(code);
    }
    w.expect_all_settled();
}

fn a_command_that_ignores_sigterm_is_killed_with_its_children(place: BrokerKind) {
    let ignores = "trap '' TERM\n(trap '' TERM; echo $$ > child; while :; do read x < pipe; done) &\n\
                   echo $$ > part && mv part leader\nwhile :; do read x < pipe; done";
    let (plan, script) =
        script(place, &format!("[ -p pipe ] || mkfifo pipe\n{ignores}"), "kill_after_ms = 100");
    let w = start((plan.trigger("maximum_timeout_ms = 300"), script));
    w.publish(&["m"]);
    let leader = written(&w, "leader");
    assert!(group_of(leader.trim()).len() >= 2, "the command and its child");
    w.expect_dead("m");
    w.trigger.expect_dead("timeout", 1);
    w.expect_all_settled();
    // Nothing of its process group is left, not even a zombie.
    eventually("the group is gone", || group_of(leader.trim()).is_empty());
}

/// What `/proc` says of the processes in the group of a process.
fn group_of(leader: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap();
    let stats =
        all.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    // `pid (name) state parent group …`
    let group = |stat: &String| stat.rsplit(") ").next()?.split(' ').nth(2).map(str::to_owned);
    stats.filter(|stat| group(stat).as_deref() == Some(leader)).collect()
}

fn a_daemon_that_a_command_leaves_does_not_hang_its_run(place: BrokerKind) {
    // It keeps standard output open.
    let w = start(script(place, "[ -p pipe ] || mkfifo pipe\nread x < pipe &\nexit 0", ""));
    w.publish(&["a", "b"]);
    w.trigger.expect_outcome("ok", 2);
    w.expect_all_settled();
}

fn a_missing_program_is_told(place: BrokerKind) {
    let mut w = at(place).command("argv = [\"no-such-program\"]").prepare();
    let output = crate::cli::output(&mut w.trigger.command(&["check"]));
    let said = crate::cli::stderr(&output);
    if output.status.success() {
        // It may be there when it is needed.
        w.trigger.launch();
        w.publish(&["m"]);
        w.expect_dead("m");
        w.trigger.expect_dead("not_started", 1);
        w.trigger.expect_log(&["no-such-program"]);
    } else {
        assert!(said.contains("no-such-program"), "{said}");
    }
}

fn output_is_capped(place: BrokerKind) {
    let w = start(script(place, "head -c 100000000 /dev/zero", ""));
    w.publish(&["m"]);
    w.trigger.expect_outcome("ok", 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", w.trigger.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kb < 100_000, "{peak_kb} kB");
}

fn standard_error_is_logged(place: BrokerKind) {
    let w = start(script(place, "echo the disk is on fire >&2; exit 65", ""));
    w.publish(&["m"]);
    w.expect_dead("m");
    w.trigger.expect_log(&["the disk is on fire", "t"]);
    w.trigger.expect_log(&["WARN", "exit 65"]);
}
