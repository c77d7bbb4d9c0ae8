//! One thread's part of the broker: its connections, its queues, the front of its store.
//!
//! All of it is plain state behind plain function calls; the tasks that drive it are at the end of
//! `lib.rs`. Nothing here waits.

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use amqp::error::{AmqpError, ReplyCode};
use amqp::frame;
use amqp::method::{ConnectionBlocked, ConnectionUnblocked, Method};
use broker::{Broker, ConsumerKey, Cx, Event, Millis, Session};
use service::metrics::{Histogram, MESSAGE_SIZE_BOUNDS};
use store::{Pos, Store};
use tokio::sync::Notify;

use crate::alarm::Alarms;
use crate::amqp::channel::Channel;
use crate::amqp::channel::acks::Settled;
use crate::amqp::connections::{Connection, Connections, Flow, Handled, Park, Phase};
use crate::settings::Settings;

/// One read takes at most this much: 256 KiB, shared by all connections of the shard.
const READ_BYTES: usize = 256 << 10;

/// A channel of a connection of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) conn: usize,
    pub(crate) channel: u16,
}

/// What wakes the shard's own tasks.
#[derive(Default)]
pub(crate) struct Wakers {
    /// Something is to be written to the log at the end of this turn.
    pub(crate) commit: Notify,
    /// The broker's next deadline is earlier than the timer's.
    pub(crate) timer: Notify,
    /// More is durable than before; nobody waits as a rule.
    pub(crate) synced: Notify,
}

/// The state of one shard.
pub(crate) struct Shard {
    pub(crate) broker: Broker,
    pub(crate) store: Store,
    pub(crate) connections: Connections,
    pub(crate) settings: Rc<Settings>,
    pub(crate) alarms: Alarms,
    /// The time of the present turn.
    pub(crate) now: Millis,
    /// Every group commit up to this one is durable.
    pub(crate) synced: Pos,
    pub(crate) read_buffer: Vec<u8>,
    /// Channels whose own prefetch has room again.
    pub(crate) starved: Vec<At>,
    /// Deliveries of the acknowledgement in hand; kept for its capacity.
    pub(crate) settled: Vec<Settled>,
    /// Sizes of the bodies that were published.
    pub(crate) sizes: Histogram,
    /// For names nobody can guess.
    pub(crate) seed: u64,
    pub(crate) serial: u64,
    pub(crate) wakers: Rc<Wakers>,
    commit_is_due: bool,
    /// When the timer task will look at the broker next.
    pub(crate) timer_at: Option<Millis>,
    pub(crate) draining: bool,
    /// When the application started.
    pub(crate) started: std::time::Instant,
    /// Some consumer has, or had, a timeout of its own.
    pub(crate) consumer_timeouts: bool,
    /// What is listened on: protocols and addresses.
    pub(crate) listeners: Vec<(&'static str, std::net::SocketAddr)>,
}

/// Unix time in milliseconds.
pub(crate) fn unix_ms() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as Millis)
}

impl Shard {
    pub(crate) fn new(broker: Broker, store: Store, settings: Rc<Settings>, seed: u64) -> Shard {
        let alarms = Alarms::new(&settings);
        let synced = store.synced();
        Shard {
            broker,
            store,
            connections: Connections::default(),
            settings,
            alarms,
            now: unix_ms(),
            synced,
            read_buffer: vec![0; READ_BYTES],
            starved: Vec::new(),
            settled: Vec::new(),
            sizes: Histogram::new(MESSAGE_SIZE_BOUNDS),
            seed,
            serial: 0,
            wakers: Rc::new(Wakers::default()),
            commit_is_due: false,
            timer_at: None,
            draining: false,
            started: std::time::Instant::now(),
            consumer_timeouts: false,
            listeners: Vec::new(),
        }
    }

    pub(crate) fn read_clock(&mut self) {
        self.now = unix_ms();
    }

