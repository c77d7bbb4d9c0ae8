//! A node's worth of requests by UDP: so many wait for their answer at a time, and those that get
//! none are sent again.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Requests that wait for their answer at a time: what a receive buffer of the usual size holds.
const IN_FLIGHT: usize = 100;

/// When a request is sent again (T1 of RFC 3261).
const REPEAT: Duration = Duration::from_millis(500);

/// How often that is looked after.
const LOOK: Duration = Duration::from_millis(50);

/// Without an answer for so long the node is dead.
const STALL: Duration = Duration::from_secs(20);

/// What came of it.
pub(super) struct Answers {
    /// From the first request to the last answer.
    pub(super) seconds: f64,
    /// Requests that were sent again.
    pub(super) repeated: u64,
    /// From the first sending of each to its answer, in order of length.
    pub(super) round_trips_ms: Vec<f64>,
}

/// A request that waits.
struct Waiting {
    packet: Vec<u8>,
    first: Instant,
    last: Instant,
}

/// Sends `count` requests for a peer; all must be answered 200.
pub(super) fn flood(
    node: SocketAddr,
    peer: &str,
    count: u64,
    body: fn(u64) -> String,
) -> Result<Answers> {
    let socket = UdpSocket::bind((node.ip(), 0))?;
    socket.connect(node)?;
    socket.set_read_timeout(Some(LOOK))?;
    let own = socket.local_addr()?;
    let mut waiting: HashMap<u64, Waiting> = HashMap::new();
    let (mut sent, mut repeated, mut round_trips_ms) = (0, 0, Vec::new());
    let from = Instant::now();
    let (mut moved, mut looked) = (from, from);
    let mut buffer = [0; 2048];
    while sent < count || !waiting.is_empty() {
        while sent < count && waiting.len() < IN_FLIGHT {
            let packet = request(sent, peer, node, own, &body(sent));
            socket.send(&packet)?;
            let now = Instant::now();
            waiting.insert(sent, Waiting { packet, first: now, last: now });
            sent += 1;
        }
        match socket.recv(&mut buffer) {
            Ok(length) => {
                moved = Instant::now();
                if let Some(request) = waiting.remove(&answered(&buffer[..length])?) {
                    round_trips_ms.push((moved - request.first).as_secs_f64() * 1e3);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error).context("the node's socket"),
        }
        let now = Instant::now();
        if now - moved > STALL {
            bail!("{} requests have no answer", waiting.len());
        }
        if now - looked > LOOK {
            looked = now;
            for request in waiting.values_mut().filter(|request| now - request.last > REPEAT) {
                socket.send(&request.packet)?;
                request.last = now;
                repeated += 1;
            }
        }
    }
    round_trips_ms.sort_by(f64::total_cmp);
    Ok(Answers { seconds: from.elapsed().as_secs_f64(), repeated, round_trips_ms })
}

/// A KDMQ request in Kamailio's form.
fn request(number: u64, peer: &str, to: SocketAddr, from: SocketAddr, body: &str) -> Vec<u8> {
    format!(
        "KDMQ sip:{peer}@{to} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bKn{number}.0\r\n\
         To: <sip:{peer}@{to}>\r\n\
         From: <sip:{peer}@{from}>;tag=3393f0703fb0ccaca74109ff37de39f5-{number:08x}\r\n\
         CSeq: 10 KDMQ\r\n\
         Call-ID: 0272e92c-{number}@{from}\r\n\
         Content-Length: {}\r\n\
         User-Agent: xtask\r\n\
         Max-Forwards: 1\r\n\
         Content-Type: application/json\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The number of the request that a 200 answers.
fn answered(response: &[u8]) -> Result<u64> {
    let head = String::from_utf8_lossy(response);
    let number = head.strip_prefix("SIP/2.0 200 ").and_then(|rest| {
        let (_, branch) = rest.split_once("branch=z9hG4bKn")?;
        branch.split_once('.')?.0.parse().ok()
    });
    number.with_context(|| format!("not a 200 for a request: {head}"))
}
