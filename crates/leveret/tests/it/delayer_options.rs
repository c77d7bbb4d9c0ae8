//! `leveret delayer`, `amqpdelayer` and `[delayer.NAME]` from outside: help, options with their
//! origins, refusals in one line with an exit code that says what kind they are.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use delayer::config::OPTIONS;

use crate::broker::{Broker, eventually};
use crate::cli::{leveret, output, stderr, stdout};
use crate::client::Client;
use crate::client::arguments::queue;
use crate::client::message::message;

/// A directory with files, the program in it under both names, and variables.
#[derive(Default, Clone, Copy)]
struct World<'a> {
    files: &'a [(&'a str, &'a str)],
    variables: &'a [(&'a str, &'a str)],
}

/// How a process ended and what it wrote; its directory reads `DIR`.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl World<'_> {
    /// Runs to the end, with the program's name first.
    fn run(&self, line: &[&str]) -> Ended {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        for (name, text) in self.files {
            fs::write(dir.join(name), text.replace("DIR", dir.to_str().unwrap())).unwrap();
        }
        let mut command = match line[0] {
            "leveret" => leveret(dir),
            name => named(dir, name),
        };
        let done = output(command.args(&line[1..]).envs(self.variables.iter().copied()));
        Ended::of(&done, dir)
    }
}

impl Ended {
    fn of(done: &Output, dir: &Path) -> Ended {
        let tidy = |text: String| text.replace(dir.to_str().unwrap(), "DIR");
        Ended { code: done.status.code(), out: tidy(stdout(done)), err: tidy(stderr(done)) }
    }

    /// The lines of stdout with single spaces.
    fn lines(&self) -> Vec<String> {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        let single = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        self.out.lines().map(single).collect()
    }
}

/// The binary called `name` by a link in `dir`.
fn named(dir: &Path, name: &str) -> Command {
    let link = dir.join(name);
    symlink(env!("CARGO_BIN_EXE_leveret"), &link).unwrap();
    let mut command = Command::new(link);
    command.env_clear().current_dir(dir).stdin(Stdio::null());
    command
}

#[track_caller]
fn refused(world: World<'_>, line: &[&str], code: i32, expected: &str) {
    let ended = world.run(line);
    assert_eq!(ended.err, expected);
    assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""));
}

#[test]
fn both_names_show_every_option_in_100_columns() {
    for line in [&["leveret", "delayer", "--help"][..], &["amqpdelayer", "--help"]] {
        let help = World::default().run(line).out;
        for option in OPTIONS.table {
            assert!(help.contains(&format!("--{} <", option.name)), "{line:?}: {}", option.name);
        }
        let program = line[..line.len() - 1].join(" ");
        for expected in ["Examples:", &format!("Usage: {program} [OPTIONS]"), "--print-config"] {
            assert!(help.contains(expected), "{line:?}: no {expected}\n{help}");
        }
        assert!(help.contains(&format!("  {program} --rabbitmq-queue retries")), "{help}");
        let longest = help.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(longest.chars().count() <= 100, "{longest}");
        assert!(!help.contains("Default: ."), "{help}");
    }
}

#[test]
fn both_names_have_a_version() {
    let version = env!("CARGO_PKG_VERSION");
    for line in [&["leveret", "delayer", "--version"][..], &["amqpdelayer", "-V"]] {
        let program = line[..line.len() - 1].join(" ");
        assert_eq!(World::default().run(line).out, format!("{program} {version}\n"));
    }
}

#[test]
fn print_config_shows_values_and_origins_under_both_names() {
    let world = World {
        files: &[("my.txt", "rabbitmq-queue: retries\n\nexchange: \"\"\nrouting_key: outbox # x")],
        variables: &[
            ("AMQPDELAYER_QOS", "500"),
            ("LEVERET_DELAYER_MIN_DELAY", "30"),
            ("AMQPDELAYER_RABBITMQ_ADDRESS", "amqp://mailer:s3cret@rabbit/v"),
            ("LEVERET_DATA_DIR", "the broker's own"),
        ],
    };
    let flags = ["--config", "my.txt", "--print-config", "--batchsize=20"];
    for program in [&["leveret", "delayer"][..], &["amqpdelayer"]] {
        let ended = world.run(&[program, &flags].concat());
        let lines = ended.lines();
        for expected in [
            "rabbitmq-queue: retries # my.txt:1",
            "rabbitmq-exchange: \"\" # my.txt:3",
            "rabbitmq-routingkey: outbox # my.txt:4",
            "rabbitmq-qos: 500 # environment AMQPDELAYER_QOS",
            "min-delay: 30s # environment LEVERET_DELAYER_MIN_DELAY",
            "storage-batchsize: 20 # flag --storage-batchsize",
            "storage-address: /var/lib/amqpdelayer # default",
            "# rabbitmq-address: amqp://mailer:***@rabbit:5672/v \
             # environment AMQPDELAYER_RABBITMQ_ADDRESS",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}\n{}", ended.out);
        }
        assert_eq!(lines.len(), OPTIONS.table.len());
    }
}

