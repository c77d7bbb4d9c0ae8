//! Commands that behave and commands that do not: scripts of /bin/sh, run as processes.

mod badly_behaved;
mod environment;
mod streams;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use amqp::content::PropertiesBuf;
use bytes::Bytes;
use service::config::Size;

use super::*;
use crate::config::{ExitMeaning, ExitPreset};
use crate::payload::{Metadata, Rendered};

/// Longer than any run takes that is not meant to take too long.
const LONG: Duration = Duration::from_secs(60);

/// A script, and the directory in which it runs.
struct Script {
    directory: tempfile::TempDir,
    config: CommandConfig,
}

impl Script {
    fn new(text: &str) -> Script {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        fs::write(&path, text).unwrap();
        let config = CommandConfig {
            argv: ["/bin/sh".to_owned(), path.to_str().unwrap().to_owned()].into_iter().collect(),
            directory: Some(directory.path().to_owned()),
            kill_after_ms: 100,
            ..CommandConfig::default()
        };
        Script { directory, config }
    }

    fn command(&self) -> Command {
        Command::new(&self.config, "orders", "in", true).unwrap()
    }

    async fn run(&self, run: &Run) -> Outcome {
        self.command().run(run).await
    }

    /// A file that the script wrote.
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    /// Waits for the number of a process that the script writes to a file, with its line end.
    async fn pid(&self, name: &str) -> PathBuf {
        until(|| self.read(name).ends_with('\n')).await;
        PathBuf::from(format!("/proc/{}", self.read(name).trim()))
    }
}

/// Waits for what other processes do.
async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(waiting).await;
}

async fn timeout<T>(waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, waiting).await.expect("it happens within a minute")
}

fn run_of(body: &'static [u8]) -> Run {
    let properties =
        PropertiesBuf { message_id: Some(b"order-7".into()), ..PropertiesBuf::default() };
    Run {
        message: Rc::new(Message {
            redelivered: true,
            properties: properties.encode(),
            body: Bytes::from_static(body),
            ..Message::default()
        }),
        rendered: Rendered { body: Bytes::from_static(b"the envelope"), ..Rendered::default() },
        metadata: Metadata {
            attempt: 2,
            execution_id: "0199-abc".into(),
            deadline_ms: 1_795_338_487_006,
        },
        timeout: LONG,
    }
}

fn retry(reason: Reason, text: &str) -> Verdict {
    Verdict::Retry(reason, text.into())
}

#[tokio::test]
async fn the_exit_code_says_what_becomes_of_the_message() {
    let failed = |code: u8| retry(Reason::Failed, &format!("exit {code}: so it is"));
    let dead = |code: u8| Verdict::Dead(Reason::Rejected, format!("exit {code}: so it is"));
    let sysexits = [
        (0, Verdict::Done),
        (1, failed(1)),
        (65, dead(65)),
        (75, failed(75)),
        (127, failed(127)),
        (255, failed(255)),
    ];
    let corvus = [
        (0, Verdict::Done),
        (3, dead(3)),
        (4, Verdict::Requeue),
        (5, dead(5)),
        (6, Verdict::Requeue),
        (65, failed(65)),
    ];
    for (preset, codes) in [(ExitPreset::Sysexits, sysexits), (ExitPreset::Corvus, corvus)] {
        for (code, expected) in codes {
            let mut script = Script::new(&format!("echo so it is >&2; exit {code}"));
            script.config.exit_preset = preset;
            let outcome = script.run(&run_of(b"")).await;
            assert_eq!(outcome.verdict, expected, "{preset:?} {code}");
            let said = matches!(expected, Verdict::Retry(..) | Verdict::Dead(..));
            let expected = format!("exit {code}{}", if said { ": so it is" } else { "" });
            assert_eq!(outcome.summary, expected);
            assert_eq!(outcome.reply.is_some(), code == 0, "{preset:?} {code}");
            assert_eq!(outcome.pause, None);
        }
    }
}

#[test]
fn codes_of_the_configuration_come_before_the_preset() {
    let differing = [(0, ExitMeaning::Requeue), (65, ExitMeaning::Ok), (9, ExitMeaning::Drop)];
    let codes = ExitCodes::new(ExitPreset::Sysexits, &differing);
    let verdict = |code| codes.verdict(code, || "why".into());
    assert_eq!(verdict(0), Verdict::Requeue);
    assert_eq!(verdict(65), Verdict::Done);
    assert_eq!(verdict(9), Verdict::Drop);
    assert_eq!(verdict(75), retry(Reason::Failed, "why"));
}

