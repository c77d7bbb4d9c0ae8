//! The sockets of a node: datagrams and connections in, packets out. It knows where a SIP message
//! begins and ends, and nothing of what it says; it never waits for anybody to read.

mod connection;
mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod udp;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

use crate::address::Transport;
use stream::Streams;
use tls::{Tls, TlsPlan};
use udp::Datagrams;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 512;

/// A connection of this process; the number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FlowId(u64);

/// Where a packet came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// How it came.
    pub transport: Transport,
    /// From whom.
    pub address: SocketAddr,
    /// The connection; `None` for a datagram.
    pub flow: Option<FlowId>,
    /// Whether the other side of a TLS connection showed a certificate of our authorities, with a
    /// name that is accepted.
    pub verified: bool,
}

/// The way of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    /// A datagram.
    Udp(SocketAddr),
    /// The connection on which a request came, for its reply.
    Flow(FlowId),
    /// A connection that we make, or have made, to a node.
    Stream {
        /// TCP or TLS.
        transport: Transport,
        /// Where the node listens.
        address: SocketAddr,
        /// The host of its URI, which its certificate has to name.
        name: Arc<str>,
    },
}

/// What sockets there are to be.
#[derive(Clone, Debug)]
pub(crate) struct SocketPlan {
    /// What the node's URI says. A TCP node listens for datagrams too, on the same port. Connections
    /// to other nodes are made by TCP in any case, and by TLS when there are certificates.
    pub transport: Transport,
    /// Where to listen: at most one address of IPv4 and one of IPv6. Port 0 lets the system choose.
    /// Connections are made from the same address.
    pub addresses: Vec<SocketAddr>,
    /// The largest message on a connection, with its headers, in bytes.
    pub message_bytes_max: usize,
    /// Certificates.
    pub tls: TlsPlan,
}

/// Why a node cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses it.
    #[error("cannot listen on {address} by {}: {source}; {}", .transport.token(), advice(.source))]
    Refused {
        /// How.
        transport: Transport,
        /// Where.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// Certificates are missing or wrong.
    #[error("no TLS: {0}")]
    Tls(String),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "does Kamailio or another node run there?",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => {
            "is this an address of the machine? server_socket is where to listen if it is not"
        }
        _ => "see server_address and server_socket",
    }
}

/// What sockets have counted since they were bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SocketCounts {
    /// Connections, made by others and by us.
    pub connections: u64,
    /// Packets that the system or a connection did not take.
    pub unsent: u64,
}

/// All sockets of a node. Belongs to one task.
#[derive(Debug)]
pub(crate) struct Sockets {
    datagrams: Vec<Datagrams>,
    streams: Streams,
    /// Packets that were not sent.
    unsent: u64,
    /// The datagram that is being looked at.
    buffer: Box<[u8]>,
}

impl Sockets {
    /// Listens as planned. Needs a tokio `LocalSet`, in which each connection is a task.
    ///
    /// # Errors
    /// The system refuses an address, or certificates are wrong.
    pub(crate) fn bind(plan: &SocketPlan) -> Result<Sockets, BindError> {
        let (mut datagrams, mut listeners) = (Vec::new(), Vec::new());
        for &address in &plan.addresses {
            let refused =
                |transport| move |source| BindError::Refused { transport, address, source };
            match plan.transport {
                Transport::Udp => {
                    datagrams.push(Datagrams::bind(address).map_err(refused(Transport::Udp))?);
                }
                Transport::Tls => {
                    let (listener, real) = listen(address).map_err(refused(Transport::Tls))?;
                    listeners.push((Transport::Tls, real, listener));
                }
                Transport::Tcp => {
                    let (listener, socket) = listen_both(address)
                        .map_err(|(transport, source)| refused(transport)(source))?;
                    listeners.push((Transport::Tcp, socket.address, listener));
                    datagrams.push(socket);
                }
            }
        }
        let tls = Tls::new(&plan.tls, plan.transport == Transport::Tls).map_err(BindError::Tls)?;
        // Nodes know each other by the address (`dmq_is_from_node`), so connections come from it.
        let ours = plan.addresses.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
        Ok(Sockets {
            datagrams,
            streams: Streams::new(listeners, ours.collect(), tls, plan.message_bytes_max),
            unsent: 0,
            buffer: vec![0; udp::BUFFER_BYTES].into(),
        })
    }

