//! The socket of a connection, plain or TLS, and the task that moves its bytes.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::connections::{Park, Phase};
use super::facts::TlsFacts;
use super::output::HIGH_WATER_BYTES;
use crate::shard::Shard;

/// Reads of one connection before the others have their turn. One, so that what it published leaves
/// for the consumers before more comes in, while it is in the processor's cache.
const READS_A_TURN: usize = 1;

/// What a client is connected by.
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// What was agreed on, when it is TLS.
    pub(crate) fn tls(&self) -> Option<TlsFacts> {
        let Socket::Tls(stream) = self else { return None };
        let session = stream.get_ref().1;
        let named = |name: Option<&str>| name.unwrap_or_default().to_owned();
        Some(TlsFacts {
            protocol: named(session.protocol_version().and_then(|version| version.as_str())),
            cipher: named(
                session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()),
            ),
        })
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Socket::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Socket::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Serves a connection until its socket is closed, and leaves nothing of it behind.
pub(crate) async fn serve(shard: Rc<RefCell<Shard>>, mut socket: Socket, conn: usize) {
    poll_fn(|cx| shard.borrow_mut().poll_connection(conn, &mut socket, cx)).await;
    shard.borrow_mut().forget(conn);
    // The peer reads what was written before it reads the end.
    let _ = poll_fn(|cx| Pin::new(&mut socket).poll_shutdown(cx)).await;
}

impl Shard {
    fn poll_connection(
        &mut self,
        conn: usize,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let connection = &mut self.connections.table[conn];
        connection.awake = false;
        if !connection.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            connection.waker = Some(cx.waker().clone());
        }
        self.read_clock();
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let polled = self.poll_turn(conn, socket, &mut buffer, cx);
        self.read_buffer = buffer;
        polled
    }

    fn poll_turn(
        &mut self,
        conn: usize,
        socket: &mut Socket,
        buffer: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        for _ in 0..READS_A_TURN {
            if self.flush(conn, socket, cx).is_err() {
                return Poll::Ready(());
            }
            let connection = &self.connections.table[conn];
            if connection.phase == Phase::Dead && connection.out.is_empty() {
                return Poll::Ready(());
            }
            if connection.park.is_none()
                && connection.phase != Phase::Header
                && !connection.input.is_empty()
            {
                self.resume_input(conn);
            }
            if !self.connections.table[conn].may_read() {
                // Whoever ends the pause wakes the task; a full output has its waker in the socket.
                return self.flush_and_wait(conn, socket, cx);
            }
            let mut read = ReadBuf::new(buffer);
            match Pin::new(&mut *socket).poll_read(cx, &mut read) {
                Poll::Pending => return self.flush_and_wait(conn, socket, cx),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if read.filled().is_empty() => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    let bytes = read.filled().len() as u64;
                    self.connections.counters.bytes_read += bytes;
                    self.connections.table[conn].bytes_read += bytes;
                    self.input(conn, read.filled());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn flush_and_wait(
        &mut self,
        conn: usize,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.flush(conn, socket, cx).is_err() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Writes what the socket takes, and feeds consumers that waited for room.
    fn flush(&mut self, conn: usize, socket: &mut Socket, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            let connection = &mut self.connections.table[conn];
            if !connection.out.is_empty()
                && let Poll::Ready(written) =
                    connection.out.poll_flush(&mut self.connections.pool, socket, cx)
            {
                let written = written? as u64;
                self.connections.counters.bytes_written += written;
                connection.bytes_written += written;
                connection.last_write = self.now;
            }
            let room = connection.out.len() < HIGH_WATER_BYTES / 2;
            if !(connection.starved && room) {
                return Ok(());
            }
            connection.starved = false;
            self.feed_connection(conn);
            self.wake_committer();
        }
    }

    /// Ends a pause, if this was the reason for it.
    pub(crate) fn unpark(&mut self, conn: usize, reason: impl Fn(&Park) -> bool) {
        let connection = &mut self.connections.table[conn];
        if connection.park.as_ref().is_some_and(reason) {
            if let Some(Park::Sync(_, reply)) = connection.park.take() {
                connection.out.tail(&mut self.connections.pool).extend_from_slice(&reply);
            }
            connection.wake();
        }
    }
}
