//! A process of ours under measurement: started until it serves, asked for its numbers, ended.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process;

/// A counter that does not move for so long will not move any more.
const STALL: Duration = Duration::from_secs(60);

/// How often numbers are asked for.
const POLL: Duration = Duration::from_millis(20);

/// A running process; dropping it kills it.
pub(super) struct Program {
    child: Child,
    listeners: Vec<(String, SocketAddr)>,
}

impl Program {
    /// Starts it and waits until it says that it serves.
    pub(super) fn start(mut command: Command, log: &Path) -> Result<Program> {
        let stderr = File::options().create(true).append(true).open(log)?;
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn()?;
        let stdout = child.stdout.take().context("a pipe")?;
        let mut listeners = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if line == "Server startup complete" {
                return Ok(Program { child, listeners });
            }
            if let ["listening", "on", protocol, address] = line.split(' ').collect::<Vec<_>>()[..]
            {
                listeners.push((protocol.to_owned(), address.parse()?));
            }
        }
        child.wait()?;
        let text = std::fs::read_to_string(log).unwrap_or_default();
        bail!("{} did not start:\n{}", process::shown(&command), process::tail(&text, 2000))
    }

    /// Where a protocol is served.
    pub(super) fn address(&self, protocol: &str) -> Result<SocketAddr> {
        let found = self.listeners.iter().find(|(name, _)| name == protocol);
        found.map(|(_, address)| *address).with_context(|| format!("no {protocol}"))
    }

    /// Waits until a counter of `/metrics` has reached `count`.
    pub(super) fn wait_for(&self, counter: &str, count: u64) -> Result<()> {
        let address = self.address("http")?;
        let (mut last, mut moved) = (0, Instant::now());
        loop {
            let now = metric(address, counter)?;
            if now >= count {
                return Ok(());
            }
            if now > last {
                (last, moved) = (now, Instant::now());
            } else if moved.elapsed() > STALL {
                bail!("{counter} stands at {now} of {count}");
            }
            std::thread::sleep(POLL);
        }
    }

    /// User and system time so far.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = text.rsplit_once(") ").context("/proc/PID/stat")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        // Fields 14 and 15 of the whole line, in ticks of 10 ms.
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(ticks / 100.0)
    }

    /// Resident bytes.
    pub(super) fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most resident bytes so far.
    pub(super) fn peak_memory(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// Ends it cleanly.
    pub(super) fn terminate(mut self) -> Result<()> {
        process::signal(self.child.id(), rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("it ended with {status}");
        }
        Ok(())
    }

    /// Kills it.
    pub(super) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn metric(address: SocketAddr, name: &str) -> Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let samples = text
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
    let mut sum = None;
    for sample in samples {
        let value: f64 = sample.rsplit(' ').next().unwrap_or_default().parse()?;
        *sum.get_or_insert(0) += value as u64;
    }
    sum.with_context(|| format!("no metric {name}"))
}
