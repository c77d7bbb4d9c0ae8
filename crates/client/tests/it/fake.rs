//! A server that does what a test says, on a thread of its own, and a client connected to it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use amqp::content::Properties;
use amqp::frame::{self, FrameKind, PROTOCOL_HEADER};
use amqp::method::*;
use amqp::value::{RawTable, Table, Value};
use client::address::Address;
use client::connection::Connection;
use client::error::Error;
use client::options::Options;

/// No step of a test takes this long; a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server suggests unless a test says otherwise. No heartbeat.
pub(crate) const TUNE: ConnectionTune =
    ConnectionTune { channel_max: 100, frame_max: 8192, heartbeat: 0 };

/// The server's end of a connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

/// A running script; its result comes with [`Fake::finish`].
pub(crate) struct Fake<T> {
    pub(crate) options: Options,
    script: JoinHandle<T>,
}

impl<T> Fake<T> {
    /// Opens a connection that has to succeed.
    pub(crate) async fn connection(&self) -> Connection {
        Connection::open(&self.options, 0).await.unwrap()
    }

    /// Opens a connection that has to fail.
    pub(crate) async fn refusal(&self) -> Error {
        Connection::open(&self.options, 0).await.unwrap_err()
    }

    /// Waits for the end of the script, whose panic is the test's.
    pub(crate) fn finish(self) -> T {
        self.script.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Runs `script` with the first connection.
pub(crate) fn fake<T: Send + 'static>(script: impl FnOnce(Peer) -> T + Send + 'static) -> Fake<T> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = Address { host: "127.0.0.1".into(), port, ..Address::default() };
    let options = Options {
        addresses: vec![address],
        name: "a test".into(),
        frame_max: 0,
        connect_timeout: PATIENCE,
        ..Options::default()
    };
    let script = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        script(Peer { stream, input: Vec::new() })
    });
    Fake { options, script }
}

/// Runs `script` with the first connection once it is open.
pub(crate) fn opened<T: Send + 'static>(
    script: impl FnOnce(&mut Peer) -> T + Send + 'static,
) -> Fake<T> {
    fake(|mut peer| {
        peer.handshake(TUNE);
        script(&mut peer)
    })
}

/// Runs `script` with the first connection once channel 1 is open on it.
pub(crate) fn with_channel<T: Send + 'static>(
    script: impl FnOnce(&mut Peer) -> T + Send + 'static,
) -> Fake<T> {
    opened(|peer| {
        peer.channel(1);
        script(peer)
    })
}

impl Peer {
    /// The client's protocol header.
    pub(crate) fn header(&mut self) {
        let mut header = [0; 8];
        self.stream.read_exact(&mut header).unwrap();
        assert_eq!(header, PROTOCOL_HEADER);
    }

    /// The usual handshake.
    pub(crate) fn handshake(&mut self, tune: ConnectionTune) {
        self.header();
        self.start(b"AMQPLAIN PLAIN");
        self.expect("connection.start-ok");
        self.send(0, Method::ConnectionTune(tune));
        self.expect("connection.tune-ok");
        self.expect("connection.open");
        self.send(0, Method::ConnectionOpenOk(ConnectionOpenOk {}));
    }

    pub(crate) fn start(&mut self, mechanisms: &[u8]) {
        let mut bytes = Vec::new();
        write_start(&mut bytes, mechanisms);
        self.bytes(&bytes);
    }

    /// Opens a channel.
    pub(crate) fn channel(&mut self, number: u16) {
        let (channel, _) = self.expect_on("channel.open");
        assert_eq!(channel, number);
        self.send(number, Method::ChannelOpenOk(ChannelOpenOk {}));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, channel: u16, method: Method<'_>) {
        self.bytes(&method_frame(channel, method));
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) fn frame(&mut self) -> Option<(FrameKind, u16, Vec<u8>)> {
        loop {
            if let Some((frame, used)) = frame::parse(&self.input, 0).unwrap() {
                let owned = (frame.kind, frame.channel, frame.payload.to_vec());
                self.input.drain(..used);
                return Some(owned);
            }
            let mut piece = [0; 65536];
            let read = match self.stream.read(&mut piece) {
                Ok(read) => read,
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => 0,
                Err(e) => panic!("the client says nothing: {e}"),
            };
            if read == 0 {
                assert!(self.input.is_empty(), "half a frame: {:?}", self.input);
                return None;
            }
            self.input.extend_from_slice(&piece[..read]);
        }
    }

    /// The payload of the next method, which has to be this one; heartbeats are passed over.
    #[track_caller]
    pub(crate) fn expect(&mut self, name: &str) -> Vec<u8> {
        self.expect_on(name).1
    }

    #[track_caller]
    pub(crate) fn expect_on(&mut self, name: &str) -> (u16, Vec<u8>) {
        loop {
            let (kind, channel, payload) = self.frame().expect(name);
            match kind {
                FrameKind::Heartbeat => {}
                FrameKind::Method => {
                    assert_eq!(Method::decode(&payload).unwrap().name(), name);
                    return (channel, payload);
                }
                _ => panic!("{kind:?} instead of {name}"),
            }
        }
    }

    /// The client hangs up; heartbeats may come before.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        while let Some((kind, _, payload)) = self.frame() {
            assert_eq!(kind, FrameKind::Heartbeat, "{payload:?}");
        }
    }

    /// Ends our half of the stream.
    pub(crate) fn hang_up(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// `connection.start` as RabbitMQ says it.
pub(crate) fn write_start(out: &mut Vec<u8>, mechanisms: &[u8]) {
    let mut capabilities = Table::new();
    capabilities.insert("basic.nack", true.into());
    let mut properties = Table::new();
    properties.insert("product", "Fake".into());
    properties.insert("version", "1.2".into());
    properties.insert("capabilities", Value::Table(capabilities));
    let mut table = Vec::new();
    properties.encode(&mut table);
    let start = ConnectionStart {
        version_major: 0,
        version_minor: 9,
        server_properties: RawTable(&table[4..]),
        mechanisms,
        locales: b"en_US",
    };
    frame::write_method(out, 0, &Method::ConnectionStart(start));
}

pub(crate) fn method_frame(channel: u16, method: Method<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_method(&mut bytes, channel, &method);
    bytes
}

/// A message for consumer `c` of channel 1.
pub(crate) fn delivery(tag: u64, key: &[u8], properties: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_deliver(&mut bytes, 1, b"c", tag, false, b"e", key);
    frame::write_content(&mut bytes, 1, Properties(properties), body, 4096);
    bytes
}

pub(crate) fn channel_close(channel: u16, code: u16, text: &str) -> Vec<u8> {
    let close = ChannelClose { reply_code: code, reply_text: text, class_id: 50, method_id: 10 };
    method_frame(channel, Method::ChannelClose(close))
}

pub(crate) fn connection_close(code: u16, text: &str) -> Vec<u8> {
    let close = ConnectionClose { reply_code: code, reply_text: text, ..<_>::default() };
    method_frame(0, Method::ConnectionClose(close))
}
