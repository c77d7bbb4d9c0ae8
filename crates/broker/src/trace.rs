//! The firehose: while a virtual host is traced, a copy of each message that comes in or goes out there is published to
//! its exchange `amq.rabbitmq.trace`. What the copies look like is RabbitMQ's; it is off after each start, as there.
//!
//! Never copies a copy: messages of the trace exchange itself are not traced.

use std::rc::Rc;

use amqp::content::{Properties, PropertiesBuf};
use amqp::value::{Table, Value};

use crate::publish::{CC, copies};
use crate::reply_to;
use crate::route::Headers;
use crate::{AdminError, Broker, Cx, Message, QueueId, Session, Sink};

/// Where the copies are published.
pub const TRACE_EXCHANGE: &str = "amq.rabbitmq.trace";
/// Longest routing key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// A delivery that is to be copied, with everything that is known where it is written.
pub struct TracedDelivery {
    /// The virtual host of the queue.
    pub vhost: Rc<str>,
    /// The queue it came from.
    pub queue: Rc<str>,
    /// The connection it goes to, by name.
    pub connection: Rc<str>,
    /// The channel it goes to.
    pub channel: u16,
    /// Whose connection that is.
    pub user: Rc<str>,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// The message in its stored form.
    pub message: Vec<u8>,
}

impl Broker {
    /// Turns the tracing of a virtual host on or off. Not kept: no virtual host is traced after a start.
    pub fn set_tracing(&mut self, vhost: &str, on: bool) -> Result<(), AdminError> {
        let Some(found) = self.vhosts.get_mut(vhost) else {
            return Err(AdminError::NoVhost(vhost.to_owned()));
        };
        found.tracing = on;
        for id in found.queue_names.values() {
            if let Some(queue) = self.queues.get_mut(*id) {
                queue.traced = on;
            }
        }
        self.tracing = self.vhosts.values().any(|vhost| vhost.tracing);
        Ok(())
    }

    /// Whether messages of this virtual host are copied.
    pub fn is_traced(&self, vhost: &str) -> bool {
        self.tracing && self.vhosts.get(vhost).is_some_and(|vhost| vhost.tracing)
    }

