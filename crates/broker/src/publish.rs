//! The way of a message from a channel into queues.
//!
//! Checks come in RabbitMQ's order (amqp.md 5.1): size, write permission, existence, internal, reply-to, expiration, CC,
//! user-id. A route that the channel's cache knows has passed the three about the exchange before; for it and one queue
//! nothing is allocated.

use amqp::content::{Properties, PropertiesBuf, PropertyScan};
use amqp::value::{RawTable, Table, Value};
use amqp::{AmqpError, ReplyCode};
use store::{LaneId, Pos, Seq, Slice, Store};

use crate::binding::ExchangeId;
use crate::broker::{not_found, precondition, refused};
use crate::delayed::RoomId;
use crate::history::HistoryId;
use crate::queue::args::MILLIS_MAX;
use crate::queue::{Admission, DeadLetter, Queue, Reason};
use crate::reply_to;
use crate::route::{Headers, RouteCache};
use crate::topology::Record;
use crate::user::{Access, Resource};
use crate::{Broker, Cx, Handle, Message, Millis, QueueId, Session, Sink};

/// `basic.publish` with its content.
#[derive(Clone, Copy)]
pub struct Publish<'a> {
    /// The exchange, empty for the default one.
    pub exchange: &'a [u8],
    /// The routing key.
    pub routing_key: &'a [u8],
    /// The client wants it back when it reaches no queue. The server sends it back; here it is only counted.
    pub mandatory: bool,
    /// As on the wire.
    pub properties: Properties<'a>,
    /// The content.
    pub body: &'a [u8],
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Published {
    /// What a confirm has to wait for; 0 is nothing.
    pub pos: Pos,
    /// Whether any queue was reached, even one that refused it.
    pub routed: bool,
    /// A full queue refused it: the confirm is a nack.
    pub refused: bool,
}

/// Vectors that are kept so that publishing does not allocate.
#[derive(Default)]
pub(crate) struct PublishScratch {
    queues: Vec<QueueId>,
    stored: Vec<(QueueId, u8)>,
    lanes: Vec<LaneId>,
    seqs: Vec<Seq>,
}

/// The headers that add routing keys.
pub(crate) const CC: &str = "CC";
const BCC: &str = "BCC";

