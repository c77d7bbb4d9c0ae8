//! `leveret trigger` and `[trigger.NAME]` from outside: help, settings with their origins, refusals in
//! one line with an exit code that says what kind they are.

use trigger::config::{TRIGGER, TRIGGERS};

use crate::configured::{World, refused, shown_beside};

/// A trigger that has what it needs.
const GOOD: &str = "[trigger.orders]\nqueue = 'orders'\nhttp.url = 'http://127.0.0.1:9/'\n";

#[test]
fn help_shows_every_flag_and_action_in_100_columns() {
    let none = World::default();
    for line in [
        &["trigger", "--help"][..],
        &["trigger", "run", "--help"],
        &["trigger", "check", "--help"],
        &["trigger", "render", "--help"],
        &["trigger", "test", "--help"],
    ] {
        let help = none.lines(line).join("\n");
        for row in TRIGGERS.table {
            assert!(help.contains(&format!("--{}", row.name.replace('_', "-"))), "{}", row.name);
        }
        assert!(help.contains(&format!("Usage: leveret {}", line[0])), "{help}");
        let longest = none.run(line).1.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{line:?}");
    }
    let help = none.lines(&["trigger", "--help"]).join("\n");
    for expected in
        ["Examples:", "check ", "render ", "test ", "Exit codes:", "3 runs were aborted"]
    {
        assert!(help.contains(expected), "no {expected}\n{help}");
    }
    assert!(none.lines(&["trigger", "--version"])[0].starts_with("leveret trigger "));
}

#[test]
fn check_counts_triggers_and_tells_warnings() {
    let odd = format!(
        "{GOOD}maximum_timeout = 900001\n[trigger.b]\nqueue = 'b'\n\
                       command = {{ argv = ['/bin/cat'] }}"
    );
    let world = World { files: &[("my.toml", &odd)], ..World::default() };
    let lines = world.lines(&["trigger", "check", "--config", "my.toml"]);
    assert!(
        lines[0].starts_with("warning: [trigger.orders] maximum_timeout_ms is over"),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["my.toml: 2 triggers, no errors"]);
    let world = World { files: &[("trigger.toml", GOOD)], ..World::default() };
    assert_eq!(world.lines(&["trigger", "check"]), ["trigger.toml: 1 trigger, no errors"]);
}

#[test]
fn mistakes_are_78_and_wrong_command_lines_64() {
    let good = World { files: &[("trigger.toml", GOOD)], ..World::default() };
    let typo = GOOD.replace("queue", "queu");
    for line in
        [&["trigger", "check"][..], &["trigger"], &["trigger", "run"], &["trigger", "test", "x"]]
    {
        refused(
            World { files: &[("trigger.toml", &typo)], ..World::default() },
            line,
            78,
            "trigger.toml:2: unknown setting queu in [trigger.orders]; did you mean queue?",
        );
    }
    refused(
        World::default(),
        &["trigger"],
        78,
        "no configuration: name a file with --config, or write ./trigger.toml or \
         /etc/leveret/trigger.toml",
    );
    refused(
        good,
        &["trigger", "check", "--config", "absent.toml"],
        78,
        "cannot read the configuration file absent.toml: No such file or directory (os error 2)",
    );
    refused(
        good,
        &["trigger", "--threads", "many"],
        64,
        "--threads: expected a whole number from 0 to 65535, got \"many\"",
    );
    refused(
        good,
        &["trigger", "render", "oders"],
        64,
        "no section [trigger.oders]; did you mean orders?",
    );
    refused(
        good,
        &["trigger", "render", "orders", "--property", "priority=x"],
        64,
        "--property priority: expected a number from 0 to 255, got \"x\"",
    );
    for line in [
        &["trigger", "sing"][..],
        &["trigger", "render"],
        &["trigger", "--quiet"],
        &["trigger", "render", "orders", "--body", "x", "--from-queue"],
        &["trigger", "render", "orders", "--body", "x", "--body-file", "y"],
    ] {
        assert_eq!(good.run(line).0, Some(64), "{line:?}");
    }
}

