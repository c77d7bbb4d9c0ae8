//! The sockets of a node: datagrams and connections in, packets out. It knows where a SIP message
//! begins and ends, and nothing of what it says; it never waits for anybody to read.

#[cfg(test)]
mod tests;
mod udp;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use crate::address::Transport;
use udp::Datagrams;

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
    /// What the node's URI says. A TCP node listens for datagrams too, on the same port.
    pub transport: Transport,
    /// Where to listen: at most one address of IPv4 and one of IPv6. Port 0 lets the system choose.
    pub addresses: Vec<SocketAddr>,
}

/// Why a node cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses it.
    #[error("cannot receive datagrams on {address}: {source}; {}", advice(.source))]
    Datagrams {
        /// Where.
        address: SocketAddr,
        /// Its answer.
        source: io::Error,
    },
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
    counts: SocketCounts,
    /// The datagram that is being looked at.
    buffer: Box<[u8]>,
}

impl Sockets {
    /// Listens as planned. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system refuses an address.
    pub(crate) fn bind(plan: &SocketPlan) -> Result<Sockets, BindError> {
        let datagrams = plan.addresses.iter().map(|&address| {
            Datagrams::bind(address).map_err(|source| BindError::Datagrams { address, source })
        });
        Ok(Sockets {
            datagrams: datagrams.collect::<Result<_, _>>()?,
            counts: SocketCounts::default(),
            buffer: vec![0; udp::BUFFER_BYTES].into(),
        })
    }

    /// Where it listens, with the real ports.
    pub(crate) fn addresses(&self) -> Vec<(Transport, SocketAddr)> {
        self.datagrams.iter().map(|socket| (Transport::Udp, socket.address)).collect()
    }

    /// What was counted.
    pub(crate) fn counts(&self) -> SocketCounts {
        self.counts
    }

    /// Waits until there is something to [`Sockets::read`]; nothing is lost when the future is
    /// dropped.
    pub(crate) async fn ready(&mut self) {
        poll_fn(|context| {
            let mut sockets = self.datagrams.iter();
            match sockets.any(|socket| socket.poll_ready(context).is_ready()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Gives what has arrived to `take`, at most so many packets, and routes on which no answer can
    /// come any more to `failed`, each once and with the reason. Does not wait.
    pub(crate) fn read(
        &mut self,
        packets_max: usize,
        take: &mut dyn FnMut(&Source, &[u8]),
        _failed: &mut dyn FnMut(&Route, String),
    ) {
        let mut left = packets_max;
        for socket in &self.datagrams {
            left -= socket.read(left, &mut self.buffer, take);
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
            Route::Flow(_) | Route::Stream { .. } => Err("no connections here".into()),
        };
        self.counts.unsent += u64::from(sent.is_err());
        sent
    }

    fn send_datagram(&mut self, to: SocketAddr, packet: &[u8]) -> Result<(), String> {
        let of_family = |socket: &&Datagrams| socket.address.is_ipv4() == to.is_ipv4();
        let Some(socket) = self.datagrams.iter().find(of_family) else {
            return Err(format!("{to} cannot be reached from here by UDP"));
        };
        match socket.send(to, packet) {
            Ok(true) => {}
            Ok(false) => self.counts.unsent += 1,
            Err(error) => {
                return Err(format!("cannot send {} bytes to {to}: {error}", packet.len()));
            }
        }
        Ok(())
    }
}
