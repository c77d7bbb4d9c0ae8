//! Dead letters: what a message looks like after it died, and where it goes.
//!
//! The copy is routed and stored before the original is settled, so a crash in between leaves both and never neither.
//! `x-death` is kept as RabbitMQ keeps it (amqp.md 5.6): an array of tables, newest first, one per queue and reason. With a
//! dead letter routing key only that key counts and `CC` is removed, as on 3.x and in the documentation; 4.3 keeps the
//! header. A copy arrives as never delivered, whatever happened to the original.
//!
//! A queue with at-least-once dead lettering keeps what cannot go where it should: no route, or a queue that refuses it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use amqp::DecodeError;
use amqp::content::{Properties, PropertiesBuf};
use amqp::value::{Table, Value};

use crate::delayed::RoomId;
use crate::history::HistoryId;
use crate::publish::{CC, copies};
use crate::queue::{DeadLetter, Queue, Reason};
use crate::route::Headers;
use crate::topology::Record;
use crate::{Broker, Cx, Message, Millis, QueueId, Sink};

const X_DEATH: &str = "x-death";

/// Milliseconds between two tries for changes of the topology: where clients come and go it never stands still, and each
/// try reads and routes a batch of every queue that keeps some.
const GRAVES_REST: Millis = 200;

/// Where a queue sends what dies in it.
struct Grave {
    queue: Rc<str>,
    vhost: Rc<str>,
    exchange: Rc<[u8]>,
    routing_key: Option<Rc<[u8]>>,
}

/// What became of a dead letter.
enum Arrival {
    /// It is where it had to go, or may get lost.
    Done,
    /// It has to be kept, and tried again; these queues have it.
    Missing(Vec<QueueId>),
}

impl Broker {
    /// Sends the dead of the last command where they go. That may kill others, which follow; it ends because a message
    /// never comes by itself to a queue where it died before.
    #[inline]
    pub(crate) fn route_dead<S: Sink>(&mut self, cx: &mut Cx<'_, S>) {
        // `place` calls back into this while the loop below runs; the outermost call does all the work.
        if self.outbox.dead.is_empty() || self.routing_dead {
            return;
        }
        self.routing_dead = true;
        while let Some(dead) = self.outbox.dead.pop_front() {
            let arrival = self.send_to_grave(cx, &dead);
            if dead.handle.seq != store::Seq::MAX {
                self.end(cx, &dead, arrival);
            }
        }
        self.routing_dead = false;
    }

    fn send_to_grave<S: Sink>(&mut self, cx: &mut Cx<'_, S>, dead: &DeadLetter) -> Arrival {
        let Some(queue) = self.queues.get(dead.from) else { return Arrival::Done };
        let (keeps, kept) = (queue.keeps(dead), queue.is_grave(dead.handle));
        let Some(exchange) = queue.args.dead_letter_exchange.clone() else {
            return if kept { Arrival::Missing(Vec::new()) } else { Arrival::Done };
        };
        let grave = Grave {
            queue: queue.name.clone(),
            vhost: queue.vhost.clone(),
            exchange,
            routing_key: queue.args.dead_letter_routing_key.clone(),
        };
        let Ok(original) = Message::view(&dead.slice) else { return Arrival::Done };
        // One that was kept has the time of its death instead of that of its publishing.
        let died = if kept { original.enqueued } else { cx.now };
        if !kept {
            self.counts.dead_lettered(dead.reason);
        }
        let Ok(rewritten) = rewrite(&original, &grave, dead.reason, died) else {
            return Arrival::Done;
        };
        let keys = keys(&original, &grave, &rewritten);
        let properties = rewritten.encode();
        let message = Message {
            exchange: &grave.exchange,
            routing_key: keys[0],
            properties: Properties(&properties),
            enqueued: cx.now,
            expires: None,
            backing: None,
            // What must not get lost is on disk, even of a message that need not be.
            persistent: original.persistent || keeps,
            bcc: if grave.routing_key.is_some() { &[] } else { original.bcc },
            ..original
        };
        let headers = Headers::of(message.properties);
        let mut queues = Vec::new();
        self.find_queues(&grave.vhost, &grave.exchange, &keys, &headers, &mut queues);
        if dead.reason != Reason::Rejected {
            queues.retain(|id| !self.died_there(*id, rewritten.headers.as_ref()));
        }
        if !keeps {
            self.place(cx, &queues, &message);
            return Arrival::Done;
        }
        self.place_all(cx, dead, queues, &message)
    }