#[test]
fn print_config_shows_values_and_origins_and_no_secret() {
    let toml = format!(
        "[trigger]\nlisten = '127.0.0.1:0'\nallow_inline_secrets = true\n{GOOD}\
         http.auth.bearer = 'hunter2'\n[broker.main]\nusername = 'u'\npassword.file = 'pass'\n"
    );
    let world = World {
        files: &[
            ("trigger.toml", &toml),
            ("trigger.d/10.toml", "trigger.orders.api_keys = 3"),
            ("pass", "s3cret\n"),
        ],
        variables: &[
            ("LEVERET_TRIGGER_ORDERS_EXPIRATION", "7"),
            ("LEVERET_TRIGGER_THREADS", "2"),
            ("LEVERET_DATA_DIR", "the broker's own"),
        ],
    };
    let lines = world.lines(&["trigger", "--print-config", "--log-format", "json"]);
    for expected in [
        "listen = [\"127.0.0.1:0\"] # trigger.toml:2",
        "threads = 2 # environment LEVERET_TRIGGER_THREADS",
        "log_format = \"json\" # flag --log-format",
        "[broker.main] # trigger.toml:8",
        "password = { file = \"pass\" } # trigger.toml:10",
        "[trigger.orders] # trigger.toml:4",
        "queue = \"orders\" # trigger.toml:5",
        "consumers = 3 # trigger.d/10.toml:1",
        "expiration_ms = 7 # environment LEVERET_TRIGGER_ORDERS_EXPIRATION",
        "# http_auth_bearer = \"***\" # trigger.toml:7",
        "redelivery_mode = \"hold\" # default",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{lines:#?}");
    }
    let all = lines.join("\n");
    assert!(!all.contains("hunter2") && !all.contains("s3cret"), "{all}");
    for row in TRIGGER.table {
        assert!(lines.iter().any(|line| line.contains(&format!("{} ", row.name))), "{}", row.name);
    }
}

#[test]
fn render_shows_the_request_of_a_made_up_message() {
    let world =
        World { files: &[("trigger.toml", GOOD), ("body", "from a file")], ..World::default() };
    let lines =
        world.lines(&["trigger", "render", "orders", "--body-file", "body", "--header", "a=b"]);
    assert_eq!(lines[0], "POST http://127.0.0.1:9/");
    assert!(lines.iter().any(|line| line == "x-trigger-queue: orders"), "{lines:?}");
    let body = lines.last().unwrap();
    assert!(body.starts_with("{\"body\":\"from a file\","), "{body}");
    assert!(body.contains("\"headers\":{\"a\":\"b\"}"), "{body}");
    assert!(body.contains("\"routingKey\":\"orders\""), "{body}");
}

#[test]
fn triggers_beside_the_broker_are_shown_with_its_settings() {
    let toml = format!("amqp_listen = '*:5673'\n[trigger]\nthreads = 1\n{GOOD}");
    let world = World { files: &[("leveret.toml", &toml)], ..World::default() };
    let expected = [
        "[trigger] # leveret.toml:2",
        "threads = 1 # leveret.toml:3",
        "[trigger.orders] # leveret.toml:4",
    ];
    shown_beside(world, "[trigger]", &expected);
}

#[test]
fn triggers_beside_the_broker_can_be_looked_at() {
    let toml = format!("amqp_listen = '127.0.0.1:1'\n{GOOD}");
    let world = World { files: &[("leveret.toml", &toml)], ..World::default() };
    let lines = world.lines(&["trigger", "check", "--config", "leveret.toml"]);
    assert_eq!(lines, ["leveret.toml: 1 trigger, no errors"]);
    let lines = world.lines(&["trigger", "render", "orders", "--config", "leveret.toml"]);
    assert_eq!(lines[0], "POST http://127.0.0.1:9/");
    let (code, _, err) = world.run(&["trigger", "test", "orders", "--config", "leveret.toml"]);
    assert_eq!(code, Some(69));
    assert!(err.starts_with("leveret: cannot connect to amqp://guest@127.0.0.1:1/: "), "{err}");
    refused(
        World { files: &[("leveret.toml", "product = 'x'")], ..World::default() },
        &["trigger", "check", "--config", "leveret.toml"],
        78,
        "leveret.toml: no trigger: write a section [trigger.NAME]",
    );
}

#[test]
fn a_wrong_section_beside_the_broker_is_78_with_its_place() {
    let file = |text: &str, expected: &str| {
        let text = format!("{GOOD}{text}");
        let world = World { files: &[("leveret.toml", &text)], ..World::default() };
        refused(world, &["serve"], 78, &format!("leveret.toml:{expected}"));
    };
    file(
        "consumer = 5",
        "4: unknown setting consumer in [trigger.orders]; did you mean consumers?",
    );
    file(
        "[trigger]\nlog_level = 'debug'",
        "5: [trigger] log_level: the process has one log: set the broker's log_level instead",
    );
    file("[trigger]\nlisen = ''", "5: unknown setting lisen in [trigger]; did you mean listen?");
    let text = format!("amqp_listen = []\namqps_listen = '*:0'\n[tls]\ncert='c'\nkey='k'\n{GOOD}");
    refused(
        World { files: &[("leveret.toml", &text)], ..World::default() },
        &["serve"],
        78,
        "leveret.toml:6: [trigger.orders] broker: the broker listens with TLS only, so this has to \
         say where it is: name a section [broker.NAME]",
    );
}