    /// Copies a message that was routed to `queues` and is about to reach them, if anything is traced.
    #[inline]
    pub(crate) fn tap<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: (&Session, u16),
        message: &Message<'_>,
        queues: &[QueueId],
    ) {
        if self.tracing {
            self.trace_publish(cx, who, message, queues);
        }
    }

    #[cold]
    fn trace_publish<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        (who, channel): (&Session, u16),
        message: &Message<'_>,
        queues: &[QueueId],
    ) {
        if !self.is_traced(&who.vhost) || message.exchange == TRACE_EXCHANGE.as_bytes() {
            return;
        }
        let (keys, mut headers) = self.copied(message);
        let connection = cx.sink.speaker();
        add_origin(&mut headers, &who.vhost, &connection, channel, &who.user);
        let names = self.reached(message.exchange, &keys, queues);
        headers.insert("routed_queues", Value::Array(names.into_iter().map(text).collect()));
        let key = [b"publish.", message.exchange].concat();
        self.publish_copy(cx, &who.vhost, key, headers, message.body);
    }

    /// Copies a delivery, unless it is one of a copy.
    pub fn trace_delivery<S: Sink>(&mut self, cx: &mut Cx<'_, S>, delivery: &TracedDelivery) {
        let Ok(message) = Message::view(&delivery.message) else { return };
        if message.exchange == TRACE_EXCHANGE.as_bytes() {
            return;
        }
        let (_, mut headers) = self.copied(&message);
        headers.insert("redelivered", Value::I32(delivery.redelivered.into()));
        let TracedDelivery { vhost, queue, connection, channel, user, .. } = delivery;
        add_origin(&mut headers, vhost, connection, *channel, user);
        let key = format!("deliver.{queue}").into_bytes();
        self.publish_copy(cx, vhost, key, headers, message.body);
    }

    /// What both kinds of copies begin with, and the keys of the message.
    fn copied(&self, message: &Message<'_>) -> (Vec<Vec<u8>>, Table) {
        let properties = PropertiesBuf::from(message.properties).unwrap_or_default();
        let mut keys = vec![message.routing_key.to_vec()];
        keys.extend(copies(properties.headers.as_ref(), CC).unwrap_or_default());
        keys.extend(message.bcc_keys().map(<[u8]>::to_vec));
        let mut headers = Table::new();
        headers.insert("exchange_name", text(message.exchange.to_vec()));
        let names = keys.iter().cloned().map(text).collect();
        headers.insert("routing_keys", Value::Array(names));
        headers.insert("properties", Value::Table(shown(properties)));
        headers.insert("node", Value::from(&*self.settings.node));
        (keys, headers)
    }

    /// The names of the queues that a message was routed to. The default exchange routes to every name that is a key, as
    /// RabbitMQ sees it, whether there is such a queue or not.
    fn reached(&self, exchange: &[u8], keys: &[Vec<u8>], queues: &[QueueId]) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = if exchange.is_empty() {
            let replies = reply_to::PREFIX.as_bytes();
            keys.iter().filter(|key| !key.starts_with(replies)).cloned().collect()
        } else {
            let found = queues.iter().filter_map(|id| self.queues.get(*id));
            found.map(|queue| queue.name.as_bytes().to_vec()).collect()
        };
        names.sort_unstable();
        names.dedup();
        names
    }

    fn publish_copy<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        vhost: &str,
        mut key: Vec<u8>,
        headers: Table,
        body: &[u8],
    ) {
        if key.len() > KEY_BYTES_MAX {
            let cut = String::from_utf8_lossy(&key);
            key = cut[..cut.floor_char_boundary(KEY_BYTES_MAX)].as_bytes().to_vec();
        }
        let properties = PropertiesBuf { headers: Some(headers), ..PropertiesBuf::default() };
        self.publish_own(cx, (vhost, TRACE_EXCHANGE), &key, &properties, body);
    }

    /// Publishes a message of the broker's own; nobody waits for what becomes of it.
    pub(crate) fn publish_own<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        (vhost, exchange): (&str, &str),
        key: &[u8],
        properties: &PropertiesBuf,
        body: &[u8],
    ) {
        let encoded = properties.encode();
        let message = Message {
            exchange: exchange.as_bytes(),
            routing_key: key,
            properties: Properties(&encoded),
            body,
            enqueued: cx.now,
            expires: None,
            backing: None,
            persistent: properties.delivery_mode == Some(2),
            priority: None,
            bcc: &[],
        };
        let headers = Headers::of(message.properties);
        let mut queues = Vec::new();
        self.find_queues(vhost, exchange.as_bytes(), &[key], &headers, &mut queues);
        self.place(cx, &queues, &message);
    }
}

fn add_origin(headers: &mut Table, vhost: &str, connection: &str, channel: u16, user: &str) {
    headers.insert("vhost", Value::from(vhost));
    headers.insert("connection", Value::from(connection));
    headers.insert("channel", Value::I32(channel.into()));
    headers.insert("user", Value::from(user));
}

/// The properties as a table, last one first, as RabbitMQ's firehose has them.
fn shown(properties: PropertiesBuf) -> Table {
    let number = |value: u8| Value::I32(value.into());
    let time = |at: u64| i32::try_from(at).map_or(Value::I64(at.cast_signed()), Value::I32);
    let fields = [
        ("cluster_id", properties.cluster_id.map(text)),
        ("app_id", properties.app_id.map(text)),
        ("user_id", properties.user_id.map(text)),
        ("type", properties.kind.map(text)),
        ("timestamp", properties.timestamp.map(time)),
        ("message_id", properties.message_id.map(text)),
        ("expiration", properties.expiration.map(text)),
        ("reply_to", properties.reply_to.map(text)),
        ("correlation_id", properties.correlation_id.map(text)),
        ("priority", properties.priority.map(number)),
        ("delivery_mode", properties.delivery_mode.map(number)),
        ("headers", properties.headers.map(Value::Table)),
        ("content_encoding", properties.content_encoding.map(text)),
        ("content_type", properties.content_type.map(text)),
    ];
    let set = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Table(set.map(|(name, value)| (name.as_bytes().to_vec(), value)).collect())
}

fn text(bytes: Vec<u8>) -> Value {
    Value::LongStr(bytes)
}