    /// Places a dead letter that must not get lost: not in queues that would refuse it, nor in those that have it.
    fn place_all<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        dead: &DeadLetter,
        mut queues: Vec<QueueId>,
        message: &Message<'_>,
    ) -> Arrival {
        let from = self.queues.get(dead.from);
        let mut reached = from.map_or_else(Vec::new, |from| from.reached(dead.handle).to_vec());
        // What only an exchange remembers has not arrived.
        let routed = queues.iter().any(|id| HistoryId::of(*id).is_none());
        queues.retain(|id| !reached.contains(id));
        let refuses = |id: &QueueId| {
            self.queues.get(*id).is_some_and(|queue| queue.refuses(cx.store, message))
        };
        let (full, open): (Vec<_>, Vec<_>) = queues.into_iter().partition(refuses);
        self.place(cx, &open, message);
        if routed && full.is_empty() {
            self.counts.messages_dead_lettered_confirmed += 1;
            return Arrival::Done;
        }
        reached.extend(open);
        Arrival::Missing(reached)
    }

    /// After the copies are stored, or not: the original goes, or is kept.
    fn end<S: Sink>(&mut self, cx: &mut Cx<'_, S>, dead: &DeadLetter, arrival: Arrival) {
        let Some(queue) = self.queues.get_mut(dead.from) else { return };
        let kept = queue.is_grave(dead.handle);
        if let Arrival::Missing(reached) = arrival {
            if queue.keep(cx.store, dead, reached, cx.now) {
                Record::queue(queue).log(cx.store);
            }
            if self.graves.is_empty() {
                self.graves_epoch = self.epoch;
            }
            self.graves.insert(dead.from);
            self.queues.note(dead.from);
            if kept {
                return;
            }
        }
        if let Some(queue) = self.queues.get_mut(dead.from) {
            queue.bury(cx.store, dead.handle);
        }
        if kept {
            self.queues.note(dead.from);
        }
    }

    /// Whether dead letters had no way when the topology was another one.
    pub(crate) fn may_try_graves(&self) -> bool {
        self.graves_epoch != self.epoch && !self.graves.is_empty()
    }

    /// Tries all kept dead letters again after a change of the topology; after many changes, not for each of them.
    pub(crate) fn try_graves(&mut self, now: Millis) {
        if now < self.graves_rest || !self.may_try_graves() {
            return;
        }
        self.graves_epoch = self.epoch;
        self.graves_rest = now.saturating_add(GRAVES_REST);
        let queues = &mut self.queues;
        self.graves.retain(|id| queues.get(*id).is_some_and(Queue::has_graves));
        for id in &self.graves {
            if let Some(queue) = queues.get_mut(*id) {
                queue.try_graves_again();
            }
            queues.note(*id);
        }
    }

    /// Whether the message died in that queue and nobody rejected it since: sending it there is a cycle without an end.
    fn died_there(&self, queue: QueueId, headers: Option<&Table>) -> bool {
        let Some(queue) = self.queues.get(queue) else {
            return RoomId::of(queue).is_none() && HistoryId::of(queue).is_none();
        };
        let Some(Value::Array(deaths)) = headers.and_then(|headers| headers.get(X_DEATH)) else {
            return false;
        };
        for death in deaths {
            let Value::Table(death) = death else { continue };
            if death.get("reason").and_then(Value::as_bytes) == Some(b"rejected") {
                return false;
            }
            if death.get("queue").and_then(Value::as_bytes) == Some(queue.name.as_bytes()) {
                return true;
            }
        }
        false
    }
}

/// The keys that the copy is routed by; the first becomes its routing key.
fn keys<'a>(
    original: &'a Message<'_>,
    grave: &'a Grave,
    rewritten: &'a PropertiesBuf,
) -> Vec<&'a [u8]> {
    if let Some(key) = &grave.routing_key {
        return vec![&key[..key.len().min(255)]];
    }
    own_keys(original, rewritten)
}

/// The routing key of a stored message, then those of its `CC` and `BCC`.
pub(crate) fn own_keys<'a>(
    original: &'a Message<'_>,
    rewritten: &'a PropertiesBuf,
) -> Vec<&'a [u8]> {
    let mut keys = vec![original.routing_key];
    if let Some(Value::Array(copies)) = rewritten.headers.as_ref().and_then(|table| table.get(CC)) {
        keys.extend(copies.iter().filter_map(|copy| match copy {
            Value::LongStr(key) => Some(key.as_slice()),
            _ => None,
        }));
    }
    keys.extend(original.bcc_keys());
    keys
}

