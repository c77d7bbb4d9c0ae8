//! A running `leveret delayer` for a test.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use serde_json::Value;

use super::world::StoreKind;
use crate::peers;
use crate::server::{Server, eventually};

/// Options, and the process that obeys them.
pub(crate) struct Delayer {
    server: Server,
    options: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    /// A command that ends by becoming the one that is appended to it.
    wrapper: Vec<String>,
}

impl Delayer {
    /// One that does not run yet, in a directory of its own.
    pub(crate) fn new() -> Delayer {
        let dir = tempfile::tempdir().expect("a temporary directory").keep();
        let mut delayer = Delayer {
            server: Server::in_dir("delayer", dir),
            options: Vec::new(),
            variables: Vec::new(),
            wrapper: Vec::new(),
        };
        delayer.set("www-ip", "127.0.0.1");
        delayer.set("www-port", "auto");
        delayer
    }

    /// Sets an option of the next launch.
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) {
        self.options.retain(|(known, _)| known != name);
        self.options.push((name.to_owned(), value.to_string()));
    }

    /// Sets a variable of the next launch.
    pub(crate) fn set_variable(&mut self, name: &str, value: impl ToString) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_string()));
    }

    /// Runs the process by a command that ends by becoming what is appended to it.
    pub(crate) fn run_under(&mut self, wrapper: impl IntoIterator<Item = String>) {
        self.wrapper = wrapper.into_iter().collect();
    }

    /// Sets the storage of the next launch.
    pub(crate) fn store_in(&mut self, store: StoreKind, id: &str) {
        let engine = match store {
            StoreKind::Log => "log",
            StoreKind::Lmdb => "lmdb",
            StoreKind::MongoDb => {
                self.set("storage-address", peers::mongodb(id));
                return;
            }
        };
        self.set("storage-engine", engine);
        self.set("storage-address", self.storage().display().to_string());
        self.set("storage-mapsize", "256MiB");
    }

    /// Where a store on disk is.
    pub(crate) fn storage(&self) -> PathBuf {
        self.server.dir().join("storage")
    }

    /// The command that runs it.
    pub(crate) fn command(&self) -> Command {
        let own = [env!("CARGO_BIN_EXE_leveret").to_owned(), "delayer".to_owned()];
        let flags = self.options.iter().map(|(name, value)| format!("--{name}={value}"));
        let mut words = self.wrapper.iter().cloned().chain(own).chain(flags);
        let mut command = Command::new(words.next().expect("it has a name"));
        command.args(words).current_dir(self.server.dir());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Starts the process.
    #[track_caller]
    pub(crate) fn launch(&mut self) {
        let mut command = self.command();
        self.server.launch(&mut command);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Kills the process at once.
    pub(crate) fn kill9(&mut self) {
        self.server.kill9();
    }

    /// Kills the process and starts it again.
    #[track_caller]
    pub(crate) fn crash(&mut self) {
        self.kill9();
        self.launch();
    }

    /// Stops the process cleanly.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.server.stop();
    }

    /// Stops the process cleanly and starts it again.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Sends SIGTERM without waiting for anything.
    pub(crate) fn ask_to_stop(&self) {
        self.server.ask_to_stop();
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
    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.server.http("http", method, path, body)
    }

    /// The same, with JSON in a good answer.
    #[track_caller]
    pub(crate) fn api(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, text) = self.http(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The value of a metric, summed over its labels.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.server.metric("http", name)
    }

    /// A metric has this value or gets it.
    #[track_caller]
    pub(crate) fn expect_metric(&self, name: &str, value: f64) {
        let mut last = f64::NAN;
        eventually(&format!("{name} {value}"), || {
            last = self.metric(name);
            last == value
        });
    }

    /// The log has a line with all of these words, or gets one.
    #[track_caller]
    pub(crate) fn expect_log(&self, words: &[&str]) {
        let has = |line: &str| words.iter().all(|word| line.contains(word));
        eventually(&format!("a line with {words:?} in the log"), || {
            self.metric("amqpdelayer_held_messages");
            self.stderr().lines().any(has)
        });
    }

    /// `/healthz` answers with this status, or gets to; what it says.
    #[track_caller]
    pub(crate) fn expect_health(&self, status: u16) -> String {
        let mut last = (0, String::new());
        eventually(&format!("/healthz with {status}"), || {
            last = self.http("GET", "/healthz", "");
            last.0 == status
        });
        last.1
    }

    /// Whether nothing is held, received or on its way out.
    #[track_caller]
    pub(crate) fn is_idle(&self) -> bool {
        let names = ["held_messages", "in_flight_messages", "unacked_messages"];
        names.iter().all(|name| self.metric(&format!("amqpdelayer_{name}")) == 0.0)
    }

    /// Nothing is held, received or on its way out, or soon is not.
    #[track_caller]
    pub(crate) fn expect_idle(&self) {
        eventually("nothing is held or on its way", || self.is_idle());
    }
}