    /// The broker, and what its commands need.
    pub(crate) fn parts(&mut self) -> (&mut Broker, Cx<'_, Connections>) {
        let cx = Cx { store: &mut self.store, sink: &mut self.connections, now: self.now };
        (&mut self.broker, cx)
    }

    pub(crate) fn channel(&mut self, at: At) -> Option<&mut Channel> {
        let connection = self.connections.table.get_mut(at.conn)?;
        connection.channels.get_mut(&at.channel).map(|channel| &mut **channel)
    }

    /// Who is asking; none before `connection.open`.
    pub(crate) fn session(&self, conn: usize) -> Option<Session> {
        self.connections.table[conn].session.clone()
    }

    /// Who uses a connection; nobody before `connection.open`.
    pub(crate) fn user(&self, conn: usize) -> Rc<str> {
        let session = self.connections.table[conn].session.as_ref();
        session.map_or_else(Rc::default, |session| Rc::clone(&session.user))
    }

    pub(crate) fn consumer_key(&self, at: At, index: u32) -> ConsumerKey {
        let generation = self.connections.table[at.conn].generation;
        ConsumerKey { conn: at.conn as u32, generation, channel: at.channel, index }
    }

    pub(crate) fn send(&mut self, at: At, method: &Method<'_>) {
        self.connections.send(at.conn, at.channel, method);
    }

    /// Answers a request, when its effect is durable; a client that wants no answer gets none.
    pub(crate) fn answer(
        &mut self,
        at: At,
        no_wait: bool,
        pos: Pos,
        method: &Method<'_>,
    ) -> Handled {
        if no_wait { Ok(Flow::Continue) } else { self.reply_after(at, pos, method) }
    }

    /// Sends a reply once `pos` is durable; until then the connection is not read.
    pub(crate) fn reply_after(&mut self, at: At, pos: Pos, method: &Method<'_>) -> Handled {
        if pos <= self.synced {
            self.send(at, method);
            return Ok(Flow::Continue);
        }
        let mut reply = Vec::new();
        frame::write_method(&mut reply, at.channel, method);
        Ok(self.send_after(at.conn, pos, reply))
    }

    /// The same for frames that are written already.
    pub(crate) fn send_after(&mut self, conn: usize, pos: Pos, frames: Vec<u8>) -> Flow {
        let connection = &mut self.connections.table[conn];
        if pos <= self.synced {
            connection.out.tail(&mut self.connections.pool).extend_from_slice(&frames);
            connection.wake();
            return Flow::Continue;
        }
        connection.park = Some(Park::Sync(pos, frames));
        self.connections.await_commit(conn);
        Flow::Parked
    }

    /// Writes the confirms of a connection that are due.
    pub(crate) fn write_confirms(&mut self, conn: usize) {
        let connection = &mut self.connections.table[conn];
        if !connection.awaits_confirms {
            return;
        }
        let mut wrote = false;
        for (number, channel) in &mut connection.channels {
            let Some(confirms) = &mut channel.confirms else { continue };
            if confirms.is_due(self.synced) {
                let out = connection.out.tail(&mut self.connections.pool);
                self.connections.counters.confirmed += confirms.write(*number, self.synced, out);
                wrote = true;
            }
        }
        if wrote {
            connection.wake();
        }
    }

    /// Consumers of channels whose prefetch has room again may take more.
    pub(crate) fn feed_starved(&mut self) {
        while let Some(at) = self.starved.pop() {
            self.feed_channel(at);
        }
    }

    /// Asks the consumers of a channel in turns, so that room for one message serves all of them,
    /// and all their queues, one after the other.
    fn feed_channel(&mut self, at: At) {
        let Some(channel) = self.channel(at) else { return };
        let mut consumers: Vec<_> = channel
            .consumers
            .iter()
            .filter_map(|(index, consumer)| Some((*index, consumer.queue?)))
            .collect();
        consumers.sort_unstable_by_key(|(index, _)| *index);
        let served = consumers.partition_point(|(index, _)| *index <= channel.fed);
        consumers.rotate_left(served);
        channel.fed = consumers.first().map_or(0, |(index, _)| *index);
        for (index, queue) in consumers {
            let key = self.consumer_key(at, index);
            let (broker, mut cx) = self.parts();
            broker.resume(&mut cx, queue, key);
        }
    }

