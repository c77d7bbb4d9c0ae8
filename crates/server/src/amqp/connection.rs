//! The frames of one connection: from bytes to methods, and from methods to the shard.

use amqp::error::{AmqpError, ReplyCode};
use amqp::frame::{self, Frame, FrameKind};
use amqp::method::{
    AccessRequestOk, BasicPublish, BasicRecoverOk, ChannelCloseOk, ChannelFlowOk, ChannelOpenOk,
    ConnectionUpdateSecretOk, Method,
};
use broker::Publish;
use broker::queue::Return;

use super::channel::acks::Verdict;
use super::channel::content::{Assembly, BASIC_PUBLISH, OwnedPublish, decode_header};
use super::channel::{Channel, Mode};
use super::connections::{Flow, Handled, Park, Phase};
use crate::shard::{At, Shard};

/// What the store has yet to write, beyond which publishers are not read: 24 MiB, some 20 ms of a disk.
pub(crate) const BACKLOG_BYTES_MAX: usize = 24 << 20;
/// How long a peer that sent something else than frames has to read why: 3 s, as with RabbitMQ.
const FRAME_ERROR_MS: u64 = 3000;

impl Shard {
    /// Handles what was read, and keeps the bytes of an incomplete frame for later.
    pub(crate) fn input(&mut self, conn: usize, mut bytes: &[u8]) {
        self.connections.speaking = Some(conn);
        let connection = &mut self.connections.table[conn];
        connection.last_read = self.now;
        let mut held = std::mem::take(&mut connection.input);
        while !held.is_empty() {
            // The header of the frame first, then the frame: no byte is moved twice.
            let need = frame::needed(&held).unwrap_or(7.max(held.len() + 1));
            let take = need.saturating_sub(held.len()).min(bytes.len());
            held.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            let used = self.frames(conn, &held);
            if used == held.len() {
                held.clear();
            } else if bytes.is_empty() || self.connections.table[conn].park.is_some() {
                held.drain(..used);
                held.extend_from_slice(bytes);
                self.connections.table[conn].input = held;
                return self.end_of_input(conn);
            } else {
                held.drain(..used);
            }
        }
        let used =
            if self.connections.table[conn].park.is_some() { 0 } else { self.frames(conn, bytes) };
        held.extend_from_slice(&bytes[used..]);
        self.connections.table[conn].input = held;
        self.end_of_input(conn);
    }

    /// Goes on with the frames that waited while the connection was parked.
    pub(crate) fn resume_input(&mut self, conn: usize) {
        self.connections.speaking = Some(conn);
        let mut held = std::mem::take(&mut self.connections.table[conn].input);
        let used = self.frames(conn, &held);
        held.drain(..used);
        self.connections.table[conn].input = held;
        self.end_of_input(conn);
    }

    /// What is done once for all frames of a read: confirms, starved consumers, push-back.
    fn end_of_input(&mut self, conn: usize) {
        self.write_confirms(conn);
        self.feed_starved();
        let backlog = self.store.backlog_bytes() > BACKLOG_BYTES_MAX;
        let connection = &mut self.connections.table[conn];
        let published = std::mem::take(&mut connection.published);
        let runs = connection.park.is_none() && connection.phase == Phase::Running;
        if published && runs && backlog {
            connection.park = Some(Park::Backlog);
            self.connections.backlogged += 1;
            self.connections.await_commit(conn);
        }
        self.wake_committer();
    }

    /// Handles all complete frames; returns how many bytes they were.
    fn frames(&mut self, conn: usize, bytes: &[u8]) -> usize {
        let mut at = 0;
        if self.connections.table[conn].phase == Phase::Header {
            match self.protocol_header(conn, bytes) {
                Some(used) => at = used,
                None => return 0,
            }
        }
        loop {
            let frame_max = self.connections.table[conn].frame_max;
            match frame::parse(&bytes[at..], frame_max) {
                Ok(None) => return at,
                Ok(Some((frame, used))) => {
                    if self.alarms.is_on() && self.is_to_block(conn, &frame) {
                        self.block(conn);
                        return at;
                    }
                    at += used;
                    if let Some(used) = self.publish_in_one(conn, &frame, &bytes[at..]) {
                        at += used;
                        continue;
                    }
                    match self.frame(conn, &frame) {
                        Flow::Continue => {}
                        Flow::Parked => return at,
                        // Our close may have its answer behind frames that were under way.
                        Flow::Stop if self.connections.table[conn].phase == Phase::Closing => {}
                        Flow::Stop => return bytes.len(),
                    }
                }
                Err(error) => {
                    let error = AmqpError::new(error.reply_code(), error.to_string());
                    self.close_connection(conn, &error);
                    // Where the next frame begins is unknown, so the answer may not be found.
                    let connection = &mut self.connections.table[conn];
                    connection.frame_max = 0;
                    connection.deadline = Some(self.now + FRAME_ERROR_MS);
                    return bytes.len();
                }
            }
        }
    }

