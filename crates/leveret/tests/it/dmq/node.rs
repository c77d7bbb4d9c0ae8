//! A scripted node of a bus: it records all that it gets, answers as it is told to, and sends what it
//! is told to, however wrong that is.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::address;
use super::audit::audit;
use super::packet::{NOTIFICATION, Over, Packet, framed};
use super::request::Request;
use crate::server::DEADLINE;

/// How a node treats the requests for a peer.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// 200; to notifications with its list.
    Answer,
    /// Not at all.
    Silent,
    /// 200 for the copy of this number, from 1; not before.
    AtCopy(u32),
    /// With this code and these words.
    Code(u16, &'static str),
    /// 200 with this body.
    Body(Vec<u8>),
    /// The same to this node alone; others are answered as usual.
    BodyTo(Ipv4Addr, Vec<u8>),
}

/// One node, on an address of its own.
pub(crate) struct Node {
    inner: Arc<Inner>,
    over: Over,
    /// How much of what it got the story has done with.
    seen: AtomicU32,
    audited: bool,
}

struct Inner {
    ip: Ipv4Addr,
    udp: UdpSocket,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    packets: Vec<Packet>,
    manners: BTreeMap<String, Manner>,
    copies: BTreeMap<String, u32>,
    /// The lines of its list.
    lines: Vec<String>,
    /// Connections by their other end.
    streams: BTreeMap<SocketAddr, TcpStream>,
}

impl Node {
    /// A node that answers everything, and tells of itself alone.
    pub(crate) fn start() -> Node {
        Node::over(Over::Udp)
    }

    /// The same, reached so.
    pub(crate) fn over(over: Over) -> Node {
        Node::at(address::take(), over)
    }

    /// The same, at this address.
    pub(crate) fn at(ip: Ipv4Addr, over: Over) -> Node {
        let udp = UdpSocket::bind((ip, address::PORT)).unwrap();
        let tcp = TcpListener::bind((ip, address::PORT)).unwrap();
        let state = State {
            packets: Vec::new(),
            manners: BTreeMap::new(),
            copies: BTreeMap::new(),
            lines: Vec::new(),
            streams: BTreeMap::new(),
        };
        let inner = Arc::new(Inner { ip, udp, state: Mutex::new(state), changed: Condvar::new() });
        let node = Node { inner, over, seen: AtomicU32::new(0), audited: true };
        node.tell(&[&node.line()]);
        let (datagrams, streams) = (Arc::clone(&node.inner), Arc::clone(&node.inner));
        std::thread::spawn(move || datagrams.read_datagrams());
        std::thread::spawn(move || {
            for stream in tcp.incoming().map_while(Result::ok) {
                Inner::follow(&streams, stream);
            }
        });
        node
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.inner.ip
    }

    /// How it is reached.
    pub(super) fn transport(&self) -> Over {
        self.over
    }

    /// Its URI, as it stands in lists.
    pub(crate) fn uri(&self) -> String {
        uri(self.inner.ip, self.over)
    }

    /// Its line in a list.
    pub(crate) fn line(&self) -> String {
        format!("{};status=active", self.uri())
    }

    /// From now on its list is this, and what it learns from others.
    pub(crate) fn tell(&self, lines: &[&str]) {
        self.inner.lock().lines = lines.iter().map(|line| (*line).to_owned()).collect();
    }

    /// From now on it treats requests so, whatever their peer.
    pub(crate) fn behave(&self, manner: Manner) {
        let mut state = self.inner.lock();
        state.manners.clear();
        state.manners.insert("*".to_owned(), manner);
    }

    /// From now on it treats requests for this peer so.
    pub(crate) fn behave_for(&self, peer: &str, manner: Manner) {
        self.inner.lock().manners.insert(peer.to_owned(), manner);
    }

    /// What it gets is not held to the rules: the other side is no node of ours.
    pub(crate) fn unaudited(mut self) -> Node {
        self.audited = false;
        self
    }

    /// What it has got so far is of no interest to what follows in the story.
    pub(crate) fn forget(&self) {
        let count = self.inner.lock().packets.len();
        self.seen.store(count as u32, Ordering::Relaxed);
    }

    /// What it got and has not forgotten.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        let seen = self.seen.load(Ordering::Relaxed) as usize;
        self.inner.lock().packets[seen..].to_vec()
    }

    /// The packets of which this is true.
    pub(crate) fn all(&self, is: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        self.packets().into_iter().filter(is).collect()
    }

    /// The first packet of which this is true, which is there or comes.
    #[track_caller]
    pub(crate) fn first(&self, what: &str, is: impl Fn(&Packet) -> bool) -> Packet {
        self.nth(what, 0, is)
    }

    /// The packet of which this is true and was so for `n` others.
    #[track_caller]
    pub(crate) fn nth(&self, what: &str, n: usize, is: impl Fn(&Packet) -> bool) -> Packet {
        self.nth_within(DEADLINE, what, n, is)
    }

    #[track_caller]
    pub(crate) fn nth_within(
        &self,
        limit: Duration,
        what: &str,
        n: usize,
        is: impl Fn(&Packet) -> bool,
    ) -> Packet {
        let seen = self.seen.load(Ordering::Relaxed) as usize;
        let end = Instant::now() + limit;
        let mut state = self.inner.lock();
        loop {
            if let Some(found) = state.packets[seen..].iter().filter(|packet| is(packet)).nth(n) {
                return found.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} among {:?}", &state.packets[seen..]);
            state = self.inner.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// A request of this node.
    pub(crate) fn request(&self, to: Ipv4Addr, peer: &str, body: impl AsRef<[u8]>) -> Request<'_> {
        Request::of(self, to, peer, body.as_ref())
    }

    /// Sends these bytes in one datagram.
    pub(crate) fn send_raw(&self, to: Ipv4Addr, bytes: &[u8]) {
        self.inner.udp.send_to(bytes, (to, address::PORT)).unwrap();
    }

    /// Sends these bytes by its connection to that node.
    pub(crate) fn stream_raw(&self, to: Ipv4Addr, bytes: &[u8]) {
        let there = SocketAddr::from((to, address::PORT));
        let known = self.inner.lock().streams.get(&there).map(|stream| stream.try_clone().unwrap());
        let mut stream = known.unwrap_or_else(|| {
            let stream = TcpStream::connect(there).unwrap();
            Inner::follow(&self.inner, stream.try_clone().unwrap());
            stream
        });
        stream.write_all(bytes).unwrap();
    }

    /// The reply to the request with this branch.
    #[track_caller]
    pub(crate) fn reply(&self, branch: &str) -> Packet {
        let of = |packet: &Packet| packet.is_reply() && packet.branch() == branch;
        self.first(&format!("reply to {branch}"), of)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.inner.lock().streams.values().for_each(|stream| {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        });
        if self.audited && !std::thread::panicking() {
            audit(&self.inner.lock().packets, &self.uri());
        }
    }
}

