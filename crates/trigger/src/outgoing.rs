//! What a trigger publishes: a message for its delay queue or for the dead letters, and the answer
//! to who published it. Properties and headers stay byte for byte but for what has to change. Pure
//! functions.
//!
//! What changes in a message that is published again:
//!
//! - `expiration` goes into the header `x-trigger-expiration`. In a delay queue it could end the
//!   pause early, since the shorter of it and the queue's own time counts; with the dead letters it
//!   would lose the message. Brokers take it off when they dead-letter, for the same reason.
//! - A `user-id` that is not our login goes into `x-trigger-user-id`: the broker would close the
//!   channel for it.
//! - `CC` and `BCC` become `x-original-cc` and `x-original-bcc`: their copies went out when the
//!   message was first published.
//! - `x-delivery-count` and `x-acquired-count` go: they count for the copy in the queue it leaves.
//! - On the way to a delay queue `x-death` becomes `x-trigger-death`, and what delay queues add to
//!   it goes. A broker drops a message that dies on its way to a queue where it died before, unless
//!   it was rejected since (RabbitMQ 3 and Leveret do, by this header): one that had expired in our
//!   queue once would not come back from the delay queue.
//! - `x-trigger-exchange` and `x-trigger-routing-key` say where it was first published.
//! - Headers that no broker could read would end the connection again and again; they go as a whole
//!   into `x-trigger-broken-headers`, as binary data.

#[cfg(test)]
mod tests;

use amqp::content::PropertyScan;
use amqp::value::{RawTable, Table, Value};
use bytes::Bytes;

use crate::attempts::{ACQUIRED_COUNT_HEADER, ATTEMPT_HEADER, DELIVERY_COUNT_HEADER};
use crate::message::{Message, Millis};
use crate::origin::{EXCHANGE_HEADER, EXPIRATION_HEADER, Origin, ROUTING_KEY_HEADER};
use crate::pipeline::Reply;
use crate::reason::Reason;

/// Headers by which the broker routes a message once more, and what they are called afterwards.
const COPIES: [(&[u8], &[u8]); 2] = [(b"CC", b"x-original-cc"), (b"BCC", b"x-original-bcc")];

/// Headers that hold for one copy of a message, and not for the next.
const PER_COPY: [&str; 4] =
    [ATTEMPT_HEADER, DELIVERY_COUNT_HEADER, ACQUIRED_COUNT_HEADER, EXPIRATION_HEADER];

/// By which a broker knows where a message has died.
const DEATH_HEADER: &str = "x-death";

/// Bytes of an error's text that go into a header. Headers must fit into one frame, which may be
/// no larger than 4 KiB.
const ERROR_BYTES_MAX: usize = 1024;

/// A short string of the protocol.
const SHORT_BYTES_MAX: usize = 255;

/// A message to be published, with a confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Empty for the default exchange.
    pub exchange: Vec<u8>,
    /// The routing key.
    pub routing_key: Vec<u8>,
    /// The properties as on the wire.
    pub properties: Vec<u8>,
    /// The body.
    pub body: Bytes,
    /// Whether it comes back when it has no queue to go to.
    pub mandatory: bool,
}

/// The name of the delay queue for a pause; `{queue}` and `{ms}` stand for themselves in `pattern`.
pub fn delay_queue(pattern: &str, queue: &str, pause_ms: Millis) -> String {
    // The number first: a queue's name may hold `{ms}`.
    pattern.replace("{ms}", &pause_ms.to_string()).replace("{queue}", queue)
}

/// The arguments of a delay queue from which messages come back to `queue` after the pause.
///
/// There is no `x-expires`: that would delete the queue with the messages that wait in it.
pub fn delay_queue_arguments(queue: &str, pause_ms: Millis) -> Table {
    let mut arguments = Table::new();
    arguments.insert("x-message-ttl", Value::I64(pause_ms.try_into().unwrap_or(i64::MAX)));
    arguments.insert("x-dead-letter-exchange", Value::from(""));
    arguments.insert("x-dead-letter-routing-key", Value::from(queue));
    arguments
}

/// A message that has run `attempts` times, for the delay queue of that name. `login` is whom the
/// broker knows us as, `None` when that is not known.
///
/// The queue's own `x-message-ttl` makes the pause; the message states none.
pub fn retry(message: &Message, queue: &str, attempts: u32, login: Option<&[u8]>) -> Outgoing {
    let mut set = Table::new();
    set.insert(ATTEMPT_HEADER, Value::I64(attempts.into()));
    let headers = message.scan().ok().and_then(|scan| scan.headers).unwrap_or_default();
    if let (Ok(None), Ok(Some(deaths))) = (headers.get(ATTEMPT_HEADER), headers.get(DEATH_HEADER)) {
        set.insert("x-trigger-death", deaths);
    }
    Outgoing {
        exchange: Vec::new(),
        routing_key: queue.into(),
        properties: properties(message, set, &[DEATH_HEADER], login),
        body: message.body.clone(),
        mandatory: true,
    }
}

