//! A running `leveret` for a test: a data directory of its own, ports from the system, no process left behind.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// No single wait of a test is longer: 10 s.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

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

/// Takes what tests leave behind, even those that were killed: when its standard input ends, it
/// kills the last process that it was told of and removes the directory.
const JANITOR: &str = r#"while read pid; do last=$pid; done
[ "${last:-0}" -gt 0 ] && kill -9 "$last"
rm -rf "$0""#;

/// One data directory, and the process that serves it.
pub(crate) struct Broker {
    dir: PathBuf,
    flags: Vec<String>,
    janitor: Child,
    process: Option<Process>,
    /// Where AMQP is spoken instead.
    elsewhere: Option<SocketAddr>,
}

struct Process {
    child: Child,
    /// Lines of stdout; the end of them is the end of the process.
    lines: Mutex<Receiver<String>>,
    listeners: Vec<(String, SocketAddr)>,
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
        let janitor = Command::new("sh")
            .args(["-c", JANITOR])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut broker = Broker { dir, flags, janitor, process: None, elsewhere: None };
        broker.launch();
        broker
    }

    /// Starts the process again after [`Broker::kill9`] or [`Broker::terminate`].
    pub(crate) fn launch(&mut self) {
        assert!(self.process.is_none(), "the broker runs already");
        let stderr = File::options().create(true).append(true).open(self.stderr_path()).unwrap();
        let mut child = self.command().stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let pid = format!("{}\n", child.id());
        self.janitor.stdin.as_mut().unwrap().write_all(pid.as_bytes()).unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut listeners = Vec::new();
        loop {
            let line = lines.recv_timeout(DEADLINE).unwrap_or_else(|error| {
                panic!("the broker does not start: {error}\n{}", self.stderr());
            });
            if line == "Server startup complete" {
                break;
            }
            let words: Vec<&str> = line.split(' ').collect();
            if let ["listening", "on", protocol, address] = words[..] {
                listeners.push((protocol.to_owned(), address.parse().unwrap()));
            }
        }
        self.process = Some(Process { child, lines: Mutex::new(lines), listeners });
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
        command.args(&self.flags).env_clear().current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Where the broker keeps its data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Where clients connect without TLS.
    pub(crate) fn amqp(&self) -> SocketAddr {
        self.elsewhere.unwrap_or_else(|| self.address("amqp"))
    }

    /// Where a protocol is served: `amqp`, `amqps` or `metrics`.
    pub(crate) fn address(&self, protocol: &str) -> SocketAddr {
        let listeners = &self.running().listeners;
        let found = listeners.iter().find(|(name, _)| name == protocol);
        found.unwrap_or_else(|| panic!("no {protocol} among {listeners:?}")).1
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.running().child.id()
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the broker runs")
    }

    /// Kills the process at once.
    pub(crate) fn kill9(&mut self) {
        let mut process = self.process.take().expect("the broker runs");
        process.child.kill().unwrap();
        process.child.wait().unwrap();
    }

    /// Sends SIGTERM without waiting for anything.
    pub(crate) fn ask_to_stop(&self) {
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits until the process is gone.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the broker runs");
        let end = Instant::now() + DEADLINE;
        let lines = process.lines.get_mut().unwrap();
        while lines.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        match process.child.try_wait().unwrap() {
            Some(status) => status,
            None if Instant::now() < end => process.child.wait().unwrap(),
            None => {
                process.child.kill().unwrap();
                process.child.wait().unwrap();
                panic!("the broker does not stop\n{}", self.stderr());
            }
        }
    }

    /// SIGTERM, and the end that has to follow.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.ended()
    }

    /// Kills the process and starts it again.
    pub(crate) fn crash(&mut self) {
        self.kill9();
        self.launch();
    }

    /// Stops the process cleanly and starts it again.
    pub(crate) fn restart(&mut self) {
        let status = self.terminate();
        assert!(status.success(), "{status}\n{}", self.stderr());
        self.launch();
    }

    fn stderr_path(&self) -> PathBuf {
        self.dir.join("stderr.log")
    }

    /// What the broker logged.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.stderr_path()).unwrap_or_default()
    }

    /// `GET path` of the metrics listener: status and body.
    pub(crate) fn http(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address("metrics")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut request = String::new();
        write!(request, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").expect("a header and a body");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// The value of one metric, summed over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (status, body) = self.http("/metrics");
        assert_eq!(status, 200);
        let samples = body.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        let values: Vec<f64> =
            samples.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!values.is_empty(), "no metric {name}");
        values.iter().sum()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
        if std::thread::panicking() {
            let log = self.stderr();
            let tail = log.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
            eprintln!("--- the broker said ---\n{}", &log[tail..]);
        }
        if let Some(mut stdin) = self.janitor.stdin.take() {
            let _ = stdin.write_all(b"0\n");
        }
        let _ = self.janitor.wait();
    }
}

/// Asks again and again until the answer is yes. The question goes through the broker, which
/// makes each round as slow as a round trip.
#[track_caller]
pub(crate) fn eventually(what: &str, mut question: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !question() {
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
    }
}