/// The URI of a node at this address.
pub(crate) fn uri(ip: Ipv4Addr, over: Over) -> String {
    let port = address::PORT;
    match over {
        Over::Udp => format!("sip:{ip}:{port}"),
        Over::Tcp => format!("sip:{ip}:{port};transport=tcp"),
        Over::Tls => format!("sip:{ip}:{};transport=tls", port + 1),
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn read_datagrams(&self) {
        let mut buffer = vec![0; 65_536];
        while let Ok((size, from)) = self.udp.recv_from(&mut buffer) {
            let bytes = buffer[..size].to_vec();
            if let Some((reply, to)) =
                self.take(Packet { at: Instant::now(), from, over: Over::Udp, bytes })
            {
                let _ = self.udp.send_to(&reply, to);
            }
        }
    }

    /// Reads a stream to its end, on a thread of its own.
    fn follow(inner: &Arc<Inner>, mut stream: TcpStream) {
        let inner = Arc::clone(inner);
        let from = stream.peer_addr().unwrap();
        inner.lock().streams.insert(from, stream.try_clone().unwrap());
        std::thread::spawn(move || {
            let (mut bytes, mut buffer) = (Vec::new(), vec![0; 65_536]);
            while let Ok(size @ 1..) = stream.read(&mut buffer) {
                bytes.extend_from_slice(&buffer[..size]);
                while let Some(bytes) = framed(&mut bytes) {
                    let packet = Packet { at: Instant::now(), from, over: Over::Tcp, bytes };
                    if let Some((reply, _)) = inner.take(packet) {
                        let _ = stream.write_all(&reply);
                    }
                }
            }
            inner.lock().streams.remove(&from);
            inner.changed.notify_all();
        });
    }

    /// Records a packet; the answer to a request, and where it goes as Kamailio's answers do: to
    /// the address of the source and the port of the Via.
    fn take(&self, packet: Packet) -> Option<(Vec<u8>, SocketAddr)> {
        let mut state = self.lock();
        let answer = if packet.is_reply() { None } else { state.answer(&packet) };
        state.packets.push(packet.clone());
        self.changed.notify_all();
        let via = packet.get("Via")?;
        let sent_by = via.split([' ', ';']).nth(1)?;
        let port = sent_by.split_once(':').map_or(address::PORT, |(_, port)| port.parse().unwrap());
        Some((answer?, SocketAddr::new(packet.from.ip(), port)))
    }
}

impl State {
    fn answer(&mut self, request: &Packet) -> Option<Vec<u8>> {
        let copies = self.copies.entry(request.branch().to_owned()).or_default();
        *copies += 1;
        let copies = *copies;
        let manner = self.manners.get(request.peer()).or_else(|| self.manners.get("*")).cloned();
        let is_list = request.asks(NOTIFICATION);
        let manner = match manner {
            Some(Manner::BodyTo(ip, body)) if request.from.ip() == ip => Manner::Body(body),
            Some(Manner::BodyTo(..)) | None => Manner::Answer,
            Some(other) => other,
        };
        if is_list && !matches!(manner, Manner::Silent) {
            self.learn(request);
        }
        let list =
            || self.lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect::<String>();
        let (code, reason, body) = match manner {
            Manner::Silent => return None,
            Manner::AtCopy(n) if copies < n => return None,
            Manner::Answer | Manner::AtCopy(_) if is_list => (200, "OK", list().into_bytes()),
            Manner::Answer | Manner::AtCopy(_) => (200, "OK", Vec::new()),
            Manner::Code(code, reason) => (code, reason, Vec::new()),
            Manner::Body(body) | Manner::BodyTo(_, body) => (200, "OK", body),
        };
        let mut reply = format!("SIP/2.0 {code} {reason}\r\n");
        for name in ["Via", "From", "CSeq", "Call-ID"] {
            for value in request.all(name) {
                reply.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        reply.push_str(&format!("To: {};tag=scripted\r\n", request.header("To")));
        if !body.is_empty() {
            reply.push_str("Content-Type: text/plain\r\n");
        }
        reply.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        Some([reply.as_bytes(), &body].concat())
    }
}

impl State {
    /// Believes what a notification says, as Kamailio does.
    fn learn(&mut self, request: &Packet) {
        for line in request.lines() {
            let (uri, status) = line.split_once(";status=").unwrap_or((line, ""));
            self.lines.retain(|known| {
                !known.starts_with(&format!("{uri};status=")) || status == "active"
            });
            if status == "active" && !self.lines.iter().any(|known| known == line) {
                self.lines.push(line.to_owned());
            }
        }
    }
}