/// The properties of the copy: one more death in the headers, and no expiration.
fn rewrite(
    original: &Message<'_>,
    grave: &Grave,
    reason: Reason,
    now: Millis,
) -> Result<PropertiesBuf, DecodeError> {
    let mut properties = PropertiesBuf::from(original.properties)?;
    let mut headers = properties.headers.take().unwrap_or_default();
    let mut routing_keys = vec![Value::LongStr(original.routing_key.to_vec())];
    let copies = copies(Some(&headers), CC).unwrap_or_default();
    routing_keys.extend(copies.into_iter().map(Value::LongStr));
    let mut death = Table(Vec::with_capacity(7));
    let mut add = |name: &str, value| death.0.push((name.as_bytes().to_vec(), value));
    if let Some(expiration) = properties.expiration.take() {
        add("original-expiration", Value::LongStr(expiration));
    }
    add("count", Value::I64(1));
    add("reason", reason.as_str().into());
    add("queue", (&*grave.queue).into());
    add("time", Value::Timestamp(now / 1000));
    add("exchange", Value::LongStr(original.exchange.to_vec()));
    add("routing-keys", Value::Array(routing_keys));
    record_death(&mut headers, death, &grave.queue, reason);

    for when in ["first", "last"] {
        let name = |what: &str| format!("x-{when}-death-{what}");
        if when == "first" && headers.get(&name("reason")).is_some() {
            continue;
        }
        headers.insert(&name("reason"), reason.as_str().into());
        headers.insert(&name("queue"), (&*grave.queue).into());
        headers.insert(&name("exchange"), Value::LongStr(original.exchange.to_vec()));
    }
    if grave.routing_key.is_some() {
        while headers.remove(CC).is_some() {}
    }
    properties.headers = Some(headers);
    Ok(properties)
}

/// Puts the death first; one of the same queue and reason is counted up instead and moves to the front, and so keeps the
/// time, exchange and keys of its first time. What a client sent as `x-death` is honoured where it has the right shape.
fn record_death(headers: &mut Table, death: Table, queue: &str, reason: Reason) {
    // Taken out and put back in its place: the order of the other headers stays.
    let place = headers.0.iter_mut().find(|(name, _)| name == X_DEATH.as_bytes());
    let mut deaths = match place.map(|(_, value)| std::mem::replace(value, Value::Void)) {
        Some(Value::Array(deaths)) => grouped(deaths),
        _ => Vec::new(),
    };
    let same = |value: &Value| match value {
        Value::Table(other) => {
            other.get("queue").and_then(Value::as_bytes) == Some(queue.as_bytes())
                && other.get("reason").and_then(Value::as_bytes) == Some(reason.as_str().as_bytes())
        }
        _ => false,
    };
    let mut death = death;
    if let Some(at) = deaths.iter().position(same)
        && let Value::Table(known) = deaths.remove(at)
    {
        death = known;
        let count = death.get("count").and_then(Value::as_i64).unwrap_or(0);
        death.insert("count", Value::I64(count.saturating_add(1)));
    }
    deaths.insert(0, Value::Table(death));
    headers.insert(X_DEATH, Value::Array(deaths));
}

/// The deaths that brokers before RabbitMQ 3.6 wrote, one for each time, as one for each queue and reason with a count.
/// They are known by having none.
fn grouped(mut deaths: Vec<Value>) -> Vec<Value> {
    let uncounted = |death: &Value| matches!(death, Value::Table(t) if t.get("count").is_none());
    if !deaths.iter().any(uncounted) {
        return deaths;
    }
    let key = |death: &Value| match death {
        Value::Table(death) => {
            let part = |name| death.get(name).and_then(Value::as_bytes).map(<[u8]>::to_vec);
            Some((part("queue"), part("reason")))
        }
        _ => None,
    };
    let mut times = BTreeMap::new();
    deaths.retain(|death| {
        let times: &mut i64 = times.entry(key(death)).or_insert(0);
        *times += 1;
        *times == 1
    });
    for death in deaths.iter_mut().filter(|death| uncounted(death)) {
        let count = times.get(&key(death)).copied().unwrap_or(1);
        if let Value::Table(death) = death {
            death.insert("count", Value::I64(count));
        }
    }
    deaths
}
