//! One connection, from its making to its end: messages in, packets out.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout, timeout_at};

use super::stream::Event;
use super::tls::Tls;
use super::{FlowId, Source};
use crate::address::Transport;
use crate::sip::frame::{FrameError, Framer};

/// A connection, with its handshake, is there by then, or not at all.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A message that has begun ends by then.
pub(super) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The other side reads one of our packets by then, and acknowledges what it was sent: after a
/// longer outage a new connection is sooner there than the kernel tries an old one again.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection without a byte either way is closed then; Kamailio does the same.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the other side may take to hear that we close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// What is read at a time.
const READ_BYTES: usize = 16 * 1024;

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("no connection within {} s", CONNECT_TIMEOUT.as_secs())]
    ConnectTimeout,
    #[error("the other side has closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("what the other side sends is not SIP: {0}")]
    NotSip(FrameError),
    #[error("a message had not ended after {} s", MESSAGE_TIMEOUT.as_secs())]
    Unfinished,
    #[error("the other side has read nothing for {} s", WRITE_TIMEOUT.as_secs())]
    NotReading,
    #[error("the connection was not used for {} s", IDLE_TIMEOUT.as_secs())]
    Idle,
    #[error("we closed the connection")]
    Dropped,
}

/// What a connection works with.
pub(super) struct Connection {
    pub(super) flow: FlowId,
    pub(super) transport: Transport,
    /// The other side.
    pub(super) address: SocketAddr,
    pub(super) tls: Rc<Tls>,
    pub(super) message_bytes_max: usize,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) packets: Packets,
}

/// What waits to be written.
pub(super) struct Packets {
    pub(super) queue: mpsc::UnboundedReceiver<Arc<[u8]>>,
    /// The bytes that were put in the queue and not written yet.
    pub(super) bytes: Rc<Cell<usize>>,
}

impl Connection {
    /// Serves a connection that somebody made to us, to its end.
    pub(super) async fn accepted(self, stream: TcpStream) {
        let (flow, events) = (self.flow, self.events.clone());
        if let Err(error) = tune(&stream) {
            return closed(&events, flow, End::Broken(error)).await;
        }
        let end = match self.transport {
            Transport::Tls => {
                let tls = Rc::clone(&self.tls);
                match timeout(CONNECT_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok((stream, verified))) => self.serve(stream, verified).await,
                    Ok(Err(error)) => End::Handshake(error),
                    Err(_) => End::ConnectTimeout,
                }
            }
            Transport::Tcp | Transport::Udp => self.serve(stream, false).await,
        };
        closed(&events, flow, end).await;
    }

    /// Makes a connection, from this address of ours if any, and serves it to its end. `name` is
    /// whom the other side's certificate has to name.
    pub(super) async fn made(self, from: Option<SocketAddr>, name: Arc<str>) {
        let (flow, events) = (self.flow, self.events.clone());
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let end = match timeout_at(deadline, connect(from, self.address)).await {
            Err(_) => End::ConnectTimeout,
            Ok(Err(error)) => End::Connect(error),
            Ok(Ok(stream)) if self.transport == Transport::Tls => {
                let tls = Rc::clone(&self.tls);
                match timeout_at(deadline, tls.connect(&name, stream)).await {
                    Ok(Ok(stream)) => self.serve(stream, true).await,
                    Ok(Err(error)) => End::Handshake(error),
                    Err(_) => End::ConnectTimeout,
                }
            }
            Ok(Ok(stream)) => self.serve(stream, false).await,
        };
        closed(&events, flow, end).await;
    }

    async fn serve<S: AsyncRead + AsyncWrite + 'static>(self, stream: S, verified: bool) -> End {
        let Connection { flow, transport, address, message_bytes_max, events, packets, .. } = self;
        let source = Source { transport, address, flow: Some(flow), verified };
        let (mut reader, mut writer) = tokio::io::split(stream);
        let used = Cell::new(Instant::now());
        let end = tokio::select! {
            end = read(&mut reader, source, Framer::new(message_bytes_max), &events, &used) => end,
            end = write(&mut writer, packets, &used) => end,
        };
        // Whether the other side hears of it makes no difference.
        spawn_local(async move { timeout(CLOSE_TIMEOUT, writer.shutdown()).await });
        end
    }
}

async fn connect(from: Option<SocketAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from {
        socket.bind(from)?;
    }
    let stream = socket.connect(to).await?;
    tune(&stream)?;
    Ok(stream)
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    // Packets must not wait for the other side's acknowledgement of earlier ones.
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(WRITE_TIMEOUT))
}

async fn closed(events: &mpsc::Sender<Event>, flow: FlowId, end: End) {
    // Nobody is there to hear it when the node stops.
    let _ = events.send(Event::Closed(flow, end)).await;
}

/// Cuts what arrives into messages and hands them on, waiting while too many are not looked at.
async fn read<S: AsyncRead>(
    reader: &mut ReadHalf<S>,
    source: Source,
    mut framer: Framer,
    events: &mpsc::Sender<Event>,
    used: &Cell<Instant>,
) -> End {
    let mut buffer = vec![0; READ_BYTES];
    // When the message that is not whole yet began.
    let mut begun: Option<Instant> = None;
    loop {
        let deadline = match begun {
            Some(begun) => begun + MESSAGE_TIMEOUT,
            None => used.get() + IDLE_TIMEOUT,
        };
        let length = match timeout_at(deadline, reader.read(&mut buffer)).await {
            Ok(Ok(0)) => return End::Closed,
            Ok(Ok(length)) => length,
            // TLS that ends without saying so, as Kamailio's does.
            Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => return End::Closed,
            Ok(Err(error)) => return End::Broken(error),
            Err(_) if begun.is_some() => return End::Unfinished,
            Err(_) if used.get().elapsed() < IDLE_TIMEOUT => continue,
            Err(_) => return End::Idle,
        };
        framer.push(&buffer[..length]);
        loop {
            match framer.take() {
                Ok(Some(message)) => {
                    let message = message.to_vec();
                    if events.send(Event::Message(source.clone(), message)).await.is_err() {
                        return End::Dropped;
                    }
                    begun = None;
                }
                Ok(None) => break,
                Err(error) => return End::NotSip(error),
            }
        }
        used.set(Instant::now());
        begun = framer.has_begun().then(|| begun.unwrap_or_else(Instant::now));
    }
}

/// Writes what is queued.
async fn write<S: AsyncWrite>(
    writer: &mut WriteHalf<S>,
    mut packets: Packets,
    used: &Cell<Instant>,
) -> End {
    while let Some(packet) = packets.queue.recv().await {
        let writing = async {
            writer.write_all(&packet).await?;
            writer.flush().await
        };
        match timeout(WRITE_TIMEOUT, writing).await {
            Ok(Ok(())) => packets.bytes.set(packets.bytes.get() - packet.len()),
            Ok(Err(error)) => return End::Broken(error),
            Err(_) => return End::NotReading,
        }
        used.set(Instant::now());
    }
    End::Dropped
}