impl Broker {
    /// `basic.publish`.
    pub fn publish<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        cache: &mut RouteCache,
        publish: &Publish<'_>,
    ) -> Result<Published, AmqpError> {
        let Publish { exchange, routing_key, properties, body, .. } = *publish;
        if body.len() as u64 > self.settings.max_message_size {
            return Err(self.too_large(body.len()));
        }
        let known = cache.get(self.epoch, exchange, routing_key);
        let delays = known.is_none() && self.check_exchange(who, exchange)?;
        let scan = properties.scan()?;
        if let Some(headers) = scan.headers {
            // Who passes on what nobody can read gets consumers killed, one after the other.
            headers.check()?;
        }
        if delays {
            Broker::check_delay(scan.headers)?;
        }
        let asks_for_reply = scan.reply_to == Some(reply_to::PSEUDO_QUEUE.as_bytes());
        if asks_for_reply && self.replies.name_of(who.conn, cache.channel).is_none() {
            return Err(precondition("fast reply consumer does not exist"));
        }
        let expires = match scan.expiration {
            Some(text) => Some(cx.now.saturating_add(parse_expiration(text)?)),
            None => None,
        };
        let copies = scan.headers.is_some_and(may_have_copies);
        let mut message = Message {
            exchange,
            routing_key,
            properties,
            body,
            enqueued: cx.now,
            expires,
            backing: None,
            persistent: scan.delivery_mode == Some(2),
            priority: scan.priority,
            bcc: &[],
        };
        if asks_for_reply || copies || self.settings.interceptors.any() {
            return self.publish_rewritten(cx, who, cache, publish, message, &scan);
        }
        if known.is_none() {
            self.check_topic_keys(who, exchange, &[routing_key])?;
        }
        if let Some(claimed) = scan.user_id {
            self.check_user_id(who, claimed)?;
        }
        self.counts.messages_received += 1;
        if let Some(queues) = known {
            self.tap(cx, (who, cache.channel), &message, queues);
            let published = self.place(cx, queues, &message);
            self.count_route(publish.mandatory, published.routed);
            return Ok(published);
        }
        if let Some(name) = reply_name(exchange, routing_key) {
            message.expires = None;
            self.tap(cx, (who, cache.channel), &message, &[]);
            self.deliver_reply(cx.sink, name, &message);
            return Ok(Published { routed: true, ..Published::default() });
        }
        let mut queues = std::mem::take(&mut self.scratch.queues);
        let headers = Headers::new(properties, scan.headers);
        if self.find_queues(&who.vhost, exchange, &[routing_key], &headers, &mut queues) {
            cache.insert(self.epoch, exchange, routing_key, &queues);
        }
        self.tap(cx, (who, cache.channel), &message, &queues);
        let published = self.place(cx, &queues, &message);
        self.scratch.queues = queues;
        self.count_route(publish.mandatory, published.routed);
        Ok(published)
    }

    /// A message whose properties do not reach consumers as they came: `CC` and `BCC` add keys, and `BCC` is removed;
    /// a `reply-to` that asks for a direct reply is replaced; interceptors write what they write.
    #[cold]
    fn publish_rewritten<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        cache: &RouteCache,
        publish: &Publish<'_>,
        message: Message<'_>,
        scan: &PropertyScan<'_>,
    ) -> Result<Published, AmqpError> {
        let mut rewritten = PropertiesBuf::from(publish.properties)?;
        if scan.reply_to == Some(reply_to::PSEUDO_QUEUE.as_bytes()) {
            let name = self.replies.name_of(who.conn, cache.channel);
            rewritten.reply_to = name.map(|name| name.as_bytes().to_vec());
        }
        self.settings.interceptors.apply(&mut rewritten, cx.now, &self.settings.node);
        let headers = rewritten.headers.as_ref();
        let (open, blind) = (copies(headers, CC)?, copies(headers, BCC)?);
        let mut keys: Vec<&[u8]> = vec![message.routing_key];
        keys.extend(open.iter().chain(&blind).map(Vec::as_slice));
        self.check_topic_keys(who, message.exchange, &keys)?;
        if let Some(claimed) = scan.user_id {
            self.check_user_id(who, claimed)?;
        }
        if let Some(headers) = &mut rewritten.headers {
            while headers.remove(BCC).is_some() {}
        }
        let mut bcc = Vec::new();
        for key in &blind {
            // The block has two bytes for its length. Keys beyond it still route; a dead letter does not know them.
            if bcc.len() + 1 + key.len() > usize::from(u16::MAX) {
                break;
            }
            bcc.push(key.len() as u8);
            bcc.extend_from_slice(key);
        }
        let properties = rewritten.encode();
        let message = Message { properties: Properties(&properties), bcc: &bcc, ..message };
        self.counts.messages_received += 1;
        if let Some(name) = reply_name(message.exchange, message.routing_key) {
            self.tap(cx, (who, cache.channel), &message, &[]);
            self.deliver_reply(cx.sink, name, &message);
            return Ok(Published { routed: true, ..Published::default() });
        }
        let mut queues = Vec::new();
        let headers = Headers::of(message.properties);
        let exchange = message.exchange;
        self.find_queues(&who.vhost, exchange, &keys, &headers, &mut queues);
        self.tap(cx, (who, cache.channel), &message, &queues);
        let published = self.place(cx, &queues, &message);
        self.count_route(publish.mandatory, published.routed);
        Ok(published)
    }

    /// Finds the queues that a message reaches; answers whether the route may be cached.
    pub(crate) fn find_queues(
        &mut self,
        vhost: &str,
        exchange: &[u8],
        keys: &[&[u8]],
        headers: &Headers<'_>,
        queues: &mut Vec<QueueId>,
    ) -> bool {
        queues.clear();
        let Some(vhost) = self.vhosts.get_mut(vhost) else { return false };
        let Ok(name) = str::from_utf8(exchange) else { return false };
        let Some(id) = vhost.exchange_id(name) else { return false };
        vhost.route(id, keys, headers, &mut self.dice, queues)
    }

    /// The same from an exchange by its id, which may be gone.
    pub(crate) fn find_queues_from(
        &mut self,
        vhost: &str,
        exchange: ExchangeId,
        keys: &[&[u8]],
        headers: &Headers<'_>,
        queues: &mut Vec<QueueId>,
    ) {
        queues.clear();
        if let Some(vhost) = self.vhosts.get_mut(vhost) {
            vhost.route(exchange, keys, headers, &mut self.dice, queues);
        }
    }

    /// Gives a message to queues: each may refuse it, hand it to a consumer at once, or want it stored. Stored copies
    /// share one record. Dead letters that this causes are routed before it returns.
    pub(crate) fn place<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        queues: &[QueueId],
        message: &Message<'_>,
    ) -> Published {
        let published = match *queues {
            [] => return Published::default(),
            [only] => self.place_in_one(cx, only, message),
            _ => self.place_in_many(cx, queues, message),
        };
        self.route_dead(cx);
        published
    }

    #[inline]
    fn place_in_one<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: QueueId,
        message: &Message<'_>,
    ) -> Published {
        let mut published = Published { routed: true, ..Published::default() };
        let Some(queue) = self.queues.get_mut(id) else {
            return self.place_elsewhere(cx, id, message);
        };
        let persistent = message.persistent || queue.persists_all();
        match queue.admit(cx, message) {
            Admission::Direct => {}
            Admission::Refuse { dead_letter } => {
                self.refuse(id, dead_letter, message);
                published.refused = true;
            }
            Admission::Store => {
                let Some((level, lane)) = self.lane(cx, id, message.priority) else {
                    return Published::default();
                };
                let (head, mut seqs) = (message.head(), [0]);
                let (parts, bytes) = (message.parts(&head), message.body.len() as u32);
                published.pos = cx.store.append(&[lane], persistent, bytes, &parts, &mut seqs);
                if let Some(queue) = self.queues.get_mut(id) {
                    queue.enqueue(cx, level, seqs[0], message, &mut self.outbox);
                    self.queues.note(id);
                }
            }
        }
        published
    }

    /// What a route leads to beside queues: a room where the message waits, a history, or a queue that is gone.
    #[cold]
    fn place_elsewhere<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        target: QueueId,
        message: &Message<'_>,
    ) -> Published {
        if let Some(room) = RoomId::of(target) {
            return self.hold(cx.store, room, message, cx.now);
        }
        if let Some(history) = HistoryId::of(target) {
            self.histories.remember(history, message);
        }
        Published::default()
    }

    fn place_in_many<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        queues: &[QueueId],
        message: &Message<'_>,
    ) -> Published {
        let mut published = Published::default();
        let PublishScratch { mut stored, mut lanes, mut seqs, queues: spare } =
            std::mem::take(&mut self.scratch);
        for &id in queues {
            let Some(queue) = self.queues.get_mut(id) else {
                let held = self.place_elsewhere(cx, id, message);
                published.routed |= held.routed;
                published.pos = published.pos.max(held.pos);
                continue;
            };
            published.routed = true;
            match queue.admit(cx, message) {
                Admission::Direct => {}
                Admission::Refuse { dead_letter } => {
                    self.refuse(id, dead_letter, message);
                    published.refused = true;
                }
                Admission::Store => {
                    if let Some((level, lane)) = self.lane(cx, id, message.priority) {
                        stored.push((id, level));
                        lanes.push(lane);
                    }
                }
            }
        }
        if !lanes.is_empty() {
            seqs.resize(lanes.len(), 0);
            let pos = self.append(cx.store, message, &stored, &lanes, &mut seqs);
            published.pos = published.pos.max(pos);
        }
        for (&(id, level), &seq) in stored.iter().zip(&seqs) {
            if let Some(queue) = self.queues.get_mut(id) {
                queue.enqueue(cx, level, seq, message, &mut self.outbox);
                self.queues.note(id);
            }
        }
        stored.clear();
        lanes.clear();
        seqs.clear();
        self.scratch = PublishScratch { stored, lanes, seqs, queues: spare };
        published
    }

    /// Stores one record for all queues; a transient message is a record of its own for those that persist all.
    fn append(
        &mut self,
        store: &mut Store,
        message: &Message<'_>,
        stored: &[(QueueId, u8)],
        lanes: &[LaneId],
        seqs: &mut [Seq],
    ) -> Pos {
        let head = message.head();
        let (parts, bytes) = (message.parts(&head), message.body.len() as u32);
        let persists = |id| self.queues.get(id).is_some_and(Queue::persists_all);
        if message.persistent || !stored.iter().any(|(id, _)| persists(*id)) {
            return store.append(lanes, message.persistent, bytes, &parts, seqs);
        }
        let mut pos = 0;
        for persistent in [false, true] {
            let chosen =
                stored.iter().enumerate().filter(|(_, (id, _))| persists(*id) == persistent);
            let chosen: Vec<usize> = chosen.map(|(at, _)| at).collect();
            let own: Vec<LaneId> = chosen.iter().map(|&at| lanes[at]).collect();
            let mut given = vec![0; own.len()];
            pos = pos.max(store.append(&own, persistent, bytes, &parts, &mut given));
            chosen.iter().zip(given).for_each(|(&at, seq)| seqs[at] = seq);
        }
        pos
    }

    /// The lane of a priority. A queue gets the lane of a level with the first message of that level; a durable one's
    /// record then says so before the message is appended.
    #[inline]
    fn lane<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: QueueId,
        priority: Option<u8>,
    ) -> Option<(u8, LaneId)> {
        let queue = self.queues.get_mut(id)?;
        if let Some(found) = queue.lane_for(priority) {
            return Some(found);
        }
        let added = queue.add_lane(priority, cx.store);
        if queue.durable {
            Record::queue(queue).log(cx.store);
        }
        Some(added)
    }

    fn refuse(&mut self, from: QueueId, dead_letter: bool, message: &Message<'_>) {
        if dead_letter {
            let handle = Handle { queue: from, lane: 0, seq: Seq::MAX, bytes: 0 };
            let slice = Slice::from(message.to_bytes());
            let reason = Reason::Maxlen;
            self.outbox.dead.push_back(DeadLetter { from, handle, reason, slice });
        }
    }

    pub(crate) fn count_route(&mut self, mandatory: bool, routed: bool) {
        match (routed, mandatory) {
            (true, _) => self.counts.messages_routed += 1,
            (false, true) => self.counts.messages_unroutable_returned += 1,
            (false, false) => self.counts.messages_unroutable_dropped += 1,
        }
    }

    /// Whether it may be published to; answers whether it is a delayed one.
    fn check_exchange(&self, who: &Session, exchange: &[u8]) -> Result<bool, AmqpError> {
        let name = String::from_utf8_lossy(exchange);
        self.check(who, Access::Write, Resource::Exchange, &name)?;
        let found = self.vhost(who)?.exchange(&name);
        let exchange = found.ok_or_else(|| not_found(Resource::Exchange, &name, &who.vhost))?;
        if exchange.spec.internal {
            let named = Resource::Exchange.named(&name, &who.vhost);
            return Err(refused(format!("cannot publish to internal {named}")));
        }
        Ok(exchange.room.is_some())
    }

    /// An exchange whose name is not text is not there, which was found out before.
    fn check_topic_keys(
        &self,
        who: &Session,
        exchange: &[u8],
        keys: &[&[u8]],
    ) -> Result<(), AmqpError> {
        let exchange = str::from_utf8(exchange).unwrap_or_default();
        self.check_topics(who, Access::Write, exchange, keys)
    }

    fn check_user_id(&self, who: &Session, claimed: &[u8]) -> Result<(), AmqpError> {
        if who.trusted
            || claimed == who.user.as_bytes()
            || self.users.has_tag(&who.user, "impersonator")
        {
            return Ok(());
        }
        let (claimed, user) = (String::from_utf8_lossy(claimed), &who.user);
        Err(precondition(format!(
            "user_id property set to '{claimed}' but authenticated user was '{user}'"
        )))
    }

    #[cold]
    fn too_large(&self, len: usize) -> AmqpError {
        let max = self.settings.max_message_size;
        precondition(format!("message size {len} is larger than configured max size {max}"))
    }
}