    /// Whether a connection may go no further while an alarm is on: it publishes. What it publishes
    /// waits unread, as in RabbitMQ.
    fn is_to_block(&self, conn: usize, frame: &Frame<'_>) -> bool {
        is_publish(frame) && self.connections.table[conn].phase == Phase::Running
    }

    /// The way of nearly every message: method, header and body are complete in one read, and
    /// nothing is copied before the message is stored. None when that is not so.
    fn publish_in_one(&mut self, conn: usize, frame: &Frame<'_>, rest: &[u8]) -> Option<usize> {
        if !is_publish(frame) {
            return None;
        }
        let connection = &self.connections.table[conn];
        let channel = connection.channels.get(&frame.channel)?;
        let plain = connection.phase == Phase::Running
            && channel.mode == Mode::Open
            && channel.assembly.is_none()
            && channel.transaction.is_none();
        if !plain {
            return None;
        }
        let frame_max = connection.frame_max;
        let Ok(Method::BasicPublish(method)) = Method::decode(frame.payload) else { return None };
        if method.immediate {
            return None;
        }
        let (header, header_len) = frame::parse(rest, frame_max).ok().flatten()?;
        if header.kind != FrameKind::Header || header.channel != frame.channel {
            return None;
        }
        let content = decode_header(header.payload, self.settings.max_message_size).ok()?;
        let (body, body_len) = match content.body_size {
            0 => (&[][..], 0),
            size => {
                let (body, len) = frame::parse(&rest[header_len..], frame_max).ok().flatten()?;
                let whole = body.kind == FrameKind::Body
                    && body.channel == frame.channel
                    && body.payload.len() as u64 == size;
                if !whole {
                    return None;
                }
                (body.payload, len)
            }
        };
        let at = At { conn, channel: frame.channel };
        let publish = Publish {
            exchange: method.exchange.as_bytes(),
            routing_key: method.routing_key.0,
            mandatory: method.mandatory,
            properties: content.properties,
            body,
        };
        if let Err(error) = self.publish(at, &publish) {
            self.fail(at, &error);
        }
        Some(header_len + body_len)
    }

    fn frame(&mut self, conn: usize, frame: &Frame<'_>) -> Flow {
        let at = At { conn, channel: frame.channel };
        let handled = match self.connections.table[conn].phase {
            Phase::Header => Ok(Flow::Stop),
            Phase::Start | Phase::Tune | Phase::Open => self.handshake_frame(conn, frame),
            Phase::Running => self.running_frame(at, frame),
            Phase::Closing => Ok(self.closing_frame(conn, frame)),
            Phase::Lingering | Phase::Refused | Phase::Dead => Ok(Flow::Stop),
        };
        handled.unwrap_or_else(|error| self.fail(at, &error))
    }

    fn running_frame(&mut self, at: At, frame: &Frame<'_>) -> Handled {
        match frame.kind {
            FrameKind::Heartbeat if frame.channel == 0 => Ok(Flow::Continue),
            FrameKind::Heartbeat => {
                let text = format!("heartbeat frame on channel {}", frame.channel);
                Err(AmqpError::new(ReplyCode::UnexpectedFrame, text))
            }
            FrameKind::Method => self.method_frame(at, frame.payload),
            FrameKind::Header | FrameKind::Body => self.content_frame(at, frame),
        }
    }

