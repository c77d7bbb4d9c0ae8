//! `leveret dmq` and `[dmq]` from outside: help, settings with their origins, refusals in one line
//! with an exit code that says what kind they are, and what a node that runs is asked.

use std::fs;

use dmq::config::DMQ;

use crate::broker::{Broker, eventually};
use crate::configured::{World, refused, shown_beside};

/// A node that has what it needs.
const GOOD: &str = "server_address = 'sip:192.0.2.3'\nnotification_address = 'sip:192.0.2.1'\n";

/// Where nobody listens.
const NOBODY: &str = "http://127.0.0.1:1";

/// What a node that runs can be asked, each with what it needs.
const QUESTIONS: &[&[&str]] = &[
    &["list-nodes"],
    &["bcast", "events", "body"],
    &["send", "events", "sip:h", "body"],
    &["replicate", "-"],
    &["handle", "-", "--source", "127.0.0.1:5060"],
    &["is-from-node", "127.0.0.1"],
    &["messages"],
    &["remove", "sip:h"],
    &["htable"],
    &["sync"],
];

#[test]
fn help_shows_every_flag_and_action_in_100_columns() {
    let none = World::default();
    for line in [&["dmq", "--help"][..], &["dmq", "run", "--help"], &["dmq", "check", "--help"]] {
        let help = none.lines(line).join("\n");
        for row in DMQ.table {
            assert!(help.contains(&service::config::flag(row.name)), "{}", row.name);
        }
        let longest = none.run(line).1.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{line:?}");
    }
    let help = none.lines(&["dmq", "--help"]).join("\n");
    for question in QUESTIONS {
        assert!(help.contains(&format!("\n{}\n", question[0])), "{question:?}\n{help}");
        let line = ["dmq", question[0], "--help"];
        let (code, own, _) = none.run(&line);
        assert_eq!(code, Some(0));
        assert!(own.contains("--api <URL>") && !own.contains("--ping-interval"), "{own}");
        assert!(own.lines().all(|line| line.chars().count() <= 100), "{own}");
    }
    assert!(none.lines(&["dmq", "--version"])[0].starts_with("leveret dmq "));
}

#[test]
fn check_names_the_node_and_tells_warnings() {
    let world = World { files: &[("dmq.toml", GOOD)], ..World::default() };
    assert_eq!(world.lines(&["dmq", "check"]), ["dmq.toml: sip:192.0.2.3:5060, no errors"]);
    let odd = ["dmq", "check", "--notification-address", "sip:192.0.2.3"];
    assert_eq!(
        world.lines(&odd),
        [
            "warning: notification_address names this node itself, which is left out: name another \
             node",
            "dmq.toml: sip:192.0.2.3:5060, no errors"
        ]
    );
}

#[test]
fn mistakes_are_78_and_wrong_command_lines_64() {
    let typo = GOOD.replace("server_address", "serveraddress");
    let typo = World { files: &[("my.toml", &typo)], ..World::default() };
    for line in [&["dmq"][..], &["dmq", "run"], &["dmq", "check"], &["dmq", "--print-config"]] {
        refused(
            typo,
            &[line, &["--config", "my.toml"]].concat(),
            78,
            "my.toml:1: unknown setting serveraddress; did you mean server_address?",
        );
    }
    refused(
        World::default(),
        &["dmq"],
        78,
        "server_address: no address that the other nodes can answer to: set it to one of this \
         machine, such as \"sip:192.0.2.1:5060\"",
    );
    let good = World { files: &[("dmq.toml", GOOD)], ..World::default() };
    refused(good, &["dmq", "--num-workers", "0"], 64, "--num-workers: must be from 1 to 256");
    for line in [
        &["dmq", "sing"][..],
        &["dmq", "--quiet"],
        &["dmq", "bcast", "events"],
        &["dmq", "send", "events", "192.0.2.1", "body"],
        &["dmq", "is-from-node", "hare"],
        &["dmq", "handle", "-"],
        &["dmq", "handle", "-", "--source", "127.0.0.1"],
        &["dmq", "list-nodes", "--format", "xml"],
        &["dmq", "remove"],
        &["dmq", "htable", "t", "get"],
        &["dmq", "htable", "t", "set", "k"],
        &["dmq", "htable", "t", "set", "k", "many", "--int"],
        &["dmq", "htable", "t", "burn"],
        &["dmq", "list-nodes", "--ping-interval", "5"],
        &["dmq", "list-nodes", "--api", "ftp://h"],
    ] {
        assert_eq!(good.run(line).0, Some(64), "{line:?}");
    }
}