/// The name of the answer's receiver, when the message is an answer to a direct reply-to.
fn reply_name<'a>(exchange: &[u8], key: &'a [u8]) -> Option<&'a str> {
    if !exchange.is_empty() || !key.starts_with(reply_to::PREFIX.as_bytes()) {
        return None;
    }
    str::from_utf8(key).ok()
}

/// Milliseconds of an `expiration`: decimal digits, at most ten years. RabbitMQ takes a sign, too, if the number is not
/// below zero.
pub(crate) fn parse_expiration(text: &[u8]) -> Result<Millis, AmqpError> {
    let number = |digits: &[u8]| {
        let valid = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        valid.then(|| digits.iter().fold(0, |ms, digit| ms * 10 + Millis::from(digit - b'0')))
    };
    match text {
        [b'-', digits @ ..] if number(digits) == Some(0) => Ok(0),
        [b'+', digits @ ..] | digits => match number(digits) {
            Some(ms) if ms <= MILLIS_MAX => Ok(ms),
            _ => Err(bad_expiration(&String::from_utf8_lossy(text))),
        },
    }
}

/// RabbitMQ's Erlang terms for what is wrong.
#[cold]
fn bad_expiration(text: &str) -> AmqpError {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let number = unsigned[..digits].trim_start_matches('0');
    let reason = if digits == 0 {
        "no_integer".to_owned()
    } else if digits < unsigned.len() {
        format!("{{leftover_string,\"{}\"}}", &unsigned[digits..])
    } else if text.starts_with('-') {
        format!("{{value_negative,-{number}}}")
    } else {
        format!("{{value_too_large,{number}}}")
    };
    AmqpError::new(ReplyCode::PreconditionFailed, format!("invalid expiration '{text}': {reason}"))
}

/// Whether the headers could have `CC` or `BCC`: cheaper than looking, and seldom wrong.
fn may_have_copies(headers: RawTable<'_>) -> bool {
    headers.0.windows(2).any(|pair| pair == CC.as_bytes())
}

/// The keys in one of the headers: strings of an array that fit into a short string. Another type is an error; other
/// elements are ignored, as RabbitMQ ignores them.
pub(crate) fn copies(headers: Option<&Table>, name: &str) -> Result<Vec<Vec<u8>>, AmqpError> {
    match headers.and_then(|headers| headers.get(name)) {
        None => Ok(Vec::new()),
        Some(Value::Array(keys)) => Ok(keys
            .iter()
            .filter_map(|key| match key {
                Value::LongStr(key) if key.len() <= 255 => Some(key.clone()),
                _ => None,
            })
            .collect()),
        Some(other) => Err(precondition(format!(
            "invalid message: {{unacceptable_type_in_header,\"{name}\",{}}}",
            other.type_name()
        ))),
    }
}