    fn method_frame(&mut self, at: At, payload: &[u8]) -> Handled {
        let ids = Method::ids_of(payload).unwrap_or((0, 0));
        if let Some(channel) = self.channel(at) {
            if let Some(assembly) = channel.assembly.take() {
                return Err(assembly.interrupted());
            }
            if channel.mode == Mode::Closing && !matches!(ids, (20, 40 | 41)) {
                if ids == BASIC_PUBLISH
                    && let Ok(Method::BasicPublish(publish)) = Method::decode(payload)
                {
                    channel.assembly = Some(Assembly::new(&publish));
                }
                return Ok(Flow::Continue);
            }
        } else if at.channel != 0 && ids != (20, 10) {
            let text = "expected 'channel.open'";
            return Err(AmqpError::new(ReplyCode::ChannelError, text).at(ids));
        }
        let method = Method::decode(payload).map_err(|error| Method::refusal(payload, error))?;
        let handled = if at.channel == 0 {
            self.connection_method(at.conn, &method)
        } else {
            self.channel_method(at, &method)
        };
        handled.map_err(|error| if error.class_id == 0 { error.at(ids) } else { error })
    }

    fn content_frame(&mut self, at: At, frame: &Frame<'_>) -> Handled {
        let size_max = self.settings.max_message_size;
        let Some(channel) = self.channel(at) else {
            let text = "expected method frame, got non method frame instead";
            return Err(AmqpError::new(ReplyCode::UnexpectedFrame, text));
        };
        let Some(assembly) = &mut channel.assembly else {
            if channel.mode == Mode::Closing {
                return Ok(Flow::Continue);
            }
            let text = "expected method frame, got non method frame instead";
            return Err(AmqpError::new(ReplyCode::UnexpectedFrame, text));
        };
        let done = match frame.kind {
            FrameKind::Header => assembly.header(frame.payload, size_max),
            _ => assembly.body(frame.payload),
        };
        let done = done.inspect_err(|_| channel.assembly = None)?;
        if channel.mode == Mode::Closing {
            if done {
                channel.assembly = None;
            }
            return Ok(Flow::Continue);
        }
        if done && let Some(assembly) = channel.assembly.take() {
            let owned = assembly.publish;
            if self.channel(at).is_some_and(|channel| channel.transaction.is_some()) {
                self.hold_publish(at, owned);
            } else {
                self.publish(at, &owned.as_publish())?;
            }
        }
        Ok(Flow::Continue)
    }

    fn hold_publish(&mut self, at: At, owned: OwnedPublish) {
        if let Some(transaction) = self.channel(at).and_then(|channel| channel.transaction.as_mut())
        {
            transaction.publishes.push(owned);
        }
    }

    fn connection_method(&mut self, conn: usize, method: &Method<'_>) -> Handled {
        match method {
            Method::ConnectionClose(_) => Ok(self.peer_closes(conn)),
            Method::ConnectionUpdateSecret(_) => {
                // Passwords are checked at login only; but the user must still be welcome here.
                let Some(session) = self.session(conn) else { return Ok(Flow::Stop) };
                self.broker.open_vhost(&session.user, &session.vhost)?;
                let ok = Method::ConnectionUpdateSecretOk(ConnectionUpdateSecretOk {});
                self.connections.send(conn, 0, &ok);
                Ok(Flow::Continue)
            }
            other => {
                let name = other.name();
                let text = format!("unexpected method in connection state running: {name}");
                Err(AmqpError::new(ReplyCode::ChannelError, text))
            }
        }
    }

