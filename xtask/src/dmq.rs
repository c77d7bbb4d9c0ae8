//! Measures the DMQ node: requests that it answers, messages and cells that it sends to a second
//! node, and what a bus of a hundred nodes costs it.
//!
//! Every scenario starts its nodes in an empty folder, on loopback addresses. A node's SIP is one
//! thread, whose CPU seconds are given apart from those of its web server.

mod callers;
mod crowd;
mod flood;

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use self::callers::{Call, call};
use self::crowd::Crowd;
use self::flood::flood;
use crate::bench::percentile;
use crate::program::Program;
use crate::rounds::{Figures, Repeated, Scenario};

/// Messages of a round, as a rule.
const MESSAGES: u64 = 300_000;

/// Cells of the scenarios with hash tables.
const CELLS: u64 = 10_000;

/// Nodes of `nodes`, the measured one included, how often it pings them, and for how long it is
/// watched.
const NODES: u8 = 100;
const PING_SECONDS: u64 = 5;
const WATCH: Duration = Duration::from_secs(15);

const SCENARIOS: &[Scenario<Bench>] = &[
    ("receive", |bench| bench.receive("bench", event)),
    ("receive-htable", |bench| bench.receive("htable", cell)),
    ("loop", |bench| bench.two_nodes(send)),
    ("loop-htable", |bench| bench.two_nodes(set)),
    ("nodes", nodes),
];

/// `cargo xtask bench-dmq`.
pub(crate) fn run(repeated: &Repeated) -> Result<()> {
    let options = &repeated.options;
    let messages = options.messages.unwrap_or(MESSAGES);
    ensure!(messages >= CELLS, "--messages must be {CELLS} or more");
    let bench = Bench { leveret: options.leveret()?, messages, dir: options.folder("bench-dmq") };
    repeated.measure(&bench, SCENARIOS)
}

struct Bench {
    leveret: PathBuf,
    messages: u64,
    dir: PathBuf,
}

/// A node under measurement.
struct Node {
    program: Program,
    address: SocketAddr,
}

impl Node {
    fn uri(&self) -> String {
        format!("sip:{}", self.address)
    }

    /// Waits until so many others are active; of none there is no metric.
    fn wait_for_nodes(&self, count: u64) -> Result<()> {
        self.program.wait_for("leveret_dmq_nodes", count)?;
        self.program.wait_for("leveret_dmq_node_active", count)
    }
}

impl Bench {
    fn empty_dir(&self) -> Result<()> {
        let _ = std::fs::remove_dir_all(&self.dir);
        Ok(std::fs::create_dir_all(&self.dir)?)
    }

    /// Starts a node at a free port of this loopback address.
    fn node(&self, ip: &str, more: &str) -> Result<Node> {
        let address = UdpSocket::bind((ip, 0))?.local_addr()?;
        let peers: Vec<String> = (0..callers::CALLERS).map(|n| format!("\"bench{n}\"")).collect();
        let config = format!(
            "server_address = \"sip:{address}\"\nlisten = [\"127.0.0.1:0\"]\n\
             peers = [\"bench\", {}]\nnum_workers = {}\n{more}",
            peers.join(", "),
            callers::CALLERS,
        );
        let file = self.dir.join(format!("{ip}.toml"));
        std::fs::write(&file, config)?;
        let mut command = Command::new(&self.leveret);
        command.arg("dmq").arg("--config").arg(file);
        let program = Program::start(command, &self.dir.join(format!("{ip}.log")))?;
        Ok(Node { program, address })
    }

    /// One node answers what comes by UDP for a peer.
    fn receive(&self, peer: &str, body: fn(u64) -> String) -> Result<Figures> {
        self.empty_dir()?;
        let node = self.node("127.0.61.1", "")?;
        let before = node.program.main_thread_cpu_seconds()?;
        let answers = flood(node.address, peer, self.messages, body)?;
        let million = self.messages as f64 / 1e6;
        let spent = (node.program.main_thread_cpu_seconds()? - before) / million;
        node.program.wait_for("leveret_dmq_requests_total", self.messages)?;
        let peak = node.program.peak_memory()? as f64 / 1e6;
        node.program.terminate()?;
        Ok(vec![
            ("requests/s", self.messages as f64 / answers.seconds),
            ("CPU s per million: node", spent),
            ("sent again, per million", answers.repeated as f64 / million),
            ("request to answer, ms: p50", percentile(&answers.round_trips_ms, 0.5)),
            ("p99", percentile(&answers.round_trips_ms, 0.99)),
            ("most", percentile(&answers.round_trips_ms, 1.0)),
            ("peak memory, MB", peak),
        ])
    }

