//! A blocking AMQP client that says only what a test tells it to, and hears everything.
//!
//! `wire.rs` has the socket, `login.rs` the handshake, `channel.rs` what comes on a channel, `vocabulary.rs` what a test says
//! there, `arguments.rs` and `message.rs` with what. Frames of other channels wait until somebody asks for them.

pub(crate) mod arguments;
pub(crate) mod channel;
pub(crate) mod login;
pub(crate) mod message;
pub(crate) mod vocabulary;
pub(crate) mod wire;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use amqp::frame::FrameKind;
use amqp::method::{ChannelOpen, ConnectionClose, ConnectionCloseOk, Method};

use crate::broker::Broker;
use channel::{Channel, Event};
use login::Login;
use wire::{Received, Wire};

/// One connection.
pub(crate) struct Client(Rc<RefCell<Connection>>);

/// What channels of a connection share.
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    /// Frames that nobody asked for yet, by channel.
    inbox: HashMap<u16, VecDeque<Received>>,
    /// The same, already put together.
    pub(crate) events: HashMap<u16, VecDeque<Event>>,
    next_channel: u16,
}

impl Client {
    /// A connection as `guest` to `/`, ready for channels.
    #[track_caller]
    pub(crate) fn connect(broker: &Broker) -> Client {
        Login::default().open(broker.amqp())
    }

    /// A connection that has sent nothing yet.
    #[track_caller]
    pub(crate) fn raw(address: SocketAddr) -> Client {
        Client::over(Wire::tcp(address))
    }

    /// A connection over this socket.
    pub(crate) fn over(wire: Wire) -> Client {
        Client(Rc::new(RefCell::new(Connection {
            wire,
            inbox: HashMap::new(),
            events: HashMap::new(),
            next_channel: 1,
        })))
    }

    /// Opens the next channel.
    #[track_caller]
    pub(crate) fn channel(&self) -> Channel {
        let number = self.0.borrow().next_channel;
        self.0.borrow_mut().next_channel += 1;
        self.channel_at(number)
    }

    /// Opens the channel with this number.
    #[track_caller]
    pub(crate) fn channel_at(&self, number: u16) -> Channel {
        let channel = self.unopened(number);
        let reply = channel.rpc(ChannelOpen {});
        assert!(matches!(reply.method(), Method::ChannelOpenOk(_)), "{:?}", reply.method());
        channel
    }

    /// A channel that was not opened.
    pub(crate) fn unopened(&self, number: u16) -> Channel {
        Channel { connection: Rc::clone(&self.0), number }
    }

    /// Sends a method on channel 0.
    pub(crate) fn send<'a>(&self, method: impl Into<Method<'a>>) {
        self.0.borrow_mut().wire.send(0, &method.into());
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        self.0.borrow_mut().wire.write(bytes);
    }

    /// The next method on channel 0.
    #[track_caller]
    pub(crate) fn next(&self) -> Received {
        self.0.borrow_mut().next(0)
    }

    /// The next method on channel 0 has to be this one.
    #[track_caller]
    pub(crate) fn expect<'a>(&self, method: impl Into<Method<'a>>) {
        assert_eq!(self.next().method(), method.into());
    }

    /// The next frame of any channel, heartbeats included; none at the end of the stream.
    #[track_caller]
    pub(crate) fn next_frame(&self) -> Option<Received> {
        self.0.borrow_mut().wire.read()
    }

    /// Our `connection.close`, its answer, the end.
    #[track_caller]
    pub(crate) fn close(self) {
        self.send(ConnectionClose { reply_code: 200, reply_text: "", class_id: 0, method_id: 0 });
        self.expect(ConnectionCloseOk {});
    }

    /// The broker closes the connection with this code, at this method, with a text that begins so. The close is answered, and
    /// then the stream ends.
    #[track_caller]
    pub(crate) fn expect_close(&self, code: u16, at: (u16, u16), text: &str) {
        self.expect_close_in(code, at, &[text]);
    }

    /// The same, with one of these texts.
    #[track_caller]
    pub(crate) fn expect_close_in(&self, code: u16, at: (u16, u16), texts: &[&str]) {
        let received = self.next();
        let Method::ConnectionClose(close) = received.method() else {
            panic!("not a connection.close: {:?}", received.method());
        };
        let ids = (close.class_id, close.method_id);
        assert_eq!((close.reply_code, ids), (code, at), "{}", close.reply_text);
        let said = close.reply_text;
        assert!(texts.iter().any(|text| said.starts_with(text)), "{said:?}\nis not\n{texts:?}");
        self.send(ConnectionCloseOk {});
        self.expect_end();
    }

    /// The broker closes the connection with this code, whatever else it says.
    #[track_caller]
    pub(crate) fn expect_close_code(&self, code: u16) {
        let received = self.next();
        let Method::ConnectionClose(close) = received.method() else {
            panic!("not a connection.close: {:?}", received.method());
        };
        assert_eq!(close.reply_code, code, "{}", close.reply_text);
        self.send(ConnectionCloseOk {});
        self.expect_end();
    }

    /// The broker closes the socket; what it wrote before is not looked at.
    #[track_caller]
    pub(crate) fn expect_end(&self) {
        while self.next_frame().is_some() {}
    }
}

impl Connection {
    /// The next frame of a channel that is not a heartbeat.
    #[track_caller]
    pub(crate) fn next(&mut self, channel: u16) -> Received {
        loop {
            if let Some(frame) = self.inbox.get_mut(&channel).and_then(VecDeque::pop_front) {
                return frame;
            }
            let Some(frame) = self.wire.read() else {
                panic!("the broker closed the socket; something on channel {channel} was expected");
            };
            if frame.kind == FrameKind::Heartbeat {
                continue;
            }
            if channel != 0
                && frame.channel == 0
                && frame.kind == FrameKind::Method
                && let Method::ConnectionClose(close) = frame.method()
            {
                panic!("while waiting on channel {channel}: {close:?}");
            }
            self.inbox.entry(frame.channel).or_default().push_back(frame);
        }
    }
}
