//! The user pages are true: every command in them runs here; links, settings and exit codes exist.
//!
//! A page is README.md or a file in `docs/`. Its commands are its blocks, indented or fenced (a
//! fence that names another language than `sh` holds none), and `code` that begins with a program
//! of ours. [`COMMANDS`] says how each is run; a command that it does not know fails. Fenced `toml`
//! and `text` are files of settings.

mod delayer;
mod dmq;
mod trigger;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use service::shutdown::Exit;

use crate::broker::{Broker, eventually, shared};
use crate::cli::{output, stderr, stdout};
use crate::server::Server;

/// How a command of a page is run. Ports and the data directory are the test's own.
enum How {
    /// Cargo builds and starts the binary; here the one that is built prints the same settings.
    CargoRun,
    /// It would run this test as well: its name and flags are looked up in xtask's help.
    Xtask,
    /// The binary reads flags, variables and files, and prints them instead of serving.
    Serve,
    /// A tool of Debian's package amqp-tools works with a started broker.
    Tool,
    /// A path of the HTTP listener of the started broker.
    Http,
    /// The delayer reads flags, variables and files, and prints them; one with a web server is
    /// started as well, between queues of the started broker.
    Delayer,
    /// A path of the web server of the started delayer.
    DelayerHttp,
    /// The binary does what the line says in a directory with the page's first file; without more
    /// words it is started, and reads a queue of the started broker.
    Trigger,
    /// A path of the web server of the started trigger.
    TriggerHttp,
    /// The binary reads the settings of a node, and shows them.
    Dmq,
    /// A path of the web server of the started DMQ node.
    DmqHttp,
    /// Makes the name by which the binary is another program.
    Link,
    /// What administers the started broker.
    Control,
    /// Definitions of the started broker, to and from files in its directory.
    Definitions,
}

/// How a command line begins, and how it is run.
const COMMANDS: &[(&str, How)] = &[
    (XTASK_RELEASED, How::Xtask),
    ("cargo run --release", How::CargoRun),
    (XTASK, How::Xtask),
    ("leveret serve", How::Serve),
    ("LEVERET_", How::Serve),
    ("amqp-", How::Tool),
    (METRICS, How::Http),
    ("leveret delayer", How::Delayer),
    ("AMQPDELAYER_", How::Delayer),
    ("leveret trigger", How::Trigger),
    (TRIGGERS, How::TriggerHttp),
    ("curl -X POST http://127.0.0.1:15693/", How::TriggerHttp),
    ("leveret dmq", How::Dmq),
    (DMQ, How::DmqHttp),
    ("curl ", How::DelayerHttp),
    ("ln -s ", How::Link),
    ("leveret definitions", How::Definitions),
    ("leveret ctl", How::Control),
    ("leveret diagnostics", How::Control),
    ("leveret queues", How::Control),
    ("leveret plugins", How::Control),
];
const XTASK: &str = "cargo xtask ";
const XTASK_RELEASED: &str = "cargo run --release -p xtask -- ";
const METRICS: &str = "curl http://127.0.0.1:15692/";
const TRIGGERS: &str = "curl http://127.0.0.1:15693/";
const DMQ: &str = "curl http://127.0.0.1:15694/";

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn read(page: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Names and texts of all user pages.
fn pages() -> Vec<(String, String)> {
    let files = fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let names = files.map(|file| format!("docs/{}", file.unwrap().file_name().display()));
    let names = names.filter(|name| name.ends_with(".md")).chain(["README.md".to_owned()]);
    names.map(|name| (name.clone(), read(&name))).collect()
}

/// Parts a page: the lines of its blocks, with their numbers from 1, and the rest.
fn parts(text: &str) -> (Vec<(usize, String)>, String) {
    let (mut block, mut prose) = (Vec::new(), String::new());
    let (mut fence, mut may_indent) = (None, true);
    for (number, line) in text.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            fence = if fence.is_none() { Some(language) } else { None };
        } else if fence.map_or(may_indent && line.starts_with("    "), |l| matches!(l, "" | "sh")) {
            block.push((number + 1, line.trim().to_owned()));
        } else if fence.is_none() {
            prose.push_str(line);
            prose.push('\n');
            may_indent = line.is_empty();
        }
    }
    (block, prose)
}

/// The `code` of a text.
fn spans(prose: &str) -> impl Iterator<Item = String> {
    prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " "))
}

/// The commands of a page and, for those of blocks, the line.
fn commands(text: &str) -> Vec<(Option<usize>, String)> {
    let (block, prose) = parts(text);
    let mut commands = Vec::<(Option<usize>, String)>::new();
    for (number, line) in block {
        let line = line.split(" # ").next().unwrap_or_default().trim_end();
        match commands.last_mut() {
            Some((_, begun)) if begun.ends_with('\\') => {
                begun.pop();
                begun.push_str(line);
            }
            _ if line.is_empty() || line.starts_with('#') => {}
            _ => commands.push((Some(number), line.to_owned())),
        }
    }
    let ours = |span: &String| span.starts_with("leveret ") || span.starts_with("cargo ");
    commands.extend(spans(&prose).filter(ours).map(|span| (None, span)));
    commands
}