    /// One node is asked over HTTP, and asks the other, which answers.
    fn two_nodes(&self, request: fn(u64, usize, &str) -> Call) -> Result<Figures> {
        self.empty_dir()?;
        let first = self.node("127.0.61.1", "")?;
        let known = format!("notification_address = [\"{}\"]\n", first.uri());
        let second = self.node("127.0.61.2", &known)?;
        first.wait_for_nodes(1)?;
        let cpu = || -> Result<[f64; 3]> {
            let sip = first.program.main_thread_cpu_seconds()?;
            let web = first.program.cpu_seconds()? - sip;
            Ok([sip, web, second.program.main_thread_cpu_seconds()?])
        };
        let before = cpu()?;
        let (web, to) = (first.program.address("http")?, second.uri());
        let calls = call(web, self.messages, move |n, caller| request(n, caller, &to))?;
        let million = self.messages as f64 / 1e6;
        let after = cpu()?;
        let [sip, web, answering] = [0, 1, 2].map(|n| (after[n] - before[n]) / million);
        second.program.wait_for("leveret_dmq_requests_total", self.messages)?;
        second.program.terminate()?;
        first.program.terminate()?;
        Ok(vec![
            ("messages/s", self.messages as f64 / calls.seconds),
            ("CPU s per million: sending node", sip),
            ("its web server", web),
            ("answering node", answering),
            ("HTTP request to answer, ms: p50", percentile(&calls.round_trips_ms, 0.5)),
            ("p99", percentile(&calls.round_trips_ms, 0.99)),
        ])
    }
}

/// What a proxy tells of a call, say.
fn event(number: u64) -> String {
    format!(
        r#"{{"event":"call-end","id":"{number:016x}@192.0.2.17","from":"sip:alice@example.com","to":"sip:bob@example.net","code":200,"seconds":{}}}"#,
        number % 3600
    )
}

/// A cell's new value, as Kamailio tells of it.
fn cell(number: u64) -> String {
    let key = number % CELLS;
    format!(
        r#"{{"action":2,"htname":"bench","cname":"key{key}","type":2,"strval":"value {number}","mode":1}}"#
    )
}

/// A message for a peer of the caller's own, so that callers do not wait for each other.
fn send(number: u64, caller: usize, to: &str) -> Call {
    let body = event(number).replace('"', "\\\"");
    let letter = format!(r#"{{"peer":"bench{caller}","node":"{to}","body":"{body}"}}"#);
    Call { line: "POST /api/dmq/send".into(), body: letter }
}

/// A cell that is set here and there.
fn set(number: u64, _: usize, _: &str) -> Call {
    let line = format!("PUT /api/dmq/htable/bench/key{}", number % CELLS);
    Call { line, body: format!(r#"{{"value":"value {number}"}}"#) }
}

/// One node knows 99 others, pings them and is pinged by nobody.
fn nodes(bench: &Bench) -> Result<Figures> {
    bench.empty_dir()?;
    let node = bench.node("127.0.61.1", &format!("ping_interval = {PING_SECONDS}\n"))?;
    node.program.wait_ready()?;
    let alone = node.program.memory()? as f64 / 1e6;
    let crowd = Crowd::start(NODES - 1)?;
    let from = Instant::now();
    crowd.join(node.address)?;
    node.wait_for_nodes(u64::from(NODES - 1))?;
    let known = from.elapsed().as_secs_f64();
    let cpu = node.program.cpu_seconds()?;
    std::thread::sleep(WATCH);
    let spent = (node.program.cpu_seconds()? - cpu) / WATCH.as_secs_f64() * 1e3;
    let memory = node.program.memory()? as f64 / 1e6;
    node.program.terminate()?;
    let asked = crowd.stop()?;
    Ok(vec![
        ("resident alone, MB", alone),
        ("resident, MB", memory),
        ("all active after, s", known),
        ("CPU ms per second", spent),
        ("requests of the node", asked as f64),
    ])
}
