//! How channels and connections end: our errors, the peer's close, a lost socket (amqp.md 5.4).

use amqp::error::AmqpError;
use amqp::frame::{Frame, FrameKind};
use amqp::method::{ChannelClose, ConnectionClose, ConnectionCloseOk, Method};
use broker::broker::INTERNAL_USER;
use broker::queue::Return;
use broker::{ConsumerKey, Handle};

use super::channel::{Channel, Mode};
use super::connections::{Connection, Flow, Phase};
use crate::shard::{At, Shard};

/// How long the peer may take to answer our `connection.close`: 30 s.
const CLOSE_OK_MS: u64 = 30_000;
/// How long the closing of the socket is left to the peer after its close was answered: 30 s.
const LINGER_MS: u64 = 30_000;

impl Shard {
    /// Tells the peer of an error, in the scope that its code has.
    pub(crate) fn fail(&mut self, at: At, error: &AmqpError) -> Flow {
        if error.code.is_hard() || at.channel == 0 || self.channel(at).is_none() {
            self.close_connection(at.conn, error);
            return Flow::Stop;
        }
        tracing::info!(
            connection = &*self.connections.table[at.conn].name,
            channel = at.channel,
            "channel closed: {}",
            error.reply_text()
        );
        self.teardown_channel(at);
        let text = error.reply_text();
        let close = Method::ChannelClose(ChannelClose {
            reply_code: error.code.code(),
            reply_text: &text,
            class_id: error.class_id,
            method_id: error.method_id,
        });
        self.send(at, &close);
        // The number is taken until the peer answers.
        let mut channel = super::channel::Channel::new(at.channel);
        channel.mode = Mode::Closing;
        self.connections.table[at.conn].channels.insert(at.channel, Box::new(channel));
        Flow::Continue
    }

    /// Sends `connection.close`; what the peer still sends is ignored until it answers.
    pub(crate) fn close_connection(&mut self, conn: usize, error: &AmqpError) {
        self.close_connections(&[conn], error);
    }

    /// Closes several at once: what one of them gives back goes to none of the others.
    pub(crate) fn close_connections(&mut self, conns: &[usize], error: &AmqpError) {
        let begun: Vec<usize> =
            conns.iter().copied().filter(|conn| self.begin_closing(*conn, error)).collect();
        let text = error.reply_text();
        for conn in begun {
            self.teardown_channels(conn);
            let close = Method::ConnectionClose(ConnectionClose {
                reply_code: error.code.code(),
                reply_text: &text,
                class_id: error.class_id,
                method_id: error.method_id,
            });
            self.connections.send(conn, 0, &close);
        }
    }

    /// From here on nothing is read but the answer, and nothing is delivered; whether it was open.
    fn begin_closing(&mut self, conn: usize, error: &AmqpError) -> bool {
        let connection = &mut self.connections.table[conn];
        if matches!(connection.phase, Phase::Closing | Phase::Lingering | Phase::Dead) {
            return false;
        }
        tracing::warn!(connection = &*connection.name, "connection closed: {}", error.reply_text());
        // Who has not opened the connection yet gets no more time than the handshake has.
        let limit_ms = match connection.phase {
            Phase::Running => CLOSE_OK_MS,
            _ => CLOSE_OK_MS.min(self.settings.handshake_ms),
        };
        connection.phase = Phase::Closing;
        connection.park = None;
        connection.deadline = Some(self.now + limit_ms);
        true
    }

    /// While our close waits for its answer, only the close methods count.
    pub(crate) fn closing_frame(&mut self, conn: usize, frame: &Frame<'_>) -> Flow {
        if frame.kind != FrameKind::Method || frame.channel != 0 {
            return Flow::Continue;
        }
        match Method::ids_of(frame.payload) {
            Some((10, 51)) => {
                self.connections.table[conn].phase = Phase::Dead;
                self.connections.table[conn].wake();
                Flow::Stop
            }
            Some((10, 50)) => {
                self.linger(conn);
                Flow::Stop
            }
            _ => Flow::Continue,
        }
    }

