//! All connections of a node: those that it makes and those that are made to it. What is read on
//! any of them comes here; what is sent waits at each, up to a limit.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::connection::{Connection, End, Packets};
use super::tls::Tls;
use super::{FlowId, Route, Source};
use crate::address::Transport;

/// Connections that others make, together.
pub(super) const ACCEPTED_MAX: usize = 512;
/// Of these, from one address: one host does not shut out the others.
pub(super) const ACCEPTED_PER_HOST_MAX: usize = 64;
/// Connections that we make; there are not many more nodes on a bus.
const MADE_MAX: usize = 1024;
/// What may wait to be written on one connection, in bytes.
pub(super) const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Messages that were read and not looked at; while there are more, nothing is read.
const EVENTS_MAX: usize = 64;
/// How long to wait when the system has no more files or memory for sockets.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// Others can make us write a line in the log no more often.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What happened on a connection.
pub(super) enum Event {
    /// Somebody connects.
    Accepted(Transport, TcpStream, SocketAddr),
    /// A message has arrived, whole.
    Message(Source, Vec<u8>),
    /// It is over.
    Closed(FlowId, End),
}

/// A connection that is there, or is being made.
struct Flow {
    address: SocketAddr,
    /// The way that it was made for; `None` for those that others made.
    route: Option<Route>,
    queue: mpsc::UnboundedSender<Arc<[u8]>>,
    /// See [`Packets::bytes`].
    bytes: Rc<Cell<usize>>,
}

/// All connections, and what listens for them.
pub(super) struct Streams {
    /// Where it listens, with the real ports.
    pub(super) addresses: Vec<(Transport, SocketAddr)>,
    /// Connections so far.
    pub(super) opened: u64,
    /// From where connections are made: at most one of IPv4 and one of IPv6.
    ours: Vec<IpAddr>,
    message_bytes_max: usize,
    tls: Rc<Tls>,
    flows: HashMap<FlowId, Flow>,
    made: HashMap<Route, FlowId>,
    events: mpsc::Receiver<Event>,
    reporter: mpsc::Sender<Event>,
    /// Taken from `events`, not yet looked at.
    next: Option<Event>,
    /// When the log may have another line about what others do.
    log_after: Instant,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("flows", &self.flows.len()).finish_non_exhaustive()
    }
}

impl Streams {
    /// Takes connections from these listeners, and makes them from these addresses. Needs a
    /// `LocalSet`.
    pub(super) fn new(
        listeners: Vec<(Transport, SocketAddr, TcpListener)>,
        ours: Vec<IpAddr>,
        tls: Tls,
        message_bytes_max: usize,
    ) -> Streams {
        let (reporter, events) = mpsc::channel(EVENTS_MAX);
        let mut addresses = Vec::new();
        for (transport, address, listener) in listeners {
            addresses.push((transport, address));
            spawn_local(accept(transport, listener, reporter.clone()));
        }
        Streams {
            addresses,
            opened: 0,
            ours,
            message_bytes_max,
            tls: Rc::new(tls),
            flows: HashMap::new(),
            made: HashMap::new(),
            events,
            reporter,
            next: None,
            log_after: Instant::now(),
        }
    }

