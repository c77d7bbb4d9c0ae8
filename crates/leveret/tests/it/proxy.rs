//! A door between a client under test and its broker that a test can hold: it counts what is
//! published and not yet confirmed, withholds confirms or turns them into refusals, says that the
//! broker is blocked, and cuts connections. Frames pass as they are otherwise.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use amqp::frame::{self, FrameKind, PROTOCOL_HEADER};
use amqp::method::{BasicAck, BasicNack, Method};

/// The door.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    broker: SocketAddr,
    confirms: Confirms,
    lines: Vec<Line>,
    published: u64,
    unconfirmed_max: u64,
}

/// What becomes of a broker's confirms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Confirms {
    /// They pass.
    Pass,
    /// They wait, but for so many.
    Withhold(u64),
    /// So many become refusals, the others pass.
    Refuse(u64),
}

/// Frames to the client, whole, from more than one thread.
type Writer = Arc<Mutex<TcpStream>>;

/// One connection through the door.
struct Line {
    /// The delayer's address.
    peer: SocketAddr,
    client: Writer,
    /// Both sockets, to shut them.
    sockets: [TcpStream; 2],
    /// The channel that publishes with confirms; there is one at most.
    channel: u16,
    /// Publishes that were seen, and confirms that were let through.
    published: u64,
    confirmed: u64,
    /// The last number that the broker confirmed.
    seen: u64,
    withheld: VecDeque<u64>,
}

impl Proxy {
    /// A door to this broker.
    pub(crate) fn to(broker: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            broker,
            confirms: Confirms::Pass,
            lines: Vec::new(),
            published: 0,
            unconfirmed_max: 0,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                open(&shared, client);
            }
        });
        Proxy { address, state }
    }

    /// Where the client connects.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The broker is somewhere else from now on.
    pub(crate) fn lead_to(&self, broker: SocketAddr) {
        self.state().broker = broker;
    }

    /// Messages published so far.
    pub(crate) fn published(&self) -> u64 {
        self.state().published
    }

    /// The most messages that were published and not confirmed at any time.
    pub(crate) fn unconfirmed_max(&self) -> u64 {
        self.state().unconfirmed_max
    }

    /// Withholds confirms from now on.
    pub(crate) fn withhold(&self) {
        self.state().confirms = Confirms::Withhold(0);
    }

    /// Lets so many more withheld confirms through.
    pub(crate) fn release(&self, count: u64) {
        let mut state = self.state();
        let Confirms::Withhold(allowed) = state.confirms else { panic!("nothing is withheld") };
        state.confirms = Confirms::Withhold(allowed + count);
        state.pump();
    }

    /// Lets all confirms through, and all that follow.
    pub(crate) fn let_through(&self) {
        let mut state = self.state();
        state.confirms = Confirms::Pass;
        state.pump();
    }

    /// Turns the next confirms into refusals.
    pub(crate) fn refuse(&self, count: u64) {
        self.state().confirms = Confirms::Refuse(count);
    }

    /// Says something to the client on channel 0 of every connection.
    pub(crate) fn say<'a>(&self, method: impl Into<Method<'a>>) {
        let mut bytes = Vec::new();
        frame::write_method(&mut bytes, 0, &method.into());
        for line in &self.state().lines {
            let _ = line.client.lock().unwrap().write_all(&bytes);
        }
    }

    /// Cuts every connection; how many there were.
    pub(crate) fn cut(&self) -> usize {
        let lines = std::mem::take(&mut self.state().lines);
        for line in &lines {
            line.shut();
        }
        lines.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Line {
    fn shut(&self) {
        for socket in &self.sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn confirm<'a>(&mut self, method: impl Into<Method<'a>>) {
        let mut bytes = Vec::new();
        frame::write_method(&mut bytes, self.channel, &method.into());
        self.confirmed += 1;
        let _ = self.client.lock().unwrap().write_all(&bytes);
    }
}

impl State {
    /// Sends the confirms that may pass, one by one.
    fn pump(&mut self) {
        for line in &mut self.lines {
            while let Some(&delivery_tag) = line.withheld.front() {
                let mut refused = false;
                match &mut self.confirms {
                    Confirms::Withhold(0) => return,
                    Confirms::Withhold(left) => *left -= 1,
                    Confirms::Refuse(left) => {
                        refused = *left > 0;
                        *left = left.saturating_sub(1);
                    }
                    Confirms::Pass => {}
                }
                line.withheld.pop_front();
                if refused {
                    line.confirm(BasicNack { delivery_tag, multiple: false, requeue: false });
                } else {
                    line.confirm(BasicAck { delivery_tag, multiple: false });
                }
            }
        }
    }

    fn line(&mut self, peer: SocketAddr) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.peer == peer)
    }

    /// The delayer sent a frame.
    fn sent(&mut self, peer: SocketAddr, channel: u16, method: &Method<'_>) {
        if !matches!(method, Method::BasicPublish(_)) {
            return;
        }
        let Some(line) = self.line(peer) else { return };
        line.channel = channel;
        line.published += 1;
        let unconfirmed = line.published - line.confirmed;
        self.published += 1;
        self.unconfirmed_max = self.unconfirmed_max.max(unconfirmed);
    }

    /// The broker sent a frame; whether it is kept here.
    fn received(&mut self, peer: SocketAddr, method: &Method<'_>) -> bool {
        let Method::BasicAck(ack) = method else { return false };
        let Some(line) = self.line(peer) else { return true };
        let from = if ack.multiple { line.seen + 1 } else { ack.delivery_tag };
        line.seen = line.seen.max(ack.delivery_tag);
        line.withheld.extend(from..=ack.delivery_tag);
        self.pump();
        true
    }
}