#[test]
fn a_file_may_be_named_by_a_variable() {
    let world = World {
        files: &[("a.txt", "queue: a\nexchange: x"), ("b.txt", "queue: b\nexchange: x")],
        variables: &[("AMQPDELAYER_CONFIG", "a.txt"), ("LEVERET_DELAYER_CONFIG", "b.txt")],
    };
    let lines = world.run(&["amqpdelayer", "--print-config"]).lines();
    assert!(lines.contains(&"rabbitmq-queue: b # b.txt:1".to_owned()), "{lines:?}");
    let lines = world.run(&["amqpdelayer", "--print-config", "--config=a.txt"]).lines();
    assert!(lines.contains(&"rabbitmq-queue: a # a.txt:1".to_owned()), "{lines:?}");
}

#[test]
fn a_wrong_command_line_is_64_and_a_wrong_option_78() {
    let none = World::default();
    refused(
        none,
        &["amqpdelayer", "--quueue", "x"],
        64,
        "amqpdelayer: unknown flag --quueue; did you mean --queue?\n",
    );
    refused(
        none,
        &["leveret", "delayer", "--qos", "many"],
        64,
        "leveret: --rabbitmq-qos: expected a whole number from 0 to 65535, got \"many\"\n",
    );
    refused(
        none,
        &["amqpdelayer", "--queue", "q", "--exchange", "x", "--throttle", "50"],
        78,
        "amqpdelayer: storage-batchsize: must be less than rabbitmq-throttle, or loading would \
         wait for confirms that cannot come: lower it, or raise rabbitmq-throttle\n",
    );
    refused(
        World { variables: &[("AMQPDELAYER_LICENSE", "x")], ..none },
        &["amqpdelayer"],
        78,
        "amqpdelayer: unknown environment variable AMQPDELAYER_LICENSE; docs/delayer-options.md \
         lists every setting\n",
    );
    refused(
        World { files: &[("f", "qos: 200\nqos: 300")], ..none },
        &["amqpdelayer", "--config", "f"],
        78,
        "amqpdelayer: f:2: rabbitmq-qos is already set in line 1\n",
    );
    refused(
        none,
        &["amqpdelayer", "--config", "absent.txt"],
        78,
        "amqpdelayer: cannot read the configuration file absent.txt: \
         No such file or directory (os error 2)\n",
    );
    refused(
        none,
        &["leveret", "delayer", "--rabbitmq-address", "amqp://user:pass/host/vhost"],
        64,
        "leveret: --rabbitmq-address: the port after the host is not a number from 1 to 65535; did \
         you mean amqp://user:password@hostname/vhost?\n",
    );
    for line in [&["amqpdelayer", "delayer"][..], &["amqpdelayer", "--queue"]] {
        assert_eq!(none.run(line).code, Some(64), "{line:?}");
    }
}

#[test]
fn sections_are_shown_with_the_settings_of_the_broker() {
    const TOML: &str = "amqp_listen = '*:5673'\ndefault_user = 'hare'\n\n[delayer.mail-retries]\n\
                        queue = 'retries'\nexchange = ''\nrouting_key = 'outbox'\n\n\
                        [delayer.far]\nrabbitmq_address = 'amqp://u:s3cret@far/'\nqueue = 'q'\n\
                        exchange = 'x'\nstorage-address = 'elsewhere'";
    let world = World {
        files: &[("leveret.toml", TOML)],
        variables: &[("LEVERET_DELAYER_MAIL_RETRIES_QOS", "500")],
    };
    let ended = world.run(&["leveret", "--print-config"]);
    let lines = ended.lines();
    for expected in [
        "[delayer.mail-retries] # leveret.toml:4",
        "# rabbitmq-address = \"amqp://hare:***@127.0.0.1:5673/\" # default",
        "rabbitmq-routingkey = \"outbox\" # leveret.toml:7",
        "storage-address = \"leveret-data/delayer-mail-retries\" # default",
        "rabbitmq-qos = 500 # environment LEVERET_DELAYER_MAIL_RETRIES_QOS",
        "[delayer.far] # leveret.toml:9",
        "# rabbitmq-address = \"amqp://u:***@far:5672/\" # leveret.toml:10",
        "storage-address = \"elsewhere\" # leveret.toml:13",
        "rabbitmq-qos = 1000 # default",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{}", ended.out);
    }
    // What is printed is a file that says the same.
    let again = World { files: &[("leveret.toml", &ended.out)], ..World::default() };
    let values = |ended: &Ended| -> Vec<String> {
        let value = |line: String| line.split(" # ").next().unwrap_or_default().to_owned();
        ended.lines().into_iter().map(value).filter(|line| !line.starts_with('#')).collect()
    };
    assert_eq!(values(&again.run(&["leveret", "--print-config"])), values(&ended));
}