    /// The output of a connection has room again.
    pub(crate) fn feed_connection(&mut self, conn: usize) {
        let numbers: Vec<u16> = self.connections.table[conn].channels.keys().copied().collect();
        for channel in numbers {
            self.feed_channel(At { conn, channel });
        }
    }

    /// The log is told at the end of the turn, once for all that happened in it.
    pub(crate) fn wake_committer(&mut self) {
        self.publish_own();
        if !self.commit_is_due {
            self.commit_is_due = true;
            self.wakers.commit.notify_one();
        }
        let earlier = match (self.broker.deadline(), self.timer_at) {
            (Some(deadline), Some(at)) => deadline < at,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            self.wakers.timer.notify_one();
        }
    }

    /// Publishes what the broker itself has to say of this turn: copies of deliveries, and events.
    fn publish_own(&mut self) {
        self.connections.speaking = None;
        if !self.connections.traced.is_empty() {
            for delivery in std::mem::take(&mut self.connections.traced) {
                let (broker, mut cx) = self.parts();
                broker.trace_delivery(&mut cx, &delivery);
            }
        }
        if self.broker.has_events() {
            let (broker, mut cx) = self.parts();
            broker.publish_events(&mut cx);
        }
    }

    /// Takes an event about a connection, if somebody listens.
    pub(crate) fn tell(&mut self, conn: usize, event: impl FnOnce(&Connection, &str) -> Event) {
        let Some(connection) = self.connections.table.get(conn) else { return };
        self.broker.emit(|broker| event(connection, &broker.settings.node));
    }

    /// The end of a turn.
    pub(crate) fn commit(&mut self) {
        self.commit_is_due = false;
        self.store.submit();
        self.progress();
    }

    /// Takes what the log has finished: confirms go out, parked replies are sent.
    pub(crate) fn progress(&mut self) {
        let progress = self.store.poll();
        if progress.checkpoint_due {
            let topology = self.broker.topology();
            self.store.checkpoint(topology);
        }
        let synced = self.store.synced();
        let advanced = synced > self.synced;
        self.synced = synced;
        if advanced || self.connections.backlogged > 0 {
            self.committed();
        }
        if advanced {
            self.store.submit();
            self.wakers.synced.notify_waiters();
        }
    }

    fn committed(&mut self) {
        let synced = self.synced;
        let backlog = self.store.backlog_bytes();
        self.connections.backlogged = 0;
        for conn in std::mem::take(&mut self.connections.awaiting) {
            self.write_confirms(conn);
            self.unpark(conn, |park| match park {
                Park::Sync(pos, _) => *pos <= synced,
                Park::Backlog => backlog < crate::amqp::connection::BACKLOG_BYTES_MAX / 2,
                Park::Blocked => false,
            });
            let connection = &mut self.connections.table[conn];
            if connection.park == Some(Park::Backlog) {
                self.connections.backlogged += 1;
            }
            let waits = matches!(connection.park, Some(Park::Sync(..) | Park::Backlog))
                || connection.channels.values().any(|channel| {
                    channel.confirms.as_ref().is_some_and(|confirms| confirms.is_waiting())
                });
            connection.awaits_confirms = waits;
            if waits {
                self.connections.awaiting.push(conn);
            }
        }
    }

    /// Time passes for the queues: messages expire, unused queues go.
    pub(crate) fn tick_broker(&mut self) {
        self.read_clock();
        let (broker, mut cx) = self.parts();
        broker.tick(&mut cx);
        self.feed_starved();
        self.wake_committer();
    }