    /// `connection.close` from the peer: exclusive queues are gone before it reads close-ok.
    pub(crate) fn peer_closes(&mut self, conn: usize) -> Flow {
        self.teardown_channels(conn);
        self.linger(conn);
        Flow::Stop
    }

    fn linger(&mut self, conn: usize) {
        self.connections.send(conn, 0, &Method::ConnectionCloseOk(ConnectionCloseOk {}));
        let connection = &mut self.connections.table[conn];
        connection.phase = Phase::Lingering;
        connection.deadline = Some(self.now + LINGER_MS);
    }

    /// Ends a channel: unacked messages go back first, and to others, as the channel is no longer
    /// there to take them; then its consumers leave. A single active consumer is so followed by one
    /// that finds the queue in its old order.
    pub(crate) fn teardown_channel(&mut self, at: At) {
        let Some(mut channel) = self.connections.table[at.conn].channels.remove(&at.channel) else {
            return;
        };
        if channel.mode == Mode::Open {
            self.tell(at.conn, |connection, node| {
                connection.channel_closed_event(node, at.channel)
            });
            self.connections.counters.channels_closed += 1;
            self.connections.counters.channels -= 1;
        }
        let mut handles = Vec::new();
        self.take_unacked(at, &mut channel, &mut handles);
        self.requeue(&handles, Return::Failed);
        self.release(at, *channel);
    }

    fn take_unacked(
        &mut self,
        at: At,
        channel: &mut Channel,
        handles: &mut Vec<(Handle, Option<ConsumerKey>)>,
    ) {
        if let Some(transaction) = channel.transaction.take() {
            for ((tag, unacked), _) in transaction.settled {
                channel.unacked.restore(tag, unacked);
            }
        }
        channel.unacked.take_through(u64::MAX, |_, unacked| {
            handles.push((unacked.handle, self.key(at, unacked.consumer)));
        });
    }

    fn release(&mut self, at: At, channel: Channel) {
        for (index, consumer) in &channel.consumers {
            self.cancel_consumer(at, *index, Some(consumer), INTERNAL_USER);
        }
        if channel.publishes {
            self.connections.counters.publishers -= 1;
        }
    }

    /// Ends all channels and deletes the connection's exclusive queues.
    pub(crate) fn teardown_channels(&mut self, conn: usize) {
        let mut channels = std::mem::take(&mut self.connections.table[conn].channels);
        for (number, _) in channels.iter().filter(|(_, channel)| channel.mode == Mode::Open) {
            self.connections.counters.channels_closed += 1;
            self.connections.counters.channels -= 1;
            self.tell(conn, |connection, node| connection.channel_closed_event(node, *number));
        }
        let mut handles = Vec::new();
        for (number, channel) in &mut channels {
            self.take_unacked(At { conn, channel: *number }, channel, &mut handles);
        }
        self.requeue(&handles, Return::Failed);
        for (number, channel) in channels {
            self.release(At { conn, channel: number }, *channel);
        }
        let id = self.connections.table[conn].id;
        if self.connections.table[conn].session.is_some() {
            let (broker, mut cx) = self.parts();
            broker.connection_closed(&mut cx, id);
        }
        self.wake_committer();
    }

    /// The socket is gone: nothing of the connection stays.
    pub(crate) fn forget(&mut self, conn: usize) {
        self.teardown_channels(conn);
        if self.connections.table[conn].phase != Phase::Header {
            self.tell(conn, Connection::closed_event);
        }
        self.wake_committer();
        let connection = self.connections.table.remove(conn);
        self.connections.awaiting.retain(|one| *one != conn);
        self.connections.counters.connections_closed += 1;
        let name = &*connection.name;
        match connection.phase {
            Phase::Lingering | Phase::Dead | Phase::Refused => {
                tracing::debug!(connection = name, "connection closed");
            }
            _ => tracing::warn!(
                connection = name,
                "client closed the socket without connection.close; unacked messages were requeued"
            ),
        }
    }
}