#[test]
fn print_config_shows_values_and_origins_and_no_password() {
    let toml = format!("{GOOD}[bridge]\npeers = ['*']\nbroker = 'amqp://u:hunter2@h/v'\n");
    let world = World {
        files: &[("dmq.toml", &toml), ("dmq.d/10.toml", "htable = []")],
        variables: &[("LEVERET_DMQ_PING_INTERVAL", "7"), ("LEVERET_DATA_DIR", "the broker's own")],
    };
    let lines = world.lines(&["dmq", "--print-config", "--log-format", "json", "--multi-notify"]);
    for expected in [
        "server_address = \"sip:192.0.2.3:5060\" # dmq.toml:1",
        "ping_interval = 7 # environment LEVERET_DMQ_PING_INTERVAL",
        "multi_notify = true # flag --multi-notify",
        "bridge_peers = [\"*\"] # dmq.toml:4",
        "# bridge_broker = \"amqp://u:***@h:5672/v\" # dmq.toml:5",
        "htable = [] # dmq.d/10.toml:1",
        "log_format = \"json\" # flag --log-format",
        "# server_socket is not set # default",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{lines:#?}");
    }
    assert_eq!(lines.len(), DMQ.table.len());
}

#[test]
fn a_question_without_a_node_is_69_and_says_where_it_was_asked() {
    for question in QUESTIONS {
        let line = [&["dmq"], *question, &["--api", NOBODY]].concat();
        let (code, out, err) = World::default().run(&line);
        assert_eq!((code, out.as_str()), (Some(69), ""), "{line:?}: {err}");
        let expected = format!("leveret: no node answers at {NOBODY}: ");
        assert!(err.starts_with(&expected) && err.contains("--api"), "{line:?}: {err}");
    }
    refused(
        World::default(),
        &["dmq", "bcast", "events", "@absent"],
        74,
        "cannot read the body from absent: No such file or directory (os error 2)",
    );
}

#[test]
fn a_node_beside_the_broker_is_shown_with_its_settings() {
    let toml = format!("amqp_listen = '*:5673'\n[dmq]\n{GOOD}[dmq.bridge]\npeers = ['*']\n");
    let world = World {
        files: &[("leveret.toml", &toml), ("conf.d/a.toml", "dmq.t1_ms = 100")],
        variables: &[("LEVERET_DMQ_PING_INTERVAL", "9")],
    };
    let expected = [
        "[dmq] # leveret.toml:2",
        "server_address = \"sip:192.0.2.3:5060\" # leveret.toml:3",
        "bridge_peers = [\"*\"] # leveret.toml:6",
        "# bridge_broker = \"amqp://guest:***@127.0.0.1:5673/\" # default",
        "t1_ms = 100 # conf.d/a.toml:1",
        "ping_interval = 9 # environment LEVERET_DMQ_PING_INTERVAL",
    ];
    shown_beside(world, "[dmq]", &expected);
}

#[test]
fn a_wrong_section_beside_the_broker_is_78_with_its_place() {
    let file = |text: &str, expected: &str| {
        let text = format!("[dmq]\n{GOOD}{text}");
        let world = World { files: &[("leveret.toml", &text)], ..World::default() };
        refused(world, &["serve"], 78, &format!("leveret.toml:{expected}"));
    };
    file(
        "ping_intervall = 5",
        "4: unknown setting ping_intervall in [dmq]; did you mean ping_interval?",
    );
    file("t1_ms = 0", "4: [dmq] t1_ms: must be from 1 to 3600000");
    file(
        "log_level = 'debug'",
        "4: [dmq] log_level: the process has one log: set the broker's log_level instead",
    );
    file(
        "[dmq.retries]\nt1_ms = 5",
        "5: unknown setting retries_t1_ms in [dmq]; docs/dmq-options.md lists every setting",
    );
    let tls = "amqp_listen = []\namqps_listen = '*:0'\n[tls]\ncert='c'\nkey='k'\n[dmq]\n";
    let world = |text: &str, expected: &str| {
        let text = format!("{tls}{GOOD}{text}");
        let world = World { files: &[("leveret.toml", &text)], ..World::default() };
        refused(world, &["serve"], 78, expected);
    };
    world(
        "bridge_peers = '*'",
        "leveret.toml:6: [dmq] bridge_broker: the broker listens with TLS only, so this has to say \
         where it is",
    );
    let none = World { files: &[("leveret.toml", "[dmq]\n")], ..World::default() };
    let (code, _, err) = none.run(&["serve"]);
    assert_eq!(code, Some(78));
    let expected = "leveret: leveret.toml:1: [dmq] server_address: no address that the other nodes";
    assert!(err.starts_with(expected), "{err}");
}

/// Triggers beside the broker follow their configuration, which is read as a whole; what else has
/// changed is said, and left as it is.
#[test]
fn a_changed_section_is_told_to_need_a_restart() {
    let dir = tempfile::tempdir().unwrap().keep();
    let file = |seconds: u32| {
        let toml = format!(
            "[trigger]\nlisten = []\n[dmq]\nserver_address = 'sip:192.0.2.3'\nlisten = []\n\
             server_socket = '127.0.0.1:0'\nping_interval = {seconds}\n"
        );
        fs::write(dir.join("leveret.toml"), toml).unwrap();
    };
    file(60);
    let mut broker = Broker::in_dir(dir.clone(), &["--config", "leveret.toml"]);
    broker.wait_for_listener();
    let said = "[dmq] changed: restart the broker for what is not about triggers";
    let read = |times: usize| {
        broker.hang_up();
        eventually("the configuration is read", || {
            broker.stderr().matches("the configuration was read again").count() >= times
        });
    };
    read(1);
    assert!(!broker.stderr().contains(said));
    file(30);
    read(2);
    eventually("that it needs a restart is said", || broker.stderr().contains(said));
    assert!(broker.terminate().success());
}
