//! A process of ours under measurement: started until it serves, asked for its numbers, ended.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process;

/// A count that does not move for so long will not move any more.
const STALL: Duration = Duration::from_secs(60);

/// How often numbers are asked for.
const POLL: Duration = Duration::from_millis(20);

/// A running process; dropping it kills it.
pub(crate) struct Program {
    child: Child,
    listeners: Vec<(String, SocketAddr)>,
}

impl Program {
    /// Starts it and waits until it says that it serves.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Program> {
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
    pub(crate) fn address(&self, protocol: &str) -> Result<SocketAddr> {
        let found = self.listeners.iter().find(|(name, _)| name == protocol);
        found.map(|(_, address)| *address).with_context(|| format!("no {protocol}"))
    }

    /// Waits until a counter of `/metrics` has reached `count`.
    pub(crate) fn wait_for(&self, counter: &str, count: u64) -> Result<()> {
        wait_until(counter, count, || self.metric(counter))
    }

    /// Waits until `/readyz` says that it is ready.
    pub(crate) fn wait_ready(&self) -> Result<()> {
        let ready = || Ok(u64::from(self.get("/readyz")?.0 == 200));
        wait_until("readiness", 1, ready)
    }

    /// User and system time so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(&format!("/proc/{}/stat", self.child.id()))
    }

    /// User and system time so far of the thread that it started with.
    pub(crate) fn main_thread_cpu_seconds(&self) -> Result<f64> {
        let pid = self.child.id();
        cpu_seconds(&format!("/proc/{pid}/task/{pid}/stat"))
    }

    /// Resident bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most resident bytes so far.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// The sum of a metric's samples.
    fn metric(&self, name: &str) -> Result<u64> {
        let (_, text) = self.get("/metrics")?;
        let samples = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        let mut sum = None;
        for sample in samples {
            let value: f64 = sample.rsplit(' ').next().unwrap_or_default().parse()?;
            *sum.get_or_insert(0) += value as u64;
        }
        sum.with_context(|| format!("no metric {name}"))
    }

    /// The buckets of a histogram without labels: bound, and how many values were not above it.
    pub(crate) fn buckets(&self, name: &str) -> Result<Vec<(String, u64)>> {
        let (_, text) = self.get("/metrics")?;
        let start = format!("{name}_bucket{{le=\"");
        let buckets =
            text.lines().filter_map(|line| line.strip_prefix(&*start)?.split_once("\"} "));
        buckets.map(|(bound, seen)| Ok((bound.to_owned(), seen.parse()?))).collect()
    }

    /// Status and text, head included, of the answer to a GET.
    fn get(&self, path: &str) -> Result<(u16, String)> {
        let address = self.address("http").or_else(|_| self.address("metrics"))?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let status = text.split(' ').nth(1).context("an answer without a status")?.parse()?;
        Ok((status, text))
    }

    fn status(&self, name: &str) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// Ends it cleanly.
    pub(crate) fn terminate(mut self) -> Result<()> {
        process::signal(self.child.id(), rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("it ended with {status}");
        }
        Ok(())
    }

    /// Kills it.
    pub(crate) fn kill(mut self) -> Result<()> {
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

/// Waits until what `read` gives has reached `count`.
pub(crate) fn wait_until(what: &str, count: u64, read: impl Fn() -> Result<u64>) -> Result<()> {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let now = read()?;
        if now >= count {
            return Ok(());
        }
        if now > last {
            (last, moved) = (now, Instant::now());
        } else if moved.elapsed() > STALL {
            bail!("{what} stands at {now} of {count}");
        }
        std::thread::sleep(POLL);
    }
}

/// User and system time so far of a process or thread, given the path of its `stat`.
pub(crate) fn cpu_seconds(stat: &str) -> Result<f64> {
    let text = std::fs::read_to_string(stat)?;
    let (_, fields) = text.rsplit_once(") ").context("/proc/PID/stat")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    // Fields 14 and 15 of the whole line, in ticks of 10 ms.
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// Bytes that a folder takes on disk.
pub(crate) fn folder_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            bytes += folder_bytes(&entry.path())?;
        } else {
            use std::os::unix::fs::MetadataExt;
            bytes += entry.metadata()?.blocks() * 512;
        }
    }
    Ok(bytes)
}