    /// Time passes for the connections: handshakes and goodbyes end, heartbeats go out, silent
    /// peers are dropped. Alarms are looked at.
    pub(crate) fn tick_connections(&mut self) {
        self.read_clock();
        let now = self.now;
        for (_, connection) in &mut self.connections.table {
            if connection.deadline.is_some_and(|deadline| deadline <= now) {
                if connection.phase < Phase::Running {
                    tracing::warn!(
                        connection = &*connection.name,
                        "handshake_timeout: the connection was not opened in time; closing the socket"
                    );
                }
                connection.phase = Phase::Dead;
                connection.out.clear();
                connection.wake();
                continue;
            }
            let beat_ms = u64::from(connection.heartbeat_s) * 1000;
            if beat_ms == 0 || connection.phase != Phase::Running {
                continue;
            }
            if connection.out.is_empty() && now.saturating_sub(connection.last_write) >= beat_ms / 2
            {
                frame::write_heartbeat(connection.out.tail(&mut self.connections.pool));
                connection.wake();
            }
            // A connection that is not read cannot be judged by what is read.
            let silent_ms = now.saturating_sub(connection.last_read);
            if connection.park.is_none() && silent_ms > 2 * beat_ms + beat_ms / 2 {
                tracing::warn!(
                    connection = &*connection.name,
                    "missed heartbeats from client, timeout: {}s; closing the socket",
                    connection.heartbeat_s
                );
                connection.phase = Phase::Dead;
                connection.out.clear();
                connection.wake();
            } else if connection.park.is_some() {
                connection.last_read = now;
            }
        }
        if self.check_timeouts() {
            self.feed_starved();
            self.wake_committer();
        }
        self.check_alarms();
    }

    pub(crate) fn check_alarms(&mut self) {
        let full = self.store.health().full;
        let was_on = self.alarms.is_on();
        let was = [self.alarms.memory, self.alarms.disk];
        self.alarms.check(full);
        let is = [self.alarms.memory, self.alarms.disk];
        for (source, (was, is)) in ["memory", "disk"].into_iter().zip(was.into_iter().zip(is)) {
            if was != is {
                let name = if is { "alarm.set" } else { "alarm.cleared" };
                self.broker.emit(|broker| {
                    Event::new(name).with("node", &*broker.settings.node).with("source", source)
                });
            }
        }
        if was_on && !self.alarms.is_on() {
            let blocked: Vec<usize> = self.connections.table.iter().map(|(conn, _)| conn).collect();
            for conn in blocked {
                if self.connections.table[conn].park != Some(Park::Blocked) {
                    continue;
                }
                if self.connections.table[conn].capabilities.connection_blocked {
                    let unblocked = Method::ConnectionUnblocked(ConnectionUnblocked {});
                    self.connections.send(conn, 0, &unblocked);
                }
                self.unpark(conn, |park| *park == Park::Blocked);
            }
        }
        if full || self.broker.has_events() {
            self.wake_committer();
        }
    }

    /// Stops reading a publisher while an alarm is on, and tells it why.
    pub(crate) fn block(&mut self, conn: usize) {
        let reason = self.alarms.reason();
        self.connections.table[conn].park = Some(Park::Blocked);
        if self.connections.table[conn].capabilities.connection_blocked {
            let blocked = Method::ConnectionBlocked(ConnectionBlocked { reason });
            self.connections.send(conn, 0, &blocked);
        }
    }

    /// The broker stops: every client is told.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        self.read_clock();
        let table = &mut self.connections.table;
        let (running, others): (Vec<_>, Vec<_>) =
            table.iter_mut().partition(|(_, connection)| connection.phase == Phase::Running);
        let running: Vec<usize> = running.into_iter().map(|(conn, _)| conn).collect();
        for (_, connection) in others {
            connection.phase = Phase::Dead;
            connection.wake();
        }
        let text = "broker forced connection closure with reason 'shutdown'";
        self.close_connections(&running, &AmqpError::new(ReplyCode::ConnectionForced, text));
    }
}
