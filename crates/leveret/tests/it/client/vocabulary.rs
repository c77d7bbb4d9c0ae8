//! What a test says on a channel, a line each.

use amqp::content::Properties;
use amqp::frame;
use amqp::method::{
    BasicAck, BasicCancel, BasicConsume, BasicGet, BasicNack, BasicPublish, BasicQos, BasicReject,
    ConfirmSelect, ConfirmSelectOk, ExchangeBind, ExchangeDeclare, Method, QueueBind, QueueDeclare,
    QueueDelete, QueuePurge, QueueUnbind,
};
use amqp::value::{RawTable, Table};

use super::arguments::{Consume, Exchange, Queue, encoded, queue};
use super::channel::{Channel, Content, Event};
use super::message::{Delivery, Message, message};

/// `queue.declare-ok`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) ready: u32,
    pub(crate) consumers: u32,
}

impl Channel {
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
            routing_key: (&*message.key).into(),
            mandatory: message.mandatory,
            immediate: message.immediate,
        };
        frame::write_method(bytes, self.number, &publish.into());
        let properties = message.raw.clone().unwrap_or_else(|| message.properties.encode());
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
                let Content { properties, raw, body } = self.content();
                Some(Delivery {
                    consumer: String::new(),
                    tag: m.delivery_tag,
                    redelivered: m.redelivered,
                    exchange: m.exchange.into(),
                    key: m.routing_key.to_string(),
                    left: Some(m.message_count),
                    properties,
                    raw,
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
