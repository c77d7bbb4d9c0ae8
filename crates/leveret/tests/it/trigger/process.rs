//! A running `leveret trigger` for a test.

use std::process::{Command, ExitStatus};

use rustix::process::Signal;
use serde_json::Value;

use crate::server::{Server, eventually};

/// A directory with its `trigger.toml`, and the process that obeys it.
pub(crate) struct Trigger {
    server: Server,
    variables: Vec<(String, String)>,
}

impl Trigger {
    /// One that does not run yet, in a directory of its own.
    pub(crate) fn new() -> Trigger {
        let dir = tempfile::tempdir().expect("a temporary directory").keep();
        Trigger { server: Server::in_dir("trigger", dir), variables: Vec::new() }
    }

    /// Writes a file of its directory.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.server.dir().join(name), text).unwrap();
    }

    /// Sets a variable of the next launch.
    pub(crate) fn set_variable(&mut self, name: &str, value: impl ToString) {
        self.variables.push((name.to_owned(), value.to_string()));
    }

    /// `leveret trigger` with more words and its file.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        command.arg("trigger").args(words).args(["--config", "trigger.toml"]);
        command.current_dir(self.server.dir());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Starts the process.
    #[track_caller]
    pub(crate) fn launch(&mut self) {
        let mut command = self.command(&[]);
        self.server.launch(&mut command);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Where it works.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.server.dir()
    }

    /// Kills the process at once.
    pub(crate) fn kill9(&mut self) {
        self.server.kill9();
    }

    /// Stops the process cleanly.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.server.stop();
    }

    /// Sends SIGTERM without waiting for anything.
    pub(crate) fn ask_to_stop(&self) {
        self.server.ask_to_stop();
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.server.signal(Signal::HUP);
    }

    /// Waits until the process is gone.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.server.ended()
    }

    /// What it logged.
    pub(crate) fn stderr(&self) -> String {
        self.server.stderr()
    }

    /// One request to its web server: status and body of the answer.
    #[track_caller]
    pub(crate) fn http(&self, method: &str, path: &str) -> (u16, String) {
        self.server.http("http", method, path, "")
    }

    /// A request that a browser sends for a page of this site; the status of the answer.
    #[track_caller]
    pub(crate) fn http_from(&self, origin: &str, method: &str, path: &str) -> u16 {
        let lines = format!("origin: {origin}\r\n");
        self.server.http_with("http", method, path, &lines, "").0
    }

    /// A request to its web server, with JSON in a good answer.
    #[track_caller]
    pub(crate) fn api(&self, method: &str, path: &str) -> Value {
        let (status, text) = self.http(method, path);
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The sum of the samples of `leveret_trigger_NAME` that have all of these labels.
    #[track_caller]
    pub(crate) fn metric_with(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let (status, text) = self.http("GET", "/metrics");
        assert_eq!(status, 200, "{text}");
        let name = format!("leveret_trigger_{name}");
        let mut known = false;
        let mut sum = 0.0;
        for line in text.lines() {
            let Some(rest) = line.strip_prefix(&name).filter(|rest| rest.starts_with([' ', '{']))
            else {
                continue;
            };
            known = true;
            let has =
                |(label, value): &(&str, &str)| rest.contains(&format!("{label}=\"{value}\""));
            if labels.iter().all(has) {
                sum += rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
            }
        }
        assert!(known, "no metric {name} in\n{text}");
        sum
    }

    /// The sum of the samples of `leveret_trigger_NAME`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.metric_with(name, &[])
    }

    /// A metric has this value or gets it.
    #[track_caller]
    pub(crate) fn expect_metric(&self, name: &str, value: u64) {
        self.expect_metric_with(name, &[], value);
    }

    #[track_caller]
    fn expect_metric_with(&self, name: &str, labels: &[(&str, &str)], value: u64) {
        let mut last = f64::NAN;
        let what = format!("{name} {labels:?} {value}");
        let end = std::time::Instant::now() + crate::server::DEADLINE;
        while last != value as f64 {
            last = self.metric_with(name, labels);
            let now = std::time::Instant::now();
            assert!(now < end || last == value as f64, "{what}: it is {last}");
        }
    }

    /// So many messages or runs had this outcome, or get it.
    #[track_caller]
    pub(crate) fn expect_outcome(&self, outcome: &str, count: u64) {
        self.expect_metric_with("outcomes_total", &[("outcome", outcome)], count);
    }

    /// So many messages failed for good for this reason, or get to.
    #[track_caller]
    pub(crate) fn expect_dead(&self, reason: &str, count: u64) {
        self.expect_metric_with("dead_total", &[("reason", reason)], count);
    }

    /// So many messages were refused for this reason, or get to be.
    #[track_caller]
    pub(crate) fn expect_refused(&self, reason: &str, count: u64) {
        self.expect_metric_with("refused_total", &[("reason", reason)], count);
    }

    /// The log has a line with all of these words, or gets one.
    #[track_caller]
    pub(crate) fn expect_log(&self, words: &[&str]) {
        let has = |line: &str| words.iter().all(|word| line.contains(word));
        eventually(&format!("a line with {words:?} in the log"), || {
            self.http("GET", "/healthz");
            self.stderr().lines().any(has)
        });
    }

    /// `/readyz` answers with this status, or gets to; what it says.
    #[track_caller]
    pub(crate) fn expect_ready(&self, status: u16) -> String {
        let mut last = (0, String::new());
        eventually(&format!("/readyz with {status}"), || {
            last = self.http("GET", "/readyz");
            last.0 == status
        });
        last.1
    }

    /// What the trigger of this name is doing, in a word.
    #[track_caller]
    pub(crate) fn condition(&self, name: &str) -> String {
        let trigger = self.api("GET", &format!("/api/triggers/{name}"));
        let condition = &trigger["condition"];
        condition.as_str().unwrap_or_else(|| panic!("{trigger}")).to_owned()
    }

    /// The trigger is doing this, or gets to.
    #[track_caller]
    pub(crate) fn expect_condition(&self, name: &str, word: &str) {
        eventually(&format!("{name} is {word}"), || self.condition(name) == word);
    }
}