/// What `cargo xtask … --help` prints; flags before it are checked.
fn xtask_help(words: &str) -> String {
    let xtask = Path::new(env!("CARGO_BIN_EXE_leveret")).with_file_name("xtask");
    assert!(xtask.exists(), "no {}: cargo build --package xtask", xtask.display());
    let done = output(Command::new(xtask).args(words.split_whitespace()).arg("--help"));
    assert!(done.status.success(), "{words}: {}", stderr(&done));
    stdout(&done)
}

/// Whether a help text explains a flag.
fn has_flag(help: &str, flag: &str) -> bool {
    help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == flag)
}

/// Runs the commands of one page, one after the other.
struct Reader {
    broker: Broker,
    /// The body that `amqp-get` has to find.
    published: String,
    delayer: Option<Server>,
    trigger: Option<trigger::Guide>,
    dmq: Option<dmq::Guide>,
}

impl Reader {
    fn run(&mut self, line: &str) {
        let known = COMMANDS.iter().find(|(start, _)| line.starts_with(start));
        let (_, how) = known.expect("COMMANDS in tests/it/docs.rs does not say how to run it");
        match how {
            How::CargoRun => cargo_run(line),
            How::Xtask => xtask(line),
            How::Serve => drop(serve(line)),
            How::Tool => self.tool(line),
            How::Http => {
                let (status, body) = self.broker.http(&line[METRICS.len() - 1..]);
                assert_eq!(status, 200, "{body}");
            }
            How::Delayer => self.delayer(line),
            How::DelayerHttp => self.delayer_http(line),
            How::Trigger => self.trigger(line),
            How::TriggerHttp => self.trigger_http(line),
            How::Dmq => self.dmq(line),
            How::DmqHttp => self.dmq_http(line),
            How::Definitions => {
                let data_dir = self.broker.data_dir();
                let there = format!("--data-dir '{}' |", data_dir.display());
                let line = format!("{line} |").replace('|', &there);
                let done = shell_in(self.broker.dir(), line.trim_end_matches('|'));
                assert!(done.status.success(), "{}", stderr(&done));
            }
            How::Control => {
                let there =
                    format!("export LEVERET_DATA_DIR='{}'", self.broker.data_dir().display());
                // A tool that is only named shows its commands.
                let help = if line.split(' ').count() == 2 { " --help" } else { "" };
                let done = shell_in(self.broker.dir(), &format!("{there}; {line}{help}"));
                assert!(done.status.success(), "{}", stderr(&done));
            }
            How::Link => {
                let made = line.replace("/usr/local/bin/", "./");
                let (name, usage) = match made.ends_with("rabbitmqctl") {
                    true => ("rabbitmqctl", "rabbitmqctl [--node <node>]"),
                    false => ("amqpdelayer", "amqpdelayer --print-config"),
                };
                let done = shell(&format!("{made} && ./{name} --help"));
                assert!(stdout(&done).contains(usage), "{}", stderr(&done));
            }
        }
    }

    fn tool(&mut self, line: &str) {
        let address = self.broker.amqp();
        let there = format!("{line} -s {} --port {}", address.ip(), address.port());
        let mut done = shell(&there);
        if line.starts_with("amqp-get ") {
            // What a delayer holds is not there yet.
            eventually("there is a message", || {
                done.status.success() || {
                    done = shell(&there);
                    done.status.success()
                }
            });
        }
        assert_ne!(done.status.code(), Some(127), "the Debian package amqp-tools is not installed");
        assert!(done.status.success(), "{}", stderr(&done));
        match line.split_once(" -b '") {
            Some((_, body)) => self.published = body.trim_end_matches('\'').to_owned(),
            None if !line.starts_with("amqp-get ") => {}
            None => assert_eq!(stdout(&done).trim_end(), self.published),
        }
    }
}

/// Where the shell finds the binary under test, and everything else.
fn path() -> String {
    let ours = Path::new(env!("CARGO_BIN_EXE_leveret")).parent().unwrap();
    format!("{}:{}", ours.display(), std::env::var("PATH").unwrap())
}

/// What a shell makes of the line; `leveret` is the binary under test.
fn shell(line: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    shell_in(directory.path(), line)
}

fn shell_in(directory: &Path, line: &str) -> Output {
    // The file of `--config FILE` lets any flag stand beside it.
    let tls = "tls_cert = 'cert.pem'\ntls_key = 'key.pem'\n";
    fs::write(directory.join("file.toml"), tls).unwrap();
    fs::write(directory.join("rabbitmq.conf"), "listeners.tcp.default = 5672\n").unwrap();
    fs::write(directory.join("all.json"), "{\"queues\": []}").unwrap();
    fs::write(directory.join("dmq.toml"), "server_address = 'sip:192.0.2.3'\n").unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", line]).env_clear().env("PATH", path()).stdin(Stdio::null());
    output(command.current_dir(directory))
}

