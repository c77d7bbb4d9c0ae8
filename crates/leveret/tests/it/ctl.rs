//! `rabbitmqctl` and its siblings: sessions in `ctl/*.txt`, played with Leveret and with RabbitMQ.
//!
//! A session is a file of commands and what they have to answer, taken from RabbitMQ 3.10.8:
//!
//! ```text
//! $ list_users -q          the command, of rabbitmqctl unless it names another tool
//! ~ alice                  of the rows of a listing only the first and those with this word count
//! = 70                     the exit code, 0 when it is not said
//! user    tags             stdout
//! ! Error:                 stderr
//! ```
//!
//! `NODE` is the node's name. Spaces at the ends of lines, and bold type, do not count.

mod connections;
mod node;

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use amqp::method::ConnectionTuneOk;
use amqp::value::Value;
use rustix::system::uname;

use crate::broker::Broker;
use crate::cli::{leveret, output, stderr, stdout};
use crate::client::Client;
use crate::client::arguments::{consume, exchange, queue, table};
use crate::client::login::Login;
use crate::client::message::message;
use crate::peers;
use crate::site::{BrokerKind, Site};

/// One command, and its answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    words: Vec<String>,
    /// Which rows count, if not all.
    only: Option<String>,
    exit: i32,
    out: Vec<String>,
    err: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("$ ") {
            steps.push(Step { words: words(line), ..Step::default() });
            continue;
        }
        let Some(step) = steps.last_mut() else { continue };
        let line = line.trim_end().to_owned();
        if let Some(word) = line.strip_prefix("~ ") {
            step.only = Some(word.to_owned());
        } else if let Some(code) = line.strip_prefix("= ") {
            step.exit = code.parse().unwrap();
        } else if let Some(err) = line.strip_prefix('!') {
            step.err.push(err.strip_prefix(' ').unwrap_or(err).to_owned());
        } else {
            step.out.push(line);
        }
    }
    for step in &mut steps {
        trim(&mut step.out);
        trim(&mut step.err);
    }
    steps
}

/// The words of a line as a shell splits them; quotes are single ones.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

fn trim(lines: &mut Vec<String>) {
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
}

/// What a process wrote, in the form of the sessions.
fn lines(text: &str, node: &str) -> Vec<String> {
    let plain = text.replace("\x1b[1m", "").replace("\x1b[0m", "").replace(node, "NODE");
    let mut lines: Vec<String> = plain.lines().map(|line| line.trim_end().to_owned()).collect();
    trim(&mut lines);
    lines
}

/// Where sessions are played.
struct Stage {
    site: Site,
    node: String,
}

impl Stage {
    fn of(kind: BrokerKind) -> Stage {
        let site = Site::of(kind);
        let node = match &site {
            Site::Leveret(_) => {
                let system = uname();
                let host = system.nodename().to_str().unwrap().to_owned();
                format!("rabbit@{}", host.split('.').next().unwrap())
            }
            Site::RabbitMq(address) => format!("oracle{}@localhost", address.port()),
        };
        Stage { site, node }
    }

