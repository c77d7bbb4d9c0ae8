//! The command line: help that names everything, settings with their origins, and refusals in one
//! line with an exit code that says what kind they are.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use server::config::SETTINGS;

/// A process that is refused ends long before.
const END_MAX: Duration = Duration::from_secs(30);

/// The binary, told nothing by the environment and with `directory` as its own.
pub(crate) fn leveret(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.env_clear().current_dir(directory).stdin(Stdio::null());
    command
}

/// Runs the binary to its end in a new directory.
fn run(arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    output(leveret(directory.path()).args(arguments))
}

/// Runs `command` to its end; one that does not end within [`END_MAX`] is killed.
pub(crate) fn output(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (done, waiting) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if waiting.recv_timeout(END_MAX) == Err(RecvTimeoutError::Timeout) {
            kill_process(pid, Signal::KILL).unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watchdog.join().unwrap();
    output
}

/// What a finished process wrote to stdout.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a finished process wrote to stderr.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs with these arguments, files and variables; `DIR` stands for the directory afterwards.
fn run_in(
    arguments: &[&str],
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> (Output, String, String) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut command = leveret(directory.path());
    let output = output(command.args(arguments).envs(variables.iter().copied()));
    let (out, err) = (stdout(&output), stderr(&output));
    (output, out, err)
}

#[track_caller]
fn refused(
    arguments: &[&str],
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
    code: i32,
    expected: &str,
) {
    let (output, out, err) = run_in(arguments, files, variables);
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert_eq!(out, "");
    assert_eq!(err, expected);
}

#[test]
fn help_shows_commands_and_examples() {
    for argument in ["--help", "-h", "help"] {
        let output = run(&[argument]);
        assert_eq!(output.status.code(), Some(0));
        let help = stdout(&output);
        for expected in ["serve", "Examples:", "leveret serve --print-config", "./leveret-data"] {
            assert!(help.contains(expected), "{argument}: {help}");
        }
    }
}

#[test]
fn help_of_serve_shows_every_setting_in_100_columns() {
    let help = stdout(&run(&["serve", "--help"]));
    for setting in SETTINGS.table {
        let flag = service::config::flag(setting.name);
        assert!(help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}[")), "{flag}");
    }
    let longest = help.lines().max_by_key(|line| line.len()).unwrap();
    assert!(longest.len() <= 100, "{longest}");
    assert!(!help.contains("guest\" guest"), "{help}");
}

#[test]
fn version_is_the_programs_own() {
    let expected = format!("leveret {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&run(&["--version"])), expected);
    assert_eq!(stdout(&run(&["-V"])), expected);
}

#[test]
fn print_config_shows_values_and_origins() {
    let (output, out, err) = run_in(
        &["--print-config", "--amqp-listen", "*:0", "--amqp-listen=localhost:1"],
        &[
            ("leveret.toml", "\nheartbeat = 30\n[log]\nlevel = 'debug'"),
            ("conf.d/a.toml", "heartbeat = 20"),
        ],
        &[("LEVERET_MAX_MESSAGE_SIZE", "1MiB"), ("STATE_DIRECTORY", "/var/lib/x")],
    );
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""));
    let lines: Vec<_> =
        out.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "amqp_listen = [\"*:0\", \"localhost:1\"] # flag --amqp-listen",
        "heartbeat = 20 # conf.d/a.toml:1",
        "log_level = \"debug\" # leveret.toml:4",
        "max_message_size = \"1MiB\" # environment LEVERET_MAX_MESSAGE_SIZE",
        "data_dir = \"/var/lib/x\" # environment STATE_DIRECTORY",
        "metrics_listen = [\"127.0.0.1:15692\"] # default",
        "# default_pass is secret # default",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{out}");
    }
    assert_eq!(lines.len(), SETTINGS.table.len());
}

#[test]
fn serve_is_what_runs_without_a_command() {
    let (_, with, _) = run_in(&["serve", "--print-config", "--heartbeat", "7"], &[], &[]);
    let (_, without, _) = run_in(&["--heartbeat", "7", "--print-config"], &[], &[]);
    assert_eq!(with, without);
}

#[test]
fn a_wrong_setting_is_one_line_and_78() {
    refused(
        &[],
        &[("leveret.toml", "heartbeat = 1\namqp_lisen = 'x'")],
        &[],
        78,
        "leveret: leveret.toml:2: unknown setting amqp_lisen; did you mean amqp_listen?\n",
    );
    refused(
        &["serve"],
        &[("conf.d/b.toml", "heartbeat = -1"), ("leveret.toml", "")],
        &[],
        78,
        "leveret: conf.d/b.toml:1: heartbeat: expected a whole number from 0 to 65535, got \"-1\"\n",
    );
    refused(
        &[],
        &[],
        &[("LEVERET_DATADIR", "x")],
        78,
        "leveret: unknown environment variable LEVERET_DATADIR; did you mean LEVERET_DATA_DIR?\n",
    );
    refused(
        &["--config", "absent.toml"],
        &[],
        &[],
        78,
        "leveret: cannot read the configuration file absent.toml: \
         No such file or directory (os error 2)\n",
    );
}

#[test]
fn a_wrong_command_line_is_64() {
    refused(
        &["--amqp-listen", "5672"],
        &[],
        &[],
        64,
        "leveret: --amqp-listen: expected HOST:PORT such as \"127.0.0.1:5672\" or \"[::1]:5672\", \
         got \"5672\"\n",
    );
    for (arguments, expected) in [
        (&["--heartbeet", "1"][..], "'--heartbeat'"),
        (&["serv"][..], "'serve'"),
        (&["serve", "--heartbeat"][..], "a value is required"),
        (&["serve", "--heartbeat", "1", "--heartbeat", "2"][..], "cannot be used multiple times"),
    ] {
        let (output, _, err) = run_in(arguments, &[], &[]);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
}
