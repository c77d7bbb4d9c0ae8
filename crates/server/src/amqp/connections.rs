//! All AMQP connections of a shard: the table, and the broker's way to reach their consumers.

use std::collections::HashMap;
use std::rc::Rc;
use std::task::Waker;

use amqp::content::Properties;
use amqp::error::AmqpError;
use amqp::frame;
use amqp::method::{BasicCancel, Method};
use broker::trace::TracedDelivery;
use broker::{ConsumerKey, Delivery, Millis, Session, Sink};
use slab::Slab;
use store::Pos;

use super::channel::{Channel, Unacked};
use super::facts::Facts;
use super::output::{HIGH_WATER_BYTES, Output, Pool, SHARE_BYTES};

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Phase {
    /// Nothing was read yet: the eight bytes of the protocol header are due.
    Header,
    /// `connection.start` is sent.
    Start,
    /// `connection.tune` is sent.
    Tune,
    /// `connection.open` is due.
    Open,
    Running,
    /// `connection.close` is sent; everything but close-ok is ignored.
    Closing,
    /// The last byte is in the output: the peer closes the socket, or the deadline does.
    Lingering,
    /// The login failed and the client cannot take a close: the socket closes at the deadline.
    Refused,
    /// Close the socket as soon as the output is written.
    Dead,
}

/// Why a running connection is not read for the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Park {
    /// A reply waits for this group commit; these bytes are the reply.
    Sync(Pos, Vec<u8>),
    /// The log has too much to write.
    Backlog,
    /// An alarm is on and this connection published.
    Blocked,
}

/// What the peer said it can take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Capabilities {
    pub(crate) consumer_cancel_notify: bool,
    pub(crate) connection_blocked: bool,
    pub(crate) authentication_failure_close: bool,
}

/// One AMQP connection, as the shard sees it. The socket itself is in its task.
pub(crate) struct Connection {
    /// Never used again, unlike the place in the table.
    pub(crate) id: u64,
    pub(crate) generation: u32,
    pub(crate) phase: Phase,
    pub(crate) park: Option<Park>,
    pub(crate) out: Output,
    /// Bytes of an incomplete frame, or behind a parked one.
    pub(crate) input: Vec<u8>,
    pub(crate) channels: HashMap<u16, Box<Channel>, foldhash::fast::RandomState>,
    pub(crate) session: Option<Session>,
    pub(crate) capabilities: Capabilities,
    pub(crate) frame_max: u32,
    pub(crate) channel_max: u16,
    pub(crate) heartbeat_s: u16,
    pub(crate) last_read: Millis,
    pub(crate) last_write: Millis,
    /// When the present phase must be over (handshake, lingering); none while running.
    pub(crate) deadline: Option<Millis>,
    /// What listings tell of it.
    pub(crate) facts: Box<Facts>,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    /// "127.0.0.1:40000 -> 127.0.0.1:5672", and the client's own name if it gave one.
    pub(crate) name: Rc<str>,
    pub(crate) loopback: bool,
    /// The name in the client's certificate, for EXTERNAL.
    pub(crate) certificate_name: Option<String>,
    /// It published in this turn, so an alarm blocks it; one that only consumes goes on.
    pub(crate) published: bool,
    /// A consumer was refused because the output was full.
    pub(crate) starved: bool,
    /// The task is scheduled already.
    pub(crate) awake: bool,
    pub(crate) waker: Option<Waker>,
    /// In the shard's list of connections with confirms outstanding.
    pub(crate) awaits_confirms: bool,
}