    /// Where it listens, with the real ports.
    pub(crate) fn addresses(&self) -> Vec<(Transport, SocketAddr)> {
        let datagrams = self.datagrams.iter().map(|socket| (Transport::Udp, socket.address));
        self.streams.addresses.iter().copied().chain(datagrams).collect()
    }

    /// What was counted.
    pub(crate) fn counts(&self) -> SocketCounts {
        SocketCounts { connections: self.streams.opened, unsent: self.unsent }
    }

    /// Waits until there is something to [`Sockets::read`]; nothing is lost when the future is
    /// dropped.
    pub(crate) async fn ready(&mut self) {
        poll_fn(|context| {
            // All are asked: each has to know whom to wake.
            let mut is_ready = self.streams.poll_ready(context).is_ready();
            for socket in &self.datagrams {
                is_ready |= socket.poll_ready(context).is_ready();
            }
            if is_ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await
    }

    /// Gives what has arrived to `take`, at most so many packets, and ways of [`Route::Stream`] on
    /// which no answer can come any more to `failed`, each once and with the reason; a later packet
    /// makes a new connection. Does not wait.
    pub(crate) fn read(
        &mut self,
        packets_max: usize,
        take: &mut dyn FnMut(&Source, &[u8]),
        failed: &mut dyn FnMut(&Route, String),
    ) {
        // Each gets its share, and what those before it did not need.
        let (mut left, mut sharing) = (packets_max, 1 + self.datagrams.len());
        left -= self.streams.read(left.div_ceil(sharing), take, failed);
        for socket in &self.datagrams {
            sharing -= 1;
            left -= socket.read(left.div_ceil(sharing), &mut self.buffer, take);
        }
    }

    /// Sends a packet, or drops it when the system has no room for a datagram, as the network may
    /// do as well. Does not wait.
    ///
    /// # Errors
    /// It cannot be sent this way; the reason is for people.
    pub(crate) fn send(&mut self, route: &Route, packet: &Arc<[u8]>) -> Result<(), String> {
        let sent = match route {
            Route::Udp(to) => self.send_datagram(*to, packet),
            Route::Flow(_) | Route::Stream { .. } => self.streams.send(route, packet),
        };
        self.unsent += u64::from(sent.is_err());
        sent
    }

    fn send_datagram(&mut self, to: SocketAddr, packet: &[u8]) -> Result<(), String> {
        let of_family = |socket: &&Datagrams| socket.address.is_ipv4() == to.is_ipv4();
        let Some(socket) = self.datagrams.iter().find(of_family) else {
            return Err(format!("{to} cannot be reached from here by UDP"));
        };
        match socket.send(to, packet) {
            Ok(true) => {}
            Ok(false) => self.unsent += 1,
            Err(error) => {
                return Err(format!("cannot send {} bytes to {to}: {error}", packet.len()));
            }
        }
        Ok(())
    }
}

/// A socket that is bound and does not block.
fn open(kind: Type, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // A port is free although connections of an earlier process still end on it.
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Listens; with the real address.
fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = open(Type::STREAM, address)?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// TCP and UDP on one port, which is tried again when the system has chosen one that is free for
/// TCP only.
fn listen_both(address: SocketAddr) -> Result<(TcpListener, Datagrams), (Transport, io::Error)> {
    let mut tries_left = if address.port() == 0 { 10 } else { 0 };
    loop {
        let (listener, real) = listen(address).map_err(|error| (Transport::Tcp, error))?;
        match Datagrams::bind(real) {
            Ok(socket) => return Ok((listener, socket)),
            Err(error) if tries_left == 0 => return Err((Transport::Udp, error)),
            Err(_) => tries_left -= 1,
        }
    }
}