fn open(state: &Arc<Mutex<State>>, client: TcpStream) {
    let broker = state.lock().unwrap().broker;
    // A broker that is away refuses; so does the door.
    let Ok(broker) = TcpStream::connect(broker) else { return };
    let Ok(peer) = client.peer_addr() else { return };
    for socket in [&client, &broker] {
        socket.set_nodelay(true).unwrap();
    }
    let copy = |socket: &TcpStream| socket.try_clone().unwrap();
    let writer = Arc::new(Mutex::new(copy(&client)));
    let line = Line {
        peer,
        client: Arc::clone(&writer),
        sockets: [copy(&client), copy(&broker)],
        channel: 0,
        published: 0,
        confirmed: 0,
        seen: 0,
        withheld: VecDeque::new(),
    };
    state.lock().unwrap().lines.push(line);
    let (shared, mut from, mut to) = (Arc::clone(state), client, copy(&broker));
    thread::spawn(move || {
        let mut header = [0; PROTOCOL_HEADER.len()];
        if from.read_exact(&mut header).and_then(|()| to.write_all(&header)).is_ok() {
            pass(&mut from, |channel, method, bytes| {
                if let Some(method) = method {
                    shared.lock().unwrap().sent(peer, channel, &method);
                }
                to.write_all(bytes)
            });
        }
        end(&shared, peer);
    });
    let (shared, mut from) = (Arc::clone(state), broker);
    thread::spawn(move || {
        pass(&mut from, |_, method, bytes| {
            if method.is_some_and(|method| shared.lock().unwrap().received(peer, &method)) {
                return Ok(());
            }
            writer.lock().unwrap().write_all(bytes)
        });
        end(&shared, peer);
    });
}

/// Both directions end together.
fn end(state: &Mutex<State>, peer: SocketAddr) {
    let mut state = state.lock().unwrap();
    if let Some(line) = state.line(peer) {
        line.shut();
    }
    state.lines.retain(|line| line.peer != peer);
}

/// Hands on frame by frame until the socket ends: channel, method if it is one, bytes.
fn pass(
    from: &mut TcpStream,
    mut on: impl FnMut(u16, Option<Method<'_>>, &[u8]) -> std::io::Result<()>,
) {
    let mut input = Vec::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let mut used = 0;
        while let Ok(Some((frame, size))) = frame::parse(&input[used..], 0) {
            let method = (frame.kind == FrameKind::Method)
                .then(|| Method::decode(frame.payload).ok())
                .flatten();
            if on(frame.channel, method, &input[used..used + size]).is_err() {
                return;
            }
            used += size;
        }
        input.drain(..used);
        match from.read(&mut buffer) {
            Ok(count @ 1..) => input.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
}
