//! A running `leveret serve` for a test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::server::Server;
pub(crate) use crate::server::{DEADLINE, eventually};

/// The broker of all tests that need no settings of their own. Queue names have to be unique.
///
/// `TEST_AMQP=HOST:PORT` puts another one in its place, such as RabbitMQ, to see whether a
/// test asks for the right thing.
pub(crate) fn shared() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SHARED.get_or_init(|| {
        let mut broker = Broker::start();
        broker.elsewhere = std::env::var("TEST_AMQP").ok().map(|at| at.parse().unwrap());
        broker
    })
}

/// One data directory, and the process that serves it.
pub(crate) struct Broker {
    server: Server,
    flags: Vec<String>,
    /// Where AMQP is spoken instead.
    elsewhere: Option<SocketAddr>,
}

impl Broker {
    /// Starts a broker with an empty data directory.
    pub(crate) fn start() -> Broker {
        Broker::with(&[])
    }

    /// The same, with more flags.
    pub(crate) fn with(flags: &[&str]) -> Broker {
        Broker::in_dir(tempfile::tempdir().expect("a temporary directory").keep(), flags)
    }

    /// The same, with files in its directory that the flags may name. The directory is the broker's from now on.
    pub(crate) fn in_dir(dir: PathBuf, flags: &[&str]) -> Broker {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut broker = Broker { server: Server::in_dir("broker", dir), flags, elsewhere: None };
        broker.launch();
        broker
    }

    /// Starts the process again after [`Broker::kill9`] or [`Broker::terminate`].
    pub(crate) fn launch(&mut self) {
        let mut command = self.command();
        self.server.launch(&mut command);
    }

    /// The command that serves this data directory.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        command.arg("serve").arg("--data-dir").arg(self.data_dir()).args([
            "--amqp-listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
        ]);
        command.args(&self.flags).env_clear().current_dir(self.server.dir());
        command
    }

    /// Where the broker keeps its data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.server.dir().join("data")
    }

    /// Where clients connect without TLS.
    pub(crate) fn amqp(&self) -> SocketAddr {
        self.elsewhere.unwrap_or_else(|| self.address("amqp"))
    }

    /// Where a protocol is served: `amqp`, `amqps` or `metrics`.
    pub(crate) fn address(&self, protocol: &str) -> SocketAddr {
        self.server.address(protocol)
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Kills the process at once.
    pub(crate) fn kill9(&mut self) {
        self.server.kill9();
    }

    /// Sends SIGTERM without waiting for anything.
    pub(crate) fn ask_to_stop(&self) {
        self.server.ask_to_stop();
    }

    /// Waits until the process is gone.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.server.ended()
    }

    /// SIGTERM, and the end that has to follow.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.server.terminate()
    }

    /// Kills the process and starts it again.
    pub(crate) fn crash(&mut self) {
        self.kill9();
        self.launch();
    }

    /// Stops the process cleanly and starts it again.
    pub(crate) fn restart(&mut self) {
        self.server.stop();
        self.launch();
    }

    /// Administers the broker as `rabbitmqctl` does; what that said.
    #[track_caller]
    pub(crate) fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        let socket = self.data_dir().join("control.sock");
        command.arg("ctl").args(arguments).env_clear().env("LEVERET_CONTROL_SOCKET", socket);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let erred = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {}\n{said}{erred}", output.status);
        said
    }

    /// What the broker logged.
    pub(crate) fn stderr(&self) -> String {
        self.server.stderr()
    }

    /// Where it works.
    pub(crate) fn dir(&self) -> &Path {
        self.server.dir()
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.server.signal(Signal::HUP);
    }

    /// Waits for the listener of what runs beside the broker.
    #[track_caller]
    pub(crate) fn wait_for_listener(&mut self) {
        self.server.wait_for_listener();
    }

    /// `GET path` of a protocol's listener: status and body.
    pub(crate) fn http_of(&self, protocol: &str, path: &str) -> (u16, String) {
        self.server.http(protocol, "GET", path, "")
    }

    /// `GET path` of the metrics listener: status and body.
    pub(crate) fn http(&self, path: &str) -> (u16, String) {
        self.server.http("metrics", "GET", path, "")
    }

    /// The value of one metric, summed over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.server.metric("metrics", name)
    }
}