impl Connection {
    /// Schedules the connection's task, once.
    pub(crate) fn wake(&mut self) {
        if !self.awake {
            self.awake = true;
            if let Some(waker) = &self.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Whether the socket is worth reading.
    pub(crate) fn may_read(&self) -> bool {
        self.park.is_none() && self.phase != Phase::Dead && self.out.len() < HIGH_WATER_BYTES
    }
}

/// Figures the connections count themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections_opened: u64,
    pub(crate) connections_closed: u64,
    pub(crate) channels: u64,
    pub(crate) channels_opened: u64,
    pub(crate) channels_closed: u64,
    pub(crate) confirmed: u64,
    pub(crate) received_confirm: u64,
    pub(crate) publishers: u64,
    pub(crate) auth_attempts: u64,
    pub(crate) auth_failed: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
}

/// The table of connections.
#[derive(Default)]
pub(crate) struct Connections {
    pub(crate) table: Slab<Connection>,
    pub(crate) pool: Pool,
    pub(crate) counters: Counters,
    /// Connections that wait for a group commit, each once.
    pub(crate) awaiting: Vec<usize>,
    /// How many of them are not read because the store has too much to write.
    pub(crate) backlogged: usize,
    /// The connection whose request is handled, and the cancels of its own consumers that follow the
    /// answer: a client does not expect them while it waits for that.
    pub(crate) late_cancels: Option<(usize, Vec<u8>)>,
    /// Deliveries of this turn that are to be copied to `amq.rabbitmq.trace`.
    pub(crate) traced: Vec<TracedDelivery>,
    /// The connection whose frames are handled.
    pub(crate) speaking: Option<usize>,
    next_id: u64,
    next_generation: u32,
}

impl Connections {
    /// Adds a connection that has not said anything yet.
    pub(crate) fn insert(
        &mut self,
        facts: Facts,
        certificate_name: Option<String>,
        handshake_ms: u64,
    ) -> usize {
        let now = facts.connected_at;
        self.next_id += 1;
        self.next_generation = self.next_generation.wrapping_add(1);
        self.table.insert(Connection {
            id: self.next_id,
            generation: self.next_generation,
            phase: Phase::Header,
            park: None,
            out: Output::default(),
            input: Vec::new(),
            channels: HashMap::default(),
            session: None,
            capabilities: Capabilities::default(),
            frame_max: super::handshake::INITIAL_FRAME_MAX,
            channel_max: 0,
            heartbeat_s: 0,
            last_read: now,
            last_write: now,
            deadline: Some(now + handshake_ms),
            name: Rc::clone(&facts.name),
            loopback: facts.peer.ip().to_canonical().is_loopback(),
            facts: Box::new(facts),
            bytes_read: 0,
            bytes_written: 0,
            certificate_name,
            published: false,
            starved: false,
            awake: false,
            waker: None,
            awaits_confirms: false,
        })
    }

    /// Appends a method frame to a connection's output.
    pub(crate) fn send(&mut self, at: usize, channel: u16, method: &Method<'_>) {
        let connection = &mut self.table[at];
        frame::write_method(connection.out.tail(&mut self.pool), channel, method);
        connection.wake();
    }

    /// Puts the connection into the list that every group commit looks at.
    pub(crate) fn await_commit(&mut self, at: usize) {
        let connection = &mut self.table[at];
        if !connection.awaits_confirms {
            connection.awaits_confirms = true;
            self.awaiting.push(at);
        }
    }

    /// The connection and channel of a consumer, unless they are gone.
    fn find(&mut self, to: ConsumerKey) -> Option<(&mut Connection, &mut Pool)> {
        let connection = self.table.get_mut(to.conn as usize)?;
        (connection.generation == to.generation).then_some((connection, &mut self.pool))
    }
}

impl Sink for Connections {
    fn can_take(&mut self, to: ConsumerKey) -> bool {
        let Some((connection, _)) = self.find(to) else { return false };
        if connection.phase != Phase::Running {
            return false;
        }
        if connection.out.len() >= HIGH_WATER_BYTES {
            connection.starved = true;
            return false;
        }
        let Some(channel) = connection.channels.get_mut(&to.channel) else { return false };
        channel.can_take()
    }