#[tokio::test]
async fn a_signal_is_a_failure() {
    let outcome = Script::new("kill -9 $$").run(&run_of(b"")).await;
    assert_eq!(outcome.verdict, retry(Reason::Failed, "signal 9"));
    assert_eq!(outcome.summary, "signal 9");
}

#[tokio::test]
async fn the_command_reads_the_envelope_or_the_body() {
    let mut script = Script::new("cat");
    for (stdin, expected) in [(Stdin::Envelope, "the envelope"), (Stdin::Body, "the body")] {
        script.config.stdin = stdin;
        let outcome = script.run(&run_of(b"the body")).await;
        let reply = outcome.reply.unwrap();
        assert_eq!(reply, Reply { content_type: String::new(), body: expected.into() });
    }
}

#[tokio::test]
async fn without_a_reply_nothing_is_kept() {
    let script = Script::new("echo hello");
    let command = Command::new(&script.config, "orders", "in", false).unwrap();
    let outcome = command.run(&run_of(b"")).await;
    assert_eq!((outcome.verdict, outcome.reply), (Verdict::Done, None));
}

#[tokio::test]
async fn the_command_leads_a_group_in_its_directory() {
    let script = Script::new("read a b c d group rest < /proc/$$/stat; echo $group $$; pwd -P");
    let reply = script.run(&run_of(b"")).await.reply.unwrap();
    let text = str::from_utf8(&reply.body).unwrap();
    let (numbers, place) = text.trim().split_once('\n').unwrap();
    let (group, pid) = numbers.split_once(' ').unwrap();
    assert_eq!(group, pid);
    assert_eq!(PathBuf::from(place), script.directory.path().canonicalize().unwrap());
}

fn refused(config: &CommandConfig) -> String {
    Command::new(config, "orders", "in", false).unwrap_err().to_string()
}

#[test]
fn what_cannot_run_is_said_at_once() {
    let argv = |argv: &[&str]| CommandConfig {
        argv: argv.iter().copied().collect(),
        environment: ["PATH=/nowhere:/usr/bin"].into_iter().collect(),
        ..CommandConfig::default()
    };
    assert!(Command::new(&argv(&["env", "x"]), "orders", "in", false).is_ok());
    assert_eq!(refused(&argv(&[])), "command.argv is empty: name the program and its arguments");
    assert_eq!(
        refused(&argv(&["no-such-program"])),
        "the program \"no-such-program\" of command.argv is in no directory of PATH \
         (/nowhere:/usr/bin): give its whole path, or set PATH in command.environment"
    );
    let missing = "the program /no/such of command.argv cannot be run: No such file or directory";
    assert!(refused(&argv(&["/no/such"])).starts_with(missing));
    assert!(refused(&argv(&["/etc"])).ends_with("it is not a file"));
    assert!(refused(&argv(&["/etc/passwd"])).contains("Permission denied"));

    let mut config = argv(&["env"]);
    config.directory = Some("/no/such/place".into());
    assert!(refused(&config).starts_with("command.directory /no/such/place: No such file"));
    config.directory = Some("/bin/sh".into());
    assert!(refused(&config).starts_with("command.directory /bin/sh: "));
    for wrong in ["=x", "", "A=b\0c"] {
        config.environment = [wrong].into_iter().collect();
        assert!(refused(&config).contains("expected NAME=value or NAME"), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_program_with_a_slash_is_relative_to_its_directory() {
    let mut script = Script::new("#!/bin/sh\necho \"$0 $*\"");
    let path = script.directory.path().join("script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    script.config.argv = ["./script", "a b", "$HOME"].into_iter().collect();
    let reply = script.run(&run_of(b"")).await.reply.unwrap();
    assert_eq!(
        str::from_utf8(&reply.body).unwrap().trim(),
        format!("{} a b $HOME", path.display())
    );
}

#[tokio::test]
async fn a_program_that_has_gone_is_tried_again() {
    let mut script = Script::new("#!/bin/sh\nexit 0");
    let path = script.directory.path().join("script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    script.config.argv = ["./script"].into_iter().collect();
    let command = script.command();
    let not_started = |why: &str| {
        retry(Reason::NotStarted, &format!("{} cannot be started: {why}", path.display()))
    };
    assert_eq!(command.run(&run_of(b"")).await.verdict, Verdict::Done);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = command.run(&run_of(b"")).await;
    assert_eq!(outcome.verdict, not_started("Permission denied (os error 13)"));
    fs::remove_file(&path).unwrap();
    let outcome = command.run(&run_of(b"")).await;
    assert_eq!(outcome.verdict, not_started("No such file or directory (os error 2)"));
    assert_eq!(outcome.summary, "not started: No such file or directory (os error 2)");
}