    /// Whether there is something to read.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.next.is_none() {
            match self.events.poll_recv(context) {
                Poll::Ready(event) => self.next = event,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    /// Looks at what has happened, at most so much; returns how much that was.
    pub(super) fn read(
        &mut self,
        events_max: usize,
        take: &mut dyn FnMut(&Source, &[u8]),
        failed: &mut dyn FnMut(&Route, String),
    ) -> usize {
        for count in 0..events_max {
            let Some(event) = self.next.take().or_else(|| self.events.try_recv().ok()) else {
                return count;
            };
            match event {
                Event::Accepted(transport, stream, from) => self.accepted(transport, stream, from),
                Event::Message(source, message) => take(&source, &message),
                Event::Closed(flow, end) => self.closed(flow, &end, failed),
            }
        }
        events_max
    }

    /// Queues a packet for a connection, which is made when there is none.
    pub(super) fn send(&mut self, route: &Route, packet: &Arc<[u8]>) -> Result<(), String> {
        let flow = match route {
            Route::Flow(flow) => *flow,
            Route::Stream { .. } | Route::Udp(_) => match self.made.get(route) {
                Some(flow) => *flow,
                None => self.make(route)?,
            },
        };
        let Some(flow) = self.flows.get(&flow) else {
            return Err("the connection is closed".into());
        };
        let bytes = flow.bytes.get() + packet.len();
        if bytes > QUEUE_BYTES_MAX {
            return Err(format!("{} does not read what waits for it", flow.address));
        }
        // The task that takes from the queue has ended: that is on its way to us as an event.
        flow.queue.send(Arc::clone(packet)).map_err(|_| "the connection has broken")?;
        flow.bytes.set(bytes);
        Ok(())
    }

    fn make(&mut self, route: &Route) -> Result<FlowId, String> {
        let Route::Stream { transport, address, name } = route else {
            return Err("no connection can be made for this".into());
        };
        if self.made.len() >= MADE_MAX {
            return Err(format!("{MADE_MAX} connections to nodes are open, which is the limit"));
        }
        let (flow, connection) = self.open(*transport, *address, Some(route.clone()));
        self.made.insert(route.clone(), flow);
        let from = self.ours.iter().find(|ip| ip.is_ipv4() == address.is_ipv4());
        let from = from.map(|ip| SocketAddr::new(*ip, 0));
        spawn_local(connection.made(from, Arc::clone(name)));
        Ok(flow)
    }

    fn accepted(&mut self, transport: Transport, stream: TcpStream, from: SocketAddr) {
        let (mut all, mut of_host) = (0, 0);
        for flow in self.flows.values().filter(|flow| flow.route.is_none()) {
            all += 1;
            of_host += usize::from(flow.address.ip() == from.ip());
        }
        if all >= ACCEPTED_MAX || of_host >= ACCEPTED_PER_HOST_MAX {
            self.log(|| {
                format!(
                    "refused a connection from {from}: {all} are open, {of_host} of that host; at \
                     most {ACCEPTED_MAX} and {ACCEPTED_PER_HOST_MAX} may be"
                )
            });
            return;
        }
        let (_, connection) = self.open(transport, from, None);
        spawn_local(connection.accepted(stream));
    }

    fn open(
        &mut self,
        transport: Transport,
        address: SocketAddr,
        route: Option<Route>,
    ) -> (FlowId, Connection) {
        self.opened += 1;
        let flow = FlowId(self.opened);
        let (queue, packets) = mpsc::unbounded_channel();
        let bytes = Rc::new(Cell::new(0));
        let packets = Packets { queue: packets, bytes: Rc::clone(&bytes) };
        self.flows.insert(flow, Flow { address, route, queue, bytes });
        let connection = Connection {
            flow,
            transport,
            address,
            tls: Rc::clone(&self.tls),
            message_bytes_max: self.message_bytes_max,
            events: self.reporter.clone(),
            packets,
        };
        (flow, connection)
    }

    fn closed(&mut self, flow: FlowId, end: &End, failed: &mut dyn FnMut(&Route, String)) {
        let Some(Flow { address, route, bytes, .. }) = self.flows.remove(&flow) else { return };
        if let Some(route) = route {
            self.made.remove(&route);
            match end {
                End::Idle if bytes.get() == 0 => tracing::debug!("connection to {address}: {end}"),
                _ => failed(&route, end.to_string()),
            }
        } else if matches!(end, End::Idle | End::Closed | End::Broken(_) | End::Dropped) {
            tracing::debug!("connection from {address}: {end}");
        } else {
            self.log(|| format!("closed a connection from {address}: {end}"));
        }
    }

    /// A line about what others do: seldom a warning, so that they cannot fill the log.
    fn log(&mut self, line: impl Fn() -> String) {
        let now = Instant::now();
        if now < self.log_after {
            tracing::debug!("{}", line());
            return;
        }
        self.log_after = now + LOG_INTERVAL;
        tracing::warn!("{}", line());
    }
}

/// Accepts as long as somebody wants connections.
async fn accept(transport: Transport, listener: TcpListener, events: mpsc::Sender<Event>) {
    let mut is_exhausted = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = events.closed() => return,
        };
        match accepted {
            Ok((stream, from)) => {
                is_exhausted = false;
                let _ = events.send(Event::Accepted(transport, stream, from)).await;
            }
            Err(error) => {
                if !is_exhausted {
                    tracing::error!(
                        "cannot accept connections: {error}; is the limit on open files too low?"
                    );
                }
                is_exhausted = true;
                sleep(EXHAUSTED).await;
            }
        }
    }
}
