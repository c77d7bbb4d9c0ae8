//! The bytes of a connection: a socket with TLS or without, what was read and not yet handled, what
//! is to be written, and the heartbeat, which is a matter of bytes too.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use amqp::frame;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::client::TlsStream;

use crate::error::Error;

/// The read buffer at first, and again after something large.
const INPUT_BYTES: usize = 64 * 1024;
/// A read buffer up to here stays: two frames of the usual largest size.
const INPUT_KEPT_BYTES: usize = 256 * 1024;
/// Unused memory above this is given back once the output is written.
const OUTPUT_KEPT_BYTES: usize = 1024 * 1024;
/// Brokers do not split header frames, so that one may exceed what was negotiated. Memory is only
/// taken for what has arrived.
const READ_FRAME_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// Silent halves of the heartbeat interval after which the other side counts as gone: two
/// intervals.
const SILENT_HALVES_MAX: u32 = 4;

#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

#[derive(Debug)]
pub(super) struct Link {
    socket: Socket,
    /// What was read; `input[start..end]` is not handled yet, and what follows is room.
    input: Vec<u8>,
    start: usize,
    end: usize,
    output: Vec<u8>,
    /// How much of `output` is written.
    sent: usize,
    /// Whether TLS may still hold bytes that were written.
    unflushed: bool,
    frame_max: u32,
    pulse: Option<Pulse>,
}

/// The heartbeat: looked at twice in an interval.
#[derive(Debug)]
struct Pulse {
    half: Duration,
    timer: Pin<Box<Sleep>>,
    sent: bool,
    received: bool,
    silent_halves: u32,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Link {
        Link {
            socket,
            input: vec![0; INPUT_BYTES],
            start: 0,
            end: 0,
            output: Vec::new(),
            sent: 0,
            unflushed: false,
            frame_max: READ_FRAME_BYTES_MAX,
            pulse: None,
        }
    }

    /// Sets what was negotiated.
    pub(super) fn tune(&mut self, frame_max: u32, heartbeat_s: u16) {
        self.frame_max = match frame_max {
            0 => 0,
            max => max.max(READ_FRAME_BYTES_MAX),
        };
        self.pulse = (heartbeat_s > 0).then(|| {
            let half = Duration::from_secs(heartbeat_s.into()) / 2;
            let timer = Box::pin(sleep(half));
            Pulse { half, timer, sent: false, received: false, silent_halves: 0 }
        });
    }

    /// What is to be written; whoever writes only appends.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    pub(super) fn output_bytes(&self) -> usize {
        self.output.len() - self.sent
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.output_bytes() == 0 && !self.unflushed
    }

    /// What was read and not yet handled, and the output for answers. What becomes handled is to be
    /// given to [`Link::handled`].
    pub(super) fn split(&mut self) -> (&[u8], &mut Vec<u8>) {
        (&self.input[self.start..self.end], &mut self.output)
    }

    /// The largest frame that is read, as [`amqp::frame::parse`] takes it.
    pub(super) fn frame_max(&self) -> u32 {
        self.frame_max
    }

    pub(super) fn handled(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Writes as much as goes. Ready when nothing is left.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            let rest = &self.output[self.sent..];
            let written = match &mut self.socket {
                Socket::Plain(socket) => ready!(Pin::new(socket).poll_write(cx, rest))?,
                Socket::Tls(socket) => ready!(Pin::new(socket).poll_write(cx, rest))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
            self.unflushed = true;
            if let Some(pulse) = &mut self.pulse {
                pulse.sent = true;
            }
            // Moves no more than was written since the last time.
            if self.sent >= self.output.len() / 2 && self.sent > INPUT_BYTES {
                self.output.drain(..self.sent);
                self.sent = 0;
            }
        }
        if self.unflushed {
            match &mut self.socket {
                Socket::Plain(_) => {}
                Socket::Tls(socket) => ready!(Pin::new(socket).poll_flush(cx))?,
            }
            self.unflushed = false;
        }
        self.output.clear();
        self.sent = 0;
        if self.output.capacity() > OUTPUT_KEPT_BYTES {
            self.output = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once. Ready when something came.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.make_room();
        let mut room = ReadBuf::new(&mut self.input[self.end..]);
        let read = match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_read(cx, &mut room),
            Socket::Tls(socket) => Pin::new(socket).poll_read(cx, &mut room),
        };
        match ready!(read) {
            // Many peers end TLS without its close-notify.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Err(Error::Eof)),
            Err(error) => Poll::Ready(Err(Error::io(error))),
            Ok(()) if room.filled().is_empty() => Poll::Ready(Err(Error::Eof)),
            Ok(()) => {
                self.end += room.filled().len();
                if let Some(pulse) = &mut self.pulse {
                    pulse.received = true;
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Makes the buffer as large as what it has to hold: a piece of a frame larger than it doubles
    /// it, and when that is done it shrinks.
    fn make_room(&mut self) {
        let unhandled = self.end - self.start;
        if unhandled == 0 {
            (self.start, self.end) = (0, 0);
            if self.input.len() > INPUT_KEPT_BYTES {
                self.input = vec![0; INPUT_BYTES];
            }
        } else if self.start > 0 && self.input.len() - self.end < INPUT_BYTES / 2 {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, unhandled);
        }
        if self.end == self.input.len() {
            self.input.resize(self.end * 2, 0);
        }
    }

    /// Looks at the heartbeat. True when one has to be written. `reading` is false while silence is
    /// our own doing.
    pub(super) fn poll_heartbeat(
        &mut self,
        cx: &mut Context<'_>,
        reading: bool,
    ) -> Result<bool, Error> {
        let mut due = false;
        let Some(pulse) = &mut self.pulse else { return Ok(false) };
        while pulse.timer.as_mut().poll(cx).is_ready() {
            if pulse.received || !reading {
                pulse.silent_halves = 0;
            } else {
                pulse.silent_halves += 1;
            }
            if pulse.silent_halves >= SILENT_HALVES_MAX {
                let seconds = (pulse.half * SILENT_HALVES_MAX).as_secs() as u32;
                return Err(Error::Heartbeat { seconds });
            }
            // What waits to be written is a sign of life too.
            due |= !pulse.sent && self.output.is_empty();
            pulse.sent = false;
            pulse.received = false;
            pulse.timer.as_mut().reset(Instant::now() + pulse.half);
        }
        if due {
            frame::write_heartbeat(&mut self.output);
        }
        Ok(due)
    }

    /// Ends the stream in good order; errors no longer matter.
    pub(super) async fn shut_down(&mut self) {
        let _ = match &mut self.socket {
            Socket::Plain(socket) => socket.shutdown().await,
            Socket::Tls(socket) => socket.shutdown().await,
        };
    }
}
