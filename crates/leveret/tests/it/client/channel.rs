//! One channel: what is sent on it, and what the broker says there.

use std::cell::RefCell;
use std::rc::Rc;

use amqp::content::{ContentHeader, PropertiesBuf};
use amqp::frame::FrameKind;
use amqp::method::{ChannelClose, ChannelCloseOk, ChannelFlow, Method};

use super::Connection;
use super::message::{Delivery, Returned};
use super::wire::Received;

/// One channel of a connection.
#[derive(Clone)]
pub(crate) struct Channel {
    pub(crate) connection: Rc<RefCell<Connection>>,
    pub(crate) number: u16,
}

/// What the broker may say on a channel at any time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Delivery(Delivery),
    Returned(Returned),
    Ack {
        tag: u64,
        multiple: bool,
    },
    Nack {
        tag: u64,
        multiple: bool,
    },
    Cancelled(String),
    Closed {
        code: u16,
        at: (u16, u16),
        text: String,
    },
    /// An answer to something.
    Answer(Received),
}

/// What follows a method that carries a message.
pub(crate) struct Content {
    pub(crate) properties: PropertiesBuf,
    /// The properties as they came over the wire.
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Channel {
    /// Sends a method.
    pub(crate) fn send<'a>(&self, method: impl Into<Method<'a>>) {
        self.connection.borrow_mut().wire.send(self.number, &method.into());
    }

    /// Sends a method and gives its answer back. What the broker says of its own accord meanwhile waits for [`Channel::next`].
    #[track_caller]
    pub(crate) fn rpc<'a>(&self, method: impl Into<Method<'a>>) -> Received {
        self.send(method);
        self.answer()
    }

    #[track_caller]
    pub(crate) fn answer(&self) -> Received {
        loop {
            match self.receive() {
                Event::Answer(answer) => return answer,
                Event::Closed { code, at, text } => panic!("channel closed: {code} {at:?} {text}"),
                event => {
                    let events = &mut self.connection.borrow_mut().events;
                    events.entry(self.number).or_default().push_back(event);
                }
            }
        }
    }

    /// Sends a method that has to be answered by this one.
    #[track_caller]
    pub(crate) fn ask<'a, 'b>(&self, method: impl Into<Method<'a>>, answer: impl Into<Method<'b>>) {
        assert_eq!(self.rpc(method).method(), answer.into());
    }

    /// The next thing that the broker says on this channel.
    #[track_caller]
    pub(crate) fn next(&self) -> Event {
        let waiting = {
            let events = &mut self.connection.borrow_mut().events;
            events.get_mut(&self.number).and_then(|events| events.pop_front())
        };
        waiting.unwrap_or_else(|| self.receive())
    }

    #[track_caller]
    fn receive(&self) -> Event {
        let received = self.connection.borrow_mut().next(self.number);
        match received.method() {
            Method::BasicDeliver(m) => {
                let Content { raw, properties, body } = self.content();
                Event::Delivery(Delivery {
                    consumer: m.consumer_tag.into(),
                    tag: m.delivery_tag,
                    redelivered: m.redelivered,
                    exchange: m.exchange.into(),
                    key: m.routing_key.to_string(),
                    left: None,
                    properties,
                    raw,
                    body,
                })
            }
            Method::BasicReturn(m) => {
                let Content { properties, body, .. } = self.content();
                Event::Returned(Returned {
                    code: m.reply_code,
                    text: m.reply_text.into(),
                    exchange: m.exchange.into(),
                    key: m.routing_key.to_string(),
                    properties,
                    body,
                })
            }
            Method::BasicAck(m) => Event::Ack { tag: m.delivery_tag, multiple: m.multiple },
            Method::BasicNack(m) => Event::Nack { tag: m.delivery_tag, multiple: m.multiple },
            Method::BasicCancel(m) => {
                assert!(m.no_wait, "the broker does not wait for cancel-ok");
                Event::Cancelled(m.consumer_tag.into())
            }
            Method::ChannelClose(m) => Event::Closed {
                code: m.reply_code,
                at: (m.class_id, m.method_id),
                text: m.reply_text.into(),
            },
            _ => Event::Answer(received),
        }
    }

    #[track_caller]
    pub(crate) fn content(&self) -> Content {
        let mut connection = self.connection.borrow_mut();
        let header = connection.next(self.number);
        assert_eq!(header.kind, FrameKind::Header);
        let header = ContentHeader::decode(&header.payload).unwrap();
        let mut body = Vec::new();
        while (body.len() as u64) < header.body_size {
            let piece = connection.next(self.number);
            assert_eq!(piece.kind, FrameKind::Body);
            assert!(piece.payload.len() as u32 + 8 <= connection.wire.frame_max);
            body.extend_from_slice(&piece.payload);
        }
        assert_eq!(body.len() as u64, header.body_size);
        let raw = header.properties.0.to_vec();
        Content { properties: PropertiesBuf::from(header.properties).unwrap(), raw, body }
    }

    /// The broker has nothing to say on this channel: a round trip brings nothing else.
    #[track_caller]
    pub(crate) fn silent(&self) {
        let events = self.arrived();
        assert!(events.is_empty(), "unexpected: {events:?}");
    }

    /// What the broker has said on this channel by now and nobody asked for: what came before the
    /// end of a round trip.
    #[track_caller]
    pub(crate) fn arrived(&self) -> Vec<Event> {
        let answer = self.rpc(ChannelFlow { active: true });
        assert!(matches!(answer.method(), Method::ChannelFlowOk(_)), "{:?}", answer.method());
        let events = self.connection.borrow_mut().events.remove(&self.number).unwrap_or_default();
        events.into()
    }

    /// The broker closes the channel with this code, at this method, with a text that begins so. The close is answered.
    #[track_caller]
    pub(crate) fn expect_close(&self, code: u16, at: (u16, u16), text: &str) {
        match self.next() {
            Event::Closed { code: real, at: ids, text: said } => {
                assert_eq!((real, ids), (code, at), "{said}");
                assert!(said.starts_with(text), "{said:?}\nis not\n{text:?}");
            }
            other => panic!("not a channel.close: {other:?}"),
        }
        self.send(ChannelCloseOk {});
    }

    /// Our `channel.close`, and its answer.
    #[track_caller]
    pub(crate) fn close(&self) {
        let close = ChannelClose { reply_code: 200, reply_text: "", class_id: 0, method_id: 0 };
        self.ask(close, ChannelCloseOk {});
    }
}