fn serve(line: &str) -> String {
    let mut line = line.replace("HOST:PORT", "127.0.0.1:0").replace(" FILE", " file.toml");
    if !line.contains("--print-config") {
        line.push_str(" --print-config");
    }
    let done = shell(&line);
    assert!(done.status.success(), "{}", stderr(&done));
    stdout(&done)
}

fn cargo_run(line: &str) {
    assert!(read("Cargo.toml").contains("default-members = [\"crates/leveret\"]"));
    let arguments = line.split_once(" -- ").map_or("", |(_, arguments)| arguments);
    let settings = serve(&format!("leveret {arguments}"));
    assert!(settings.contains("127.0.0.1:5672") && settings.contains("127.0.0.1:15692"));
}

fn xtask(line: &str) {
    assert!(read(".cargo/config.toml").contains("\nxtask = "), "no alias");
    let words = line.strip_prefix(XTASK).or_else(|| line.strip_prefix(XTASK_RELEASED));
    let words = words.expect("it begins so");
    xtask_help(words.split(" -- ").next().unwrap());
}

#[test]
fn every_command_runs() {
    for (page, text) in pages() {
        let (broker, published) = (Broker::start(), String::new());
        let mut reader = Reader { broker, published, delayer: None, trigger: None, dmq: None };
        for (_, line) in commands(&text) {
            eprintln!("{page}: {line}");
            reader.run(&line);
        }
    }
}

#[test]
fn pages_are_short_and_begin_with_a_task() {
    for (page, text) in pages() {
        // What is made from tables is looked things up in, not read.
        let lines_max = if text.contains("This page is made from the tables") { 300 } else { 150 };
        assert!(text.lines().count() <= lines_max, "{page} is longer than {lines_max} lines");
        let first = commands(&text).first().and_then(|(number, _)| *number);
        assert!(first.is_some_and(|n| n <= 15), "{page}: no command in the first 15 lines");
    }
}

#[test]
fn links_lead_to_files() {
    let others = ["ARCHITECTURE.md", "CHANGELOG.md"].map(|page| (page.to_owned(), read(page)));
    for (page, text) in pages().into_iter().chain(others) {
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            let file = Path::new(ROOT).join(&page).parent().unwrap().join(target);
            assert!(target.contains("://") || file.exists(), "{page}: no {target}");
        }
    }
}

#[test]
fn settings_that_pages_mention_exist() {
    let help = |words: &str| {
        let words = words.split(' ').chain(["--help"]);
        stdout(&output(Command::new(env!("CARGO_BIN_EXE_leveret")).args(words)))
    };
    let others =
        ["delayer", "trigger", "trigger render", "trigger test", "dmq", "ctl list_delayed"]
            .map(help);
    let (help, xtask_help) = (help("serve"), xtask_help("bench-trigger"));
    let metrics = shared().http("/metrics").1;
    let setting = |name: &str| has_flag(&help, &format!("--{}", name.replace('_', "-")));
    let is_name = |word: &str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    for (page, text) in pages() {
        for span in spans(&parts(&text).1).filter(|span| !span.starts_with("cargo ")) {
            for word in span.split([' ', '=']) {
                let mut helps = others.iter().chain([&help, &xtask_help]);
                let flag = !word.starts_with("--") || helps.any(|help| has_flag(help, word));
                assert!(flag, "{page}: no flag {word}");
                let of_a_section = [
                    "LEVERET_DELAYER_",
                    "LEVERET_TRIGGER_",
                    "LEVERET_BROKER_",
                    "LEVERET_ACCOUNT_",
                    "LEVERET_DMQ_",
                    "LEVERET_CONTROL_SOCKET",
                ];
                if of_a_section.iter().any(|prefix| word.starts_with(prefix)) {
                    continue;
                }
                let name = word.strip_prefix("LEVERET_").unwrap_or_default().to_lowercase();
                let known = !is_name(&name) || setting(name.trim_end_matches("_file"));
                assert!(name.is_empty() || known, "{page}: no variable {word}");
            }
            if page.ends_with("operations.md") && is_name(&span) && span.contains('_') {
                let known = setting(&span) || help.contains(&span) || metrics.contains(&span);
                assert!(known, "{page}: no setting, value or metric {span}");
            }
        }
    }
}

#[test]
fn exit_codes_are_those_of_the_process() {
    let text = read("docs/operations.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let rows: Vec<&str> = rows.filter(|row| row.starts_with(char::is_numeric)).collect();
    assert_eq!(rows.len(), Exit::ALL.len(), "{rows:?}");
    for (row, exit) in rows.iter().zip(Exit::ALL) {
        let expected = format!("{} | {} | ", exit.code(), exit.meaning());
        assert!(row.starts_with(&expected), "{row}: expected {expected}");
    }
}
