//! Many nodes at once that do nothing but answer: one socket, and a loopback address for each.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Lines of a node list that fit into what Kamailio sends.
const LINES: usize = 25;

/// The nodes.
pub(super) struct Crowd {
    socket: UdpSocket,
    count: u8,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Crowd {
    /// Starts so many.
    pub(super) fn start(count: u8) -> Result<Crowd> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(LOOK))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (ours, stopped) = (socket.try_clone()?, Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("crowd".into())
            .spawn(move || answer_all(&ours, &stopped))?;
        Ok(Crowd { socket, count, stop, thread })
    }

    /// Tells a node of all of them, as one would that knew them.
    pub(super) fn join(&self, node: SocketAddr) -> Result<()> {
        let port = self.socket.local_addr()?.port();
        let all: Vec<String> = (1..=self.count).map(|n| format!("127.0.62.{n}:{port}")).collect();
        for (number, some) in all.chunks(LINES).enumerate() {
            let (from, body) = (&some[0], some.iter().map(|uri| line(uri)).collect::<String>());
            let request = format!(
                "KDMQ sip:notification_peer@{node} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {from};branch=z9hG4bKcrowd{number}\r\n\
                 To: <sip:notification_peer@{node}>\r\n\
                 From: <sip:notification_peer@{from}>;tag={number}\r\n\
                 CSeq: 10 KDMQ\r\n\
                 Call-ID: crowd{number}@{from}\r\n\
                 Content-Length: {}\r\n\
                 Max-Forwards: 1\r\n\
                 Content-Type: text/plain\r\n\r\n{body}",
                body.len()
            );
            self.socket.send_to(request.as_bytes(), node)?;
        }
        Ok(())
    }

    /// Ends them; gives how many requests they were sent.
    pub(super) fn stop(self) -> Result<u64> {
        self.stop.store(true, Relaxed);
        self.thread.join().ok().context("the crowd panicked")?
    }
}

fn line(uri: &str) -> String {
    format!("sip:{uri};status=active\r\n")
}

/// Answers every request 200 with the line of the node that it is for.
fn answer_all(socket: &UdpSocket, stop: &AtomicBool) -> Result<u64> {
    let mut buffer = [0; 4096];
    let mut requests = 0;
    while !stop.load(Relaxed) {
        let (length, from) = match socket.recv_from(&mut buffer) {
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(error) => return Err(error).context("the socket of the crowd"),
        };
        let text = String::from_utf8_lossy(&buffer[..length]);
        if let Some(answer) = answer(&text) {
            requests += 1;
            socket.send_to(answer.as_bytes(), from)?;
        }
    }
    Ok(requests)
}

/// The answer to a request; none to an answer.
fn answer(request: &str) -> Option<String> {
    let (head, _) = request.split_once("\r\n\r\n")?;
    let (first, headers) = head.split_once("\r\n")?;
    let uri = first.strip_prefix("KDMQ sip:notification_peer@")?.split([' ', ';']).next()?;
    let body = line(uri);
    let copied = headers.split("\r\n").filter_map(|header| match header.split(':').next()? {
        "Via" | "From" | "CSeq" | "Call-ID" => Some(format!("{header}\r\n")),
        "To" => Some(format!("{header};tag=crowd\r\n")),
        _ => None,
    });
    Some(format!(
        "SIP/2.0 200 OK\r\n{}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        copied.collect::<String>(),
        body.len()
    ))
}
