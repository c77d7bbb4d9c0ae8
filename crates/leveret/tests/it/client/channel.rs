//! What a test says on a channel, a line each.

use std::cell::RefCell;
use std::rc::Rc;

use amqp::content::{ContentHeader, Properties, PropertiesBuf};
use amqp::frame::{self, FrameKind};
use amqp::method::{
    BasicAck, BasicCancel, BasicConsume, BasicGet, BasicNack, BasicPublish, BasicQos, BasicReject,
    ChannelClose, ChannelCloseOk, ChannelFlow, ConfirmSelect, ConfirmSelectOk, ExchangeBind,
    ExchangeDeclare, Method, QueueBind, QueueDeclare, QueueDelete, QueuePurge, QueueUnbind,
};
use amqp::value::{RawTable, Table};

use super::Connection;
use super::arguments::{Consume, Exchange, Queue, encoded, queue};
use super::message::{Delivery, Message, Returned, message};
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

/// `queue.declare-ok`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) ready: u32,
    pub(crate) consumers: u32,
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
    fn answer(&self) -> Received {
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
                let (properties, body) = self.content();
                Event::Delivery(Delivery {
                    consumer: m.consumer_tag.into(),
                    tag: m.delivery_tag,
                    redelivered: m.redelivered,
                    exchange: m.exchange.into(),
                    key: m.routing_key.into(),
                    left: None,
                    properties,
                    body,
                })
            }
            Method::BasicReturn(m) => {
                let (properties, body) = self.content();
                Event::Returned(Returned {
                    code: m.reply_code,
                    text: m.reply_text.into(),
                    exchange: m.exchange.into(),
                    key: m.routing_key.into(),
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
    fn content(&self) -> (PropertiesBuf, Vec<u8>) {
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
        (PropertiesBuf::from(header.properties).unwrap(), body)
    }

    /// The broker has nothing to say on this channel: a round trip brings nothing else.
    #[track_caller]
    pub(crate) fn silent(&self) {
        let answer = self.rpc(ChannelFlow { active: true });
        assert!(matches!(answer.method(), Method::ChannelFlowOk(_)), "{:?}", answer.method());
        let events = self.connection.borrow_mut().events.remove(&self.number).unwrap_or_default();
        assert!(events.is_empty(), "unexpected: {events:?}");
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

    /// Sends `queue.declare`.
    pub(crate) fn send_declare(&self, queue: &Queue) {
        self.send(QueueDeclare {
            queue: &queue.name,
            passive: queue.passive,
            durable: queue.durable,
            exclusive: queue.exclusive,
            auto_delete: queue.auto_delete,
            no_wait: false,
            arguments: RawTable(&encoded(&queue.arguments)),
        });
    }

    /// Declares a queue.
    #[track_caller]
    pub(crate) fn declare(&self, queue: &Queue) -> Declared {
        self.send_declare(queue);
        let answer = self.answer();
        match answer.method() {
            Method::QueueDeclareOk(ok) => Declared {
                name: ok.queue.into(),
                ready: ok.message_count,
                consumers: ok.consumer_count,
            },
            other => panic!("not a declare-ok: {other:?}"),
        }
    }

    /// Ready messages and consumers of a queue.
    #[track_caller]
    pub(crate) fn counts(&self, name: &str) -> (u32, u32) {
        let declared = self.declare(&queue(name).passive());
        (declared.ready, declared.consumers)
    }

    /// Sends `exchange.declare`.
    pub(crate) fn send_declare_exchange(&self, exchange: &Exchange) {
        self.send(ExchangeDeclare {
            exchange: &exchange.name,
            kind: &exchange.kind,
            passive: exchange.passive,
            durable: exchange.durable,
            auto_delete: exchange.auto_delete,
            internal: exchange.internal,
            no_wait: false,
            arguments: RawTable(&encoded(&exchange.arguments)),
        });
    }

    /// Declares an exchange.
    #[track_caller]
    pub(crate) fn declare_exchange(&self, exchange: &Exchange) {
        self.send_declare_exchange(exchange);
        let answer = self.answer();
        assert!(matches!(answer.method(), Method::ExchangeDeclareOk(_)), "{:?}", answer.method());
    }

    /// Binds a queue.
    #[track_caller]
    pub(crate) fn bind(&self, queue: &str, exchange: &str, key: &str) {
        self.bind_with(queue, exchange, key, &Table::new());
    }

    /// Binds a queue with arguments.
    #[track_caller]
    pub(crate) fn bind_with(&self, queue: &str, exchange: &str, key: &str, arguments: &Table) {
        let arguments = encoded(arguments);
        let arguments = RawTable(&arguments);
        let routing_key = key;
        let answer =
            self.rpc(QueueBind { queue, exchange, routing_key, no_wait: false, arguments });
        assert!(matches!(answer.method(), Method::QueueBindOk(_)), "{:?}", answer.method());
    }

    /// Unbinds a queue.
    #[track_caller]
    pub(crate) fn unbind(&self, queue: &str, exchange: &str, key: &str) {
        let (routing_key, arguments) = (key, RawTable(&[]));
        let answer = self.rpc(QueueUnbind { queue, exchange, routing_key, arguments });
        assert!(matches!(answer.method(), Method::QueueUnbindOk(_)), "{:?}", answer.method());
    }

    /// Binds an exchange to another one.
    #[track_caller]
    pub(crate) fn bind_exchange(&self, destination: &str, source: &str, key: &str) {
        let (routing_key, arguments) = (key, RawTable(&[]));
        let answer =
            self.rpc(ExchangeBind { destination, source, routing_key, no_wait: false, arguments });
        assert!(matches!(answer.method(), Method::ExchangeBindOk(_)), "{:?}", answer.method());
    }

    /// Deletes a queue; how many messages it had.
    #[track_caller]
    pub(crate) fn delete(&self, queue: &str) -> u32 {
        let delete = QueueDelete { queue, if_unused: false, if_empty: false, no_wait: false };
        let answer = self.rpc(delete);
        match answer.method() {
            Method::QueueDeleteOk(ok) => ok.message_count,
            other => panic!("not a delete-ok: {other:?}"),
        }
    }

    /// Purges a queue; how many messages it had.
    #[track_caller]
    pub(crate) fn purge(&self, queue: &str) -> u32 {
        let answer = self.rpc(QueuePurge { queue, no_wait: false });
        match answer.method() {
            Method::QueuePurgeOk(ok) => ok.message_count,
            other => panic!("not a purge-ok: {other:?}"),
        }
    }

    /// Publishes a transient message.
    pub(crate) fn publish(&self, exchange: &str, key: &str, body: impl AsRef<[u8]>) {
        self.send_message(&message(exchange, key, body));
    }

    /// Publishes a message.
    pub(crate) fn send_message(&self, message: &Message) {
        let mut bytes = Vec::new();
        self.encode(message, &mut bytes);
        self.connection.borrow_mut().wire.write(&bytes);
    }

    /// Publishes many messages in one write.
    pub(crate) fn send_messages<'a>(&self, messages: impl IntoIterator<Item = &'a Message>) {
        let mut bytes = Vec::new();
        for message in messages {
            self.encode(message, &mut bytes);
        }
        self.connection.borrow_mut().wire.write(&bytes);
    }

    /// Appends the frames of a publish.
    pub(crate) fn encode(&self, message: &Message, bytes: &mut Vec<u8>) {
        let publish = BasicPublish {
            exchange: &message.exchange,
            routing_key: &message.key,
            mandatory: message.mandatory,
            immediate: message.immediate,
        };
        frame::write_method(bytes, self.number, &publish.into());
        let properties = message.properties.encode();
        let frame_max = self.connection.borrow().wire.frame_max;
        let properties = Properties(&properties);
        frame::write_content(bytes, self.number, properties, &message.body, frame_max);
    }

    /// Sends `basic.consume`.
    pub(crate) fn send_consume(&self, consume: &Consume) {
        self.send(BasicConsume {
            queue: &consume.queue,
            consumer_tag: &consume.tag,
            no_local: false,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            no_wait: false,
            arguments: RawTable(&encoded(&consume.arguments)),
        });
    }

    /// Starts a consumer; gives its tag.
    #[track_caller]
    pub(crate) fn consume(&self, consume: &Consume) -> String {
        self.send_consume(consume);
        let answer = self.answer();
        match answer.method() {
            Method::BasicConsumeOk(ok) => ok.consumer_tag.into(),
            other => panic!("not a consume-ok: {other:?}"),
        }
    }

    /// Stops a consumer. No delivery follows the answer.
    #[track_caller]
    pub(crate) fn cancel(&self, consumer_tag: &str) {
        let answer = self.rpc(BasicCancel { consumer_tag, no_wait: false });
        assert!(matches!(answer.method(), Method::BasicCancelOk(_)), "{:?}", answer.method());
    }

    /// The next thing has to be a delivery.
    #[track_caller]
    pub(crate) fn delivery(&self) -> Delivery {
        match self.next() {
            Event::Delivery(delivery) => delivery,
            other => panic!("not a delivery: {other:?}"),
        }
    }

    /// The next things have to be deliveries with these bodies.
    #[track_caller]
    pub(crate) fn expect_bodies(&self, bodies: &[&str]) -> Vec<Delivery> {
        let got: Vec<Delivery> = bodies.iter().map(|_| self.delivery()).collect();
        assert_eq!(got.iter().map(Delivery::text).collect::<Vec<_>>(), bodies);
        got
    }

    /// `basic.get` with an acknowledgement to follow.
    #[track_caller]
    pub(crate) fn get(&self, queue: &str) -> Option<Delivery> {
        self.get_with(queue, false)
    }

    /// `basic.get` that takes the message at once.
    #[track_caller]
    pub(crate) fn take(&self, queue: &str) -> Option<Delivery> {
        self.get_with(queue, true)
    }

    #[track_caller]
    fn get_with(&self, queue: &str, no_ack: bool) -> Option<Delivery> {
        let answer = self.rpc(BasicGet { queue, no_ack });
        match answer.method() {
            Method::BasicGetOk(m) => {
                let (properties, body) = self.content();
                Some(Delivery {
                    consumer: String::new(),
                    tag: m.delivery_tag,
                    redelivered: m.redelivered,
                    exchange: m.exchange.into(),
                    key: m.routing_key.into(),
                    left: Some(m.message_count),
                    properties,
                    body,
                })
            }
            Method::BasicGetEmpty(_) => None,
            other => panic!("not an answer to basic.get: {other:?}"),
        }
    }

    /// Takes everything that is ready: the bodies, in order.
    #[track_caller]
    pub(crate) fn drain(&self, queue: &str) -> Vec<String> {
        std::iter::from_fn(|| self.take(queue)).map(|delivery| delivery.text()).collect()
    }

    pub(crate) fn ack(&self, delivery_tag: u64) {
        self.send(BasicAck { delivery_tag, multiple: false });
    }

    pub(crate) fn ack_through(&self, delivery_tag: u64) {
        self.send(BasicAck { delivery_tag, multiple: true });
    }

    pub(crate) fn nack(&self, delivery_tag: u64, multiple: bool, requeue: bool) {
        self.send(BasicNack { delivery_tag, multiple, requeue });
    }

    pub(crate) fn reject(&self, delivery_tag: u64, requeue: bool) {
        self.send(BasicReject { delivery_tag, requeue });
    }

    /// `basic.qos`, per consumer.
    #[track_caller]
    pub(crate) fn prefetch(&self, prefetch_count: u16) {
        let answer = self.rpc(BasicQos { prefetch_size: 0, prefetch_count, global: false });
        assert!(matches!(answer.method(), Method::BasicQosOk(_)), "{:?}", answer.method());
    }

    /// Turns confirms on.
    #[track_caller]
    pub(crate) fn confirms(&self) {
        self.ask(ConfirmSelect { no_wait: false }, ConfirmSelectOk {});
    }

    /// Waits until every publish up to this number is acked.
    #[track_caller]
    pub(crate) fn expect_confirms(&self, through: u64) {
        self.expect_confirms_from(0, through);
    }

    /// The same, when the first ones were waited for already.
    #[track_caller]
    pub(crate) fn expect_confirms_from(&self, mut confirmed: u64, through: u64) {
        while confirmed < through {
            match self.next() {
                Event::Ack { tag, multiple } => {
                    assert!(multiple || tag == confirmed + 1, "ack of {tag} after {confirmed}");
                    confirmed = tag;
                }
                other => panic!("not an ack: {other:?}"),
            }
        }
        assert_eq!(confirmed, through);
    }
}