    fn deliver(&mut self, to: ConsumerKey, delivery: Delivery<'_>) {
        let Some(connection) = self.table.get_mut(to.conn as usize) else { return };
        if connection.generation != to.generation {
            return;
        }
        let pool = &mut self.pool;
        let Some(channel) = connection.channels.get_mut(&to.channel) else { return };
        let Some(consumer) = channel.consumers.get(&to.index) else { return };
        let tag = channel.next_tag;
        channel.next_tag += 1;
        let message = delivery.message;
        if let Some((vhost, queue)) = delivery.traced {
            let user = connection.session.as_ref().map(|session| Rc::clone(&session.user));
            self.traced.push(TracedDelivery {
                vhost: Rc::clone(vhost),
                queue: Rc::clone(queue),
                connection: Rc::clone(&connection.facts.name),
                channel: to.channel,
                user: user.unwrap_or_default(),
                redelivered: delivery.redelivered,
                message: message.to_bytes(),
            });
        }
        let tail = connection.out.tail(pool);
        frame::write_deliver(
            tail,
            to.channel,
            &consumer.tag,
            tag,
            delivery.redelivered,
            message.exchange,
            message.routing_key,
        );
        if !delivery.no_ack {
            channel.unacked.push(tag, Unacked { handle: delivery.handle, consumer: to.index });
            channel.unacked_by_consumers += 1;
        }
        write_content(connection, pool, to.channel, message.properties, &delivery);
        connection.wake();
    }

    fn speaker(&self) -> Rc<str> {
        let speaking = self.speaking.and_then(|conn| self.table.get(conn));
        speaking.map_or_else(Rc::default, |connection| Rc::clone(&connection.facts.name))
    }

    fn cancelled(&mut self, to: ConsumerKey) {
        let mut late = self.late_cancels.take();
        let own = late.as_mut().filter(|(conn, _)| *conn == to.conn as usize);
        self.cancel_notify(to, own.map(|(_, frames)| frames));
        self.late_cancels = late;
    }
}

impl Connections {
    /// Tells a client that its consumer is gone: in `frames` when given, else in its output.
    pub(crate) fn cancel_notify(&mut self, to: ConsumerKey, frames: Option<&mut Vec<u8>>) {
        let Some((connection, pool)) = self.find(to) else { return };
        let Some(channel) = connection.channels.get_mut(&to.channel) else { return };
        let Some(consumer) = channel.consumers.remove(&to.index) else { return };
        if connection.capabilities.consumer_cancel_notify && connection.phase == Phase::Running {
            // RabbitMQ sends it with nowait: no cancel-ok is expected.
            let tag = String::from_utf8_lossy(&consumer.tag);
            let method = Method::BasicCancel(BasicCancel { consumer_tag: &tag, no_wait: true });
            match frames {
                Some(frames) => frame::write_method(frames, to.channel, &method),
                None => {
                    frame::write_method(connection.out.tail(pool), to.channel, &method);
                    connection.wake();
                }
            }
        }
    }
}

fn write_content(
    connection: &mut Connection,
    pool: &mut Pool,
    channel: u16,
    properties: Properties<'_>,
    delivery: &Delivery<'_>,
) {
    let body = delivery.message.body;
    match delivery.message.backing {
        Some(record) if body.len() >= SHARE_BYTES => {
            let start = body.as_ptr() as usize - record.as_ptr() as usize;
            let body = record.slice(start..start + body.len());
            write_shared(connection, pool, channel, properties, &body);
        }
        _ => frame::write_content(
            connection.out.tail(pool),
            channel,
            properties,
            body,
            connection.frame_max,
        ),
    }
}

/// Header and body frames around a body that stays where it is.
pub(crate) fn write_shared(
    connection: &mut Connection,
    pool: &mut Pool,
    channel: u16,
    properties: Properties<'_>,
    body: &store::Slice,
) {
    frame::write_header(connection.out.tail(pool), channel, body.len() as u64, properties);
    let room = connection.frame_max as usize - 8;
    let mut at = 0;
    while at < body.len() {
        let end = (at + room).min(body.len());
        frame::write_body_head(connection.out.tail(pool), channel, (end - at) as u32);
        connection.out.share(body.slice(at..end));
        connection.out.tail(pool).push(frame::FRAME_END);
        at = end;
    }
}

/// How a method ended, for the loop that reads frames.
pub(crate) enum Flow {
    Continue,
    /// Stop reading until the commit is durable; the reply waits in `Connection::park`.
    Parked,
    /// The connection is on its way out: the rest of the input is not looked at.
    Stop,
}

/// What a handler gives back: an error goes to the peer with its scope.
pub(crate) type Handled = Result<Flow, AmqpError>;