/// Why a message failed for good.
#[derive(Clone, Copy, Debug)]
pub struct Death<'a> {
    /// Of which kind.
    pub reason: Reason,
    /// What happened, for people; cut to 1 KiB.
    pub text: &'a str,
    /// How often the message has run.
    pub attempts: u32,
    /// The queue it came from.
    pub queue: &'a str,
    /// The trigger's name.
    pub trigger: &'a str,
    /// When.
    pub at_ms: Millis,
}

/// A message for the dead letters, with the reason in its headers `x-trigger-reason`, `-error`,
/// `-attempts`, `-queue`, `-name` and `-time`. An empty `routing_key` is the one that the message
/// was first published with. `None` when its body was too large to be kept: only the broker has it.
///
/// It does not carry `x-trigger-attempt`, so that it can run again when somebody sends it back.
pub fn dead_letter(
    message: &Message,
    (exchange, routing_key): (&str, &str),
    death: &Death<'_>,
    login: Option<&[u8]>,
) -> Option<Outgoing> {
    if message.body.len() as u64 != message.body_bytes {
        return None;
    }
    let text = &death.text[..death.text.floor_char_boundary(ERROR_BYTES_MAX)];
    let mut headers = Table::new();
    headers.insert("x-trigger-reason", Value::from(death.reason.word()));
    headers.insert("x-trigger-error", Value::from(text));
    headers.insert("x-trigger-attempts", Value::I64(death.attempts.into()));
    headers.insert("x-trigger-queue", Value::from(death.queue));
    headers.insert("x-trigger-name", Value::from(death.trigger));
    headers.insert("x-trigger-time", Value::Timestamp(death.at_ms / 1000));
    let routing_key = match routing_key {
        "" => {
            let table = message.scan().ok().and_then(|scan| scan.headers);
            Origin::of(message, table).routing_key.to_vec()
        }
        key => key.into(),
    };
    Some(Outgoing {
        exchange: exchange.into(),
        routing_key,
        properties: properties(message, headers, &[], login),
        body: message.body.clone(),
        mandatory: true,
    })
}

/// The pipeline's answer, to the queue that the message's `reply-to` names; `None` when it names
/// none. `correlation-id` is the message's own, or its `message-id` when it has none; the header
/// `x-trigger-name` says who answers.
pub fn reply(message: &Message, reply: &Reply, trigger: &str) -> Option<Outgoing> {
    let scan = message.scan().ok()?;
    let reply_to = scan.reply_to.filter(|to| !to.is_empty())?;
    let mut headers = Table::new();
    headers.insert("x-trigger-name", Value::from(trigger));
    let mut table = Vec::new();
    headers.encode(&mut table);
    let content_type = reply.content_type.as_bytes();
    let fits = (1..=SHORT_BYTES_MAX).contains(&content_type.len());
    let properties = PropertyScan {
        content_type: fits.then_some(content_type),
        headers: Some(RawTable(&table[4..])),
        delivery_mode: scan.delivery_mode,
        correlation_id: scan.correlation_id.or(scan.message_id),
        ..PropertyScan::default()
    };
    Some(Outgoing {
        exchange: Vec::new(),
        routing_key: reply_to.to_vec(),
        properties: properties.encode(),
        body: reply.body.clone(),
        mandatory: true,
    })
}

/// The message's properties with the headers `set` in the place of those of the same name, without
/// those named in `without`, and with the other changes that the top of this file tells of. A list
/// that cannot be read counts as empty.
fn properties(
    message: &Message,
    mut set: Table,
    without: &[&str],
    login: Option<&[u8]>,
) -> Vec<u8> {
    let mut scan = message.scan().unwrap_or_default();
    let mut kept = scan.headers;
    if let Some(table) = kept.filter(|table| table.check().is_err()) {
        set.insert("x-trigger-broken-headers", Value::Bytes(table.0.to_vec()));
        kept = None;
    }
    let origin = Origin::of(message, kept);
    set.insert(EXCHANGE_HEADER, Value::LongStr(origin.exchange.to_vec()));
    set.insert(ROUTING_KEY_HEADER, Value::LongStr(origin.routing_key.to_vec()));
    if let Some(expiration) = scan.expiration.take().or(origin.expiration) {
        set.insert(EXPIRATION_HEADER, Value::LongStr(expiration.to_vec()));
    }
    if let Some(user) = scan.user_id.take_if(|user| Some(*user) != login) {
        set.insert("x-trigger-user-id", Value::LongStr(user.to_vec()));
    }
    let mut table = Vec::new();
    for field in kept.into_iter().flat_map(|table| table.fields()).map_while(Result::ok) {
        let mut gone = PER_COPY.iter().chain(without).map(|name| name.as_bytes());
        if set.iter().any(|(name, _)| name == field.key) || gone.any(|name| name == field.key) {
            continue;
        }
        let copy = COPIES.iter().find(|(name, _)| *name == field.key);
        field.write(copy.map_or(field.key, |(_, name)| name), &mut table);
    }
    let mut encoded = Vec::new();
    set.encode(&mut encoded);
    table.extend_from_slice(&encoded[4..]);
    PropertyScan { headers: Some(RawTable(&table)), ..scan }.encode()
}