    /// Plays one command.
    fn run(&self, words: &[String]) -> Output {
        let (tool, words) = match words[0].starts_with("rabbitmq-") {
            true => (words[0].as_str(), &words[1..]),
            false => ("rabbitmqctl", words),
        };
        match &self.site {
            Site::Leveret(broker) => {
                let command = match tool {
                    "rabbitmqctl" => "ctl",
                    tool => tool.strip_prefix("rabbitmq-").unwrap(),
                };
                let mut run = leveret(broker.dir());
                output(run.arg(command).args(words).env("LEVERET_DATA_DIR", broker.data_dir()))
            }
            Site::RabbitMq(_) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                peers::rabbitmq_tool(tool, &words)
            }
        }
    }

    #[track_caller]
    fn play(&self, session: &str) {
        let mut wrong = String::new();
        for step in steps(session) {
            let done = self.run(&step.words);
            let mut out = lines(&stdout(&done), &self.node);
            if let Some(word) = &step.only {
                out.retain(|line| step.out.contains(line) || has_word(line, word));
            }
            let answered = Step {
                words: step.words.clone(),
                only: step.only.clone(),
                exit: done.status.code().unwrap_or(-1),
                out,
                err: lines(&stderr(&done), &self.node),
            };
            if answered != step {
                wrong += &format!("expected {step:#?}\nanswered {answered:#?}\n\n");
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| c.is_whitespace() || c == '"' || c == ',').any(|part| part == word)
}

/// Sessions that need nothing but the node, and change nothing that others see.
#[test]
fn every_session_is_read() {
    for session in [USERS, VHOSTS, POLICIES, THINGS, HEALTH, APPLICATION, OWN] {
        assert!(steps(session).len() > 5);
    }
}

const USERS: &str = include_str!("ctl/users.txt");
const VHOSTS: &str = include_str!("ctl/vhosts.txt");
const POLICIES: &str = include_str!("ctl/policies.txt");
const THINGS: &str = include_str!("ctl/things.txt");
const HEALTH: &str = include_str!("ctl/health.txt");
const APPLICATION: &str = include_str!("ctl/application.txt");
const OWN: &str = include_str!("ctl/own.txt");

fn users(kind: BrokerKind) {
    Stage::of(kind).play(USERS);
}

fn vhosts(kind: BrokerKind) {
    Stage::of(kind).play(VHOSTS);
}

fn policies(kind: BrokerKind) {
    Stage::of(kind).play(POLICIES);
}

fn health(kind: BrokerKind) {
    Stage::of(kind).play(HEALTH);
}

fn application(kind: BrokerKind) {
    Stage::of(kind).play(APPLICATION);
}

fn own(kind: BrokerKind) {
    Stage::of(kind).play(OWN);
}

/// What the session `things.txt` finds is made over AMQP.
fn things(kind: BrokerKind) {
    let stage = Stage::of(kind);
    stage.play("$ add_vhost -q ctl_t\n$ set_permissions -q -p ctl_t guest .* .* .*\n");
    let limits = ConnectionTuneOk { channel_max: 2047, frame_max: 131_072, heartbeat: 0 };
    let login = Login { vhost: "ctl_t", tune: Some(limits), ..Login::default() };
    let client = login.open(stage.site.amqp());
    let channel = client.channel();
    let alternate = exchange("e1", "topic").durable().arg("alternate-exchange", "ae");
    channel.declare_exchange(&alternate);
    let limited = queue("q1").durable().arg("x-max-length", 10);
    channel.declare(&limited.arg("x-dead-letter-exchange", "dlx"));
    channel.declare(&queue("q2").durable());
    let arguments =
        table([("k", Value::from("v")), ("n", Value::I32(1)), ("b", Value::Bool(true))]);
    channel.bind_with("q1", "e1", "a.#", &arguments);
    channel.publish("", "q1", "hello");
    channel.publish("", "q1", "hello2");
    channel.prefetch(5);
    channel.consume(&consume("q1").tag("ctag").arg("x-priority", 3));
    channel.delivery();
    channel.delivery();
    stage.play(THINGS);
    client.expect_close(320, (0, 0), "CONNECTION_FORCED - bye");
    stage.play("$ delete_vhost -q ctl_t\n");
}

/// Messages that wait for their time are listed by it, can be dropped, and sent on before it.
#[test]
fn delayed_messages_are_listed_cancelled_and_released() {
    let broker = Broker::start();
    let client = Client::connect(&broker);
    let channel = client.channel();
    channel
        .declare_exchange(&exchange("later", "x-delayed-message").arg("x-delayed-type", "direct"));
    channel.declare(&queue("q"));
    channel.bind("q", "later", "k");
    for (body, delay_ms) in [("second", 7_200_000), ("first", 3_600_000)] {
        channel.send_message(&message("later", "k", body).header("x-delay", delay_ms));
    }
    // The answer follows what was published before.
    channel.counts("q");
    let listed = broker.ctl(&["list_delayed", "-s", "later"]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|row| row.split('\t').collect()).collect();
    let [first, second] = &rows[..] else { panic!("{listed}") };
    assert_eq!(first[3..], ["later", "k", "5"]);
    assert_eq!(second[3..], ["later", "k", "6"]);
    assert!(first[1].parse::<u64>().unwrap() < second[1].parse().unwrap());
    assert_eq!(broker.ctl(&["list_delayed", "-s", "--limit", "1"]).lines().count(), 1);
    broker.ctl(&["cancel_delayed", first[0]]);
    broker.ctl(&["release_delayed", second[0]]);
    assert_eq!(broker.ctl(&["list_delayed", "-s"]), "");
    channel.consume(&consume("q"));
    channel.expect_bodies(&["second"]);
}

/// Only what is durable is there after `stop_app` and `start_app`, at the same address; clients are told.
#[test]
fn the_application_restarts_as_the_process_would() {
    let broker = Broker::start();
    let client = Client::connect(&broker);
    let channel = client.channel();
    channel.declare(&queue("durable").durable());
    channel.declare(&queue("transient"));
    channel.confirms();
    channel.send_message(&message("", "durable", "kept").persistent());
    channel.send_message(&message("", "durable", "lost"));
    channel.expect_confirms(2);
    broker.ctl(&["stop_app"]);
    client.expect_close(320, (0, 0), "CONNECTION_FORCED - broker forced connection closure");
    assert!(std::net::TcpStream::connect(broker.amqp()).is_err());
    broker.ctl(&["start_app"]);
    let client = Client::connect(&broker);
    let channel = client.channel();
    assert_eq!(channel.counts("durable"), (1, 0));
    assert_eq!(broker.ctl(&["list_queues", "-s", "name"]), "durable\n");
    // The socket is the owner's, and gone with the process.
    let socket = broker.data_dir().join("control.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
}

/// `shutdown` ends the process and waits for its end; then nobody answers.
#[test]
fn a_node_that_is_gone_is_missed() {
    let mut broker = Broker::start();
    let said = broker.ctl(&["shutdown"]);
    assert!(said.ends_with("successfully shut down\n"), "{said}");
    assert!(broker.ended().success());
    assert!(!broker.data_dir().join("control.sock").exists());
    let mut command = leveret(broker.dir());
    let done =
        output(command.args(["ctl", "list_users"]).env("LEVERET_DATA_DIR", broker.data_dir()));
    assert_eq!(done.status.code(), Some(69));
    assert!(stderr(&done).starts_with("Error: no node listens at "), "{}", stderr(&done));
    // A socket that a killed process left is replaced.
    broker.launch();
    broker.crash();
    assert_eq!(broker.ctl(&["list_vhosts", "-s"]), "/\n");
}

stories! {
    brokers: [users, vhosts, policies, things],
    // Alarms, and an application that stops, would disturb who else uses the RabbitMQ of the tests.
    home: [health, application, own],
}