#[test]
fn a_wrong_section_is_78_with_its_place() {
    const GOOD: &str = "[delayer.a]\nqueue = 'q'\nexchange = 'x'\n";
    let file = |text: &str, expected: &str| {
        let text = format!("{GOOD}{text}");
        let files = [("leveret.toml", &*text)];
        let world = World { files: &files, ..World::default() };
        refused(world, &["leveret", "serve"], 78, &format!("leveret: leveret.toml:{expected}\n"));
    };
    file("qoss = 5", "4: unknown setting qoss; did you mean qos?");
    file(
        "[delayer.b]\nqueue = 'q'",
        "4: rabbitmq-exchange: no exchange to publish to: set \
         rabbitmq-exchange; the empty name is the default exchange, which takes the routing key for \
         the name of a queue",
    );
    file(
        "storage-address = 's'\n[delayer.b]\nqueue = 'q'\nexchange = 'x'\nstorage_address = './s/'",
        "8: storage-address: [delayer.a] stores there as well: give each delayer a storage of its \
         own",
    );
    file(
        "log_level = 'debug'",
        "4: log-level: the process has one log: set the broker's log_level \
         instead",
    );
    file(
        "[delayr.b]\nqueue = 'q'",
        "5: unknown setting delayr_b_queue; did you mean a section \
         [delayer.NAME]?",
    );
    file("[delayer]\nqos = 5", "5: delayer needs a name: write [delayer.NAME] above its settings");
    let text = format!("amqp_listen = []\namqps_listen = '*:0'\n[tls]\ncert='c'\nkey='k'\n{GOOD}");
    let files = [("leveret.toml", &*text)];
    refused(
        World { files: &files, ..World::default() },
        &["leveret"],
        78,
        "leveret: leveret.toml:6: rabbitmq-address: the broker listens with TLS only, so this has \
         to say where it is\n",
    );
    refused(
        World { variables: &[("LEVERET_DELAYER_QOS", "5")], ..World::default() },
        &["leveret"],
        78,
        "leveret: unknown environment variable LEVERET_DELAYER_QOS: it names no section \
         [delayer.NAME] of the configuration file\n",
    );
}

/// A broker with this section beside it, which listens where the system lets it.
fn with_section(dir: &Path, section: &str) -> Command {
    let toml = format!(
        "amqp_listen = '127.0.0.1:0'\nmetrics_listen = '127.0.0.1:0'\ndata_dir = 'data'\n{section}"
    );
    fs::write(dir.join("leveret.toml"), toml).unwrap();
    leveret(dir)
}

#[test]
fn a_section_that_cannot_start_ends_the_process_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    fs::write(dir.join("file"), "").unwrap();
    let section = "[delayer.a]\nqueue = 'q'\nexchange = 'x'\nstorage_address = 'file'\n\
                   [delayer.b]\nqueue = 'q'\nexchange = 'x'\n";
    let ended = Ended::of(&output(&mut with_section(dir, section)), dir);
    assert_eq!(ended.code, Some(74), "{}", ended.err);
    let last = ended.err.lines().last().unwrap();
    assert!(last.starts_with("leveret: [delayer.a] ") && last.contains("file"), "{last}");
    // The broker stopped cleanly: it starts again without it.
    let section = "[delayer.a]\nqueue = 'q'\nexchange = 'x'\nstorage_address = 'data/delayer-b'\n\
                   mode = 'both'\nwww_port = 1\nwww_ip = '192.0.2.1'\n";
    let ended = Ended::of(&output(&mut with_section(dir, section)), dir);
    assert_eq!(ended.code, Some(69), "{}", ended.err);
    assert!(!ended.err.contains("replay"), "{}", ended.err);
}

#[test]
fn delayers_end_before_the_broker_does() {
    let dir = tempfile::tempdir().unwrap().keep();
    let file = dir.join("leveret.toml");
    let toml = "[delayer.a]\nqueue = 'held'\nexchange = 'amq.topic'\ndue_sources = 'x-delay'\n\
                storage_timeout = '1ms'\nshutdown = 'return'\n";
    fs::write(&file, "").unwrap();
    let mut broker = Broker::in_dir(dir, &["--config", "leveret.toml"]);
    let c = Client::connect(&broker).channel();
    c.declare(&queue("held").durable());
    broker.restart();
    fs::write(&file, toml).unwrap();
    broker.restart();
    let c = Client::connect(&broker).channel();
    c.confirms();
    c.send_message(&message("", "held", "m").persistent().header("x-delay", 3_600_000));
    c.expect_confirms(1);
    let directory = broker.data_dir().join("delayer-a");
    let unacked = || broker.metric("rabbitmq_queue_messages_unacked");
    eventually("the message is stored", || c.counts("held") == (0, 1) && unacked() == 0.0);
    assert!(directory.is_dir());
    // It gives back what it holds, which only a broker that still runs can take.
    assert_eq!(broker.terminate().code(), Some(0), "{}", broker.stderr());
    fs::write(&file, "").unwrap();
    broker.launch();
    let c = Client::connect(&broker).channel();
    let returned = c.take("held").expect("it was given back");
    assert_eq!(returned.text(), "m");
    assert!(returned.headers().get("x-amqpdelayer-due").is_some());
}