    fn channel_method(&mut self, at: At, method: &Method<'_>) -> Handled {
        match method {
            Method::ChannelOpen(_) => self.open_channel(at),
            Method::ChannelClose(_) => {
                // When closes cross, the number stays taken until ours is answered too.
                if self.channel(at).is_some_and(|channel| channel.mode == Mode::Open) {
                    self.teardown_channel(at);
                }
                self.send(at, &Method::ChannelCloseOk(ChannelCloseOk {}));
                Ok(Flow::Continue)
            }
            Method::ChannelCloseOk(_) => {
                let channels = &mut self.connections.table[at.conn].channels;
                if channels.get(&at.channel).is_some_and(|one| one.mode == Mode::Closing) {
                    channels.remove(&at.channel);
                }
                Ok(Flow::Continue)
            }
            Method::ChannelFlow(flow) if flow.active => {
                self.send(at, &Method::ChannelFlowOk(ChannelFlowOk { active: true }));
                Ok(Flow::Continue)
            }
            Method::ChannelFlow(_) => {
                Err(AmqpError::new(ReplyCode::NotImplemented, "active=false"))
            }
            Method::ChannelFlowOk(_) => Ok(Flow::Continue),
            Method::AccessRequest(_) => {
                self.send(at, &Method::AccessRequestOk(AccessRequestOk { ticket: 1 }));
                Ok(Flow::Continue)
            }
            Method::ExchangeDeclare(m) => self.exchange_declare(at, m),
            Method::ExchangeDelete(m) => self.exchange_delete(at, m),
            Method::ExchangeBind(m) => self.exchange_bind(at, m),
            Method::ExchangeUnbind(m) => self.exchange_unbind(at, m),
            Method::QueueDeclare(m) => self.queue_declare(at, m),
            Method::QueueBind(m) => self.queue_bind(at, m),
            Method::QueueUnbind(m) => self.queue_unbind(at, m),
            Method::QueuePurge(m) => self.queue_purge(at, m),
            Method::QueueDelete(m) => self.queue_delete(at, m),
            Method::ConfirmSelect(m) => self.confirm_select(at, m.no_wait),
            Method::TxSelect(_) => self.tx_select(at),
            Method::TxCommit(_) => self.tx_commit(at),
            Method::TxRollback(_) => self.tx_rollback(at),
            other => self.basic_method(at, other),
        }
    }

    fn basic_method(&mut self, at: At, method: &Method<'_>) -> Handled {
        match method {
            Method::BasicAck(m) => self.settle(at, m.delivery_tag, m.multiple, Verdict::Ack),
            Method::BasicNack(m) => {
                let verdict = Verdict::without_ack(m.requeue, Return::Nacked);
                self.settle(at, m.delivery_tag, m.multiple, verdict)
            }
            Method::BasicReject(m) => {
                let verdict = Verdict::without_ack(m.requeue, Return::Failed);
                self.settle(at, m.delivery_tag, false, verdict)
            }
            Method::BasicQos(m) => self.qos(at, m),
            Method::BasicConsume(m) => self.consume(at, m),
            Method::BasicCancel(m) => self.cancel(at, m),
            Method::BasicGet(m) => self.get(at, m),
            Method::BasicPublish(m) => self.start_publish(at, m),
            Method::BasicRecover(m) if m.requeue => {
                self.recover(at);
                self.send(at, &Method::BasicRecoverOk(BasicRecoverOk {}));
                Ok(Flow::Continue)
            }
            Method::BasicRecoverAsync(m) if m.requeue => {
                self.recover(at);
                Ok(Flow::Continue)
            }
            Method::BasicRecover(_) | Method::BasicRecoverAsync(_) => {
                Err(AmqpError::new(ReplyCode::NotImplemented, "requeue=false"))
            }
            other => {
                let text = format!("unimplemented method {}", other.name());
                Err(AmqpError::new(ReplyCode::CommandInvalid, text))
            }
        }
    }

    fn start_publish(&mut self, at: At, publish: &BasicPublish<'_>) -> Handled {
        if publish.immediate {
            return Err(AmqpError::new(ReplyCode::NotImplemented, "immediate=true"));
        }
        if let Some(channel) = self.channel(at) {
            channel.assembly = Some(Assembly::new(publish));
        }
        self.connections.table[at.conn].published = true;
        Ok(Flow::Continue)
    }

    fn open_channel(&mut self, at: At) -> Handled {
        let connection = &mut self.connections.table[at.conn];
        if connection.channels.contains_key(&at.channel) {
            return Err(AmqpError::new(ReplyCode::ChannelError, "second 'channel.open' seen"));
        }
        if let Err(error) = self.check_channel_limits(at.conn) {
            // RabbitMQ gives no method ids here (amqp.md 5.10 item 11).
            return Ok(self.fail(at, &error));
        }
        let connection = &mut self.connections.table[at.conn];
        connection.channels.insert(at.channel, Box::new(Channel::new(at.channel)));
        self.connections.counters.channels += 1;
        self.connections.counters.channels_opened += 1;
        self.tell(at.conn, |connection, node| connection.channel_created_event(node, at.channel));
        self.send(at, &Method::ChannelOpenOk(ChannelOpenOk {}));
        Ok(Flow::Continue)
    }
}

/// Whether the frame is the method `basic.publish`.
fn is_publish(frame: &Frame<'_>) -> bool {
    frame.kind == FrameKind::Method && frame.payload.starts_with(&[0, 60, 0, 40])
}
