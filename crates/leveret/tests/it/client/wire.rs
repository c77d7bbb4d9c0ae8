//! Frames over a socket. Every read and write has a deadline, so that a broker that says nothing fails a test instead of
//! hanging it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use amqp::frame::{self, FrameKind};
use amqp::method::Method;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::broker::DEADLINE;

/// One received frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    pub(crate) kind: FrameKind,
    pub(crate) channel: u16,
    pub(crate) payload: Vec<u8>,
}

impl Received {
    /// What a method frame says.
    #[track_caller]
    pub(crate) fn method(&self) -> Method<'_> {
        assert_eq!(self.kind, FrameKind::Method, "not a method: {self:?}");
        Method::decode(&self.payload).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A socket, and what was read beyond the last frame.
pub(crate) struct Wire {
    socket: Socket,
    input: Vec<u8>,
    /// Outgoing bodies are cut to this, and incoming frames must not be larger.
    pub(crate) frame_max: u32,
}

impl Wire {
    /// A plain connection.
    #[track_caller]
    pub(crate) fn tcp(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Wire { socket: Socket::Plain(stream), input: Vec::new(), frame_max: 131_072 }
    }

    /// A TLS connection to a broker that calls itself `localhost`.
    pub(crate) fn tls(address: SocketAddr, config: Arc<ClientConfig>) -> Wire {
        let mut wire = Wire::tcp(address);
        let Socket::Plain(stream) = wire.socket else { unreachable!("it was just made") };
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(config, name).unwrap();
        wire.socket = Socket::Tls(Box::new(StreamOwned::new(connection, stream)));
        wire
    }

    fn stream(&self) -> &TcpStream {
        match &self.socket {
            Socket::Plain(stream) => stream,
            Socket::Tls(stream) => &stream.sock,
        }
    }

    /// Writes bytes. A broker that has closed the socket meanwhile is seen by the next read.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let written = match &mut self.socket {
            Socket::Plain(stream) => stream.write_all(bytes),
            Socket::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
        if let Err(error) = written {
            let stuck = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!stuck, "the broker does not read: {error}");
        }
    }

    /// Writes one method frame.
    pub(crate) fn send(&mut self, channel: u16, method: &Method<'_>) {
        let mut bytes = Vec::new();
        frame::write_method(&mut bytes, channel, method);
        self.write(&bytes);
    }

    /// The next frame; none at the end of the stream.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Option<Received> {
        let end = Instant::now() + DEADLINE;
        loop {
            match frame::parse(&self.input, self.frame_max) {
                Ok(Some((frame, used))) => {
                    let received = Received {
                        kind: frame.kind,
                        channel: frame.channel,
                        payload: frame.payload.to_vec(),
                    };
                    self.input.drain(..used);
                    return Some(received);
                }
                Ok(None) => {
                    if !self.fill(end) {
                        return None;
                    }
                }
                Err(error) => panic!("{error}: {:?}", &self.input[..self.input.len().min(64)]),
            }
        }
    }

    /// Everything up to the end of the stream, as bytes.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let end = Instant::now() + DEADLINE;
        while self.fill(end) {}
        std::mem::take(&mut self.input)
    }

    #[track_caller]
    fn fill(&mut self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "nothing from the broker within {DEADLINE:?}");
        self.stream().set_read_timeout(Some(left)).unwrap();
        let mut buffer = [0; 64 << 10];
        let read = match &mut self.socket {
            Socket::Plain(stream) => stream.read(&mut buffer),
            Socket::Tls(stream) => stream.read(&mut buffer),
        };
        match read {
            Ok(0) => false,
            Ok(count) => {
                self.input.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing from the broker within {DEADLINE:?}")
            }
            Err(_) => false,
        }
    }
}
