//! A process of ours under test: a directory of its own, ports from the system, nothing left behind.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

/// No single wait of a test is longer: 10 s.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_millis() as u64
}

/// Takes what tests leave behind, even those that were killed: when its standard input ends, it
/// kills the last process that it was told of and removes the directory.
const JANITOR: &str = r#"while read pid; do last=$pid; done
[ "${last:-0}" -gt 0 ] && kill -9 "$last"
rm -rf "$0""#;

/// One directory, and the process that works in it.
pub(crate) struct Server {
    /// What it is called in the messages of a failed test.
    name: &'static str,
    dir: PathBuf,
    janitor: Child,
    process: Option<Process>,
}

struct Process {
    child: Child,
    /// Lines of stdout; the end of them is the end of the process.
    lines: Mutex<Receiver<String>>,
    listeners: Vec<(String, SocketAddr)>,
}

impl Server {
    /// No process yet. The directory is the server's from now on.
    pub(crate) fn in_dir(name: &'static str, dir: PathBuf) -> Server {
        let janitor = Command::new("sh")
            .args(["-c", JANITOR])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        Server { name, dir, janitor, process: None }
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts the process, and waits until every listener answers.
    #[track_caller]
    pub(crate) fn launch(&mut self, command: &mut Command) {
        self.spawn(command);
        loop {
            let line = match self.lines().recv_timeout(DEADLINE) {
                Ok(line) => line,
                Err(error) => {
                    panic!("the {} does not start: {error}\n{}", self.name, self.stderr())
                }
            };
            if line == "Server startup complete" {
                return;
            }
            self.note(&line);
        }
    }

    /// Remembers a listener that the process names.
    fn note(&mut self, line: &str) {
        if let ["listening", "on", protocol, address] = line.split(' ').collect::<Vec<_>>()[..] {
            let listener = (protocol.to_owned(), address.parse().unwrap());
            self.process.as_mut().expect("it runs").listeners.push(listener);
        }
    }

    /// Waits for the next listener, which the process names after its start.
    #[track_caller]
    pub(crate) fn wait_for_listener(&mut self) {
        let line = self.lines().recv_timeout(DEADLINE).expect("a line about a listener");
        self.note(&line);
    }

    fn lines(&mut self) -> &mut Receiver<String> {
        self.process.as_mut().expect("it runs").lines.get_mut().unwrap()
    }

    /// Starts the process without waiting for anything.
    #[track_caller]
    pub(crate) fn spawn(&mut self, command: &mut Command) {
        assert!(self.process.is_none(), "the {} runs already", self.name);
        let stderr = File::options().create(true).append(true).open(self.stderr_path()).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap();
        let pid = format!("{}\n", child.id());
        self.janitor.stdin.as_mut().unwrap().write_all(pid.as_bytes()).unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let lines = Mutex::new(lines);
        self.process = Some(Process { child, lines, listeners: Vec::new() });
    }

    /// Where a protocol is served, as the process said when it started.
    #[track_caller]
    pub(crate) fn address(&self, protocol: &str) -> SocketAddr {
        let listeners = &self.running().listeners;
        let found = listeners.iter().find(|(name, _)| name == protocol);
        found.unwrap_or_else(|| panic!("no {protocol} among {listeners:?}")).1
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.running().child.id()
    }

    #[track_caller]
    fn running(&self) -> &Process {
        self.process.as_ref().unwrap_or_else(|| panic!("the {} does not run", self.name))
    }

    /// Kills the process at once.
    pub(crate) fn kill9(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.child.kill().unwrap();
        process.child.wait().unwrap();
    }

    /// Sends SIGTERM without waiting for anything.
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until the process is gone.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        let end = Instant::now() + DEADLINE;
        let lines = process.lines.get_mut().unwrap();
        while lines.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        match process.child.try_wait().unwrap() {
            Some(status) => status,
            None if Instant::now() < end => process.child.wait().unwrap(),
            None => {
                process.child.kill().unwrap();
                process.child.wait().unwrap();
                panic!("the {} does not stop\n{}", self.name, self.stderr());
            }
        }
    }

    /// SIGTERM, and the end that has to follow.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.ended()
    }

    /// SIGTERM, and the clean end that has to follow.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let status = self.terminate();
        assert!(status.success(), "{status}\n{}", self.stderr());
    }

    fn stderr_path(&self) -> PathBuf {
        self.dir.join("stderr.log")
    }

    /// What the process logged.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.stderr_path()).unwrap_or_default()
    }

    /// One request to the listener of a protocol: status and body of the answer.
    #[track_caller]
    pub(crate) fn http(
        &self,
        protocol: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, String) {
        self.http_with(protocol, method, path, "", body)
    }

    /// The same with more lines in its head.
    #[track_caller]
    pub(crate) fn http_with(
        &self,
        protocol: &str,
        method: &str,
        path: &str,
        lines: &str,
        body: &str,
    ) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address(protocol)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{lines}");
        if !body.is_empty() {
            write!(request, "content-type: application/json\r\n").unwrap();
            write!(request, "content-length: {}\r\n", body.len()).unwrap();
        }
        write!(request, "\r\n{body}").unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").expect("a header and a body");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// The value of one metric, summed over its labels.
    #[track_caller]
    pub(crate) fn metric(&self, protocol: &str, name: &str) -> f64 {
        let (status, body) = self.http(protocol, "GET", "/metrics", "");
        assert_eq!(status, 200);
        let samples = body.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        let values: Vec<f64> =
            samples.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!values.is_empty(), "no metric {name} in\n{body}");
        values.iter().sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
        if std::thread::panicking() {
            let log = self.stderr();
            let tail = log.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
            eprintln!("--- the {} said ---\n{}", self.name, &log[tail..]);
        }
        if let Some(mut stdin) = self.janitor.stdin.take() {
            let _ = stdin.write_all(b"0\n");
        }
        let _ = self.janitor.wait();
    }
}

/// Asks again and again until the answer is yes. The question goes through a server, which
/// makes each round as slow as a round trip.
#[track_caller]
pub(crate) fn eventually(what: &str, mut question: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !question() {
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
    }
}
