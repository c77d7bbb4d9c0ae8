//! What exchanges of type `x-recent-history` remember: their last messages, which every new binding gets.
//!
//! It is kept in memory and gone after a restart, as in RabbitMQ's plugin. A route leads to the history beside the queues,
//! so that other exchanges pay nothing for it. Limits: [`HISTORY_BYTES_MAX`] for an exchange, [`HISTORIES_BYTES_MAX`] for
//! all; a message that would exceed one makes the oldest of its exchange forgotten.

use std::collections::VecDeque;
use std::rc::Rc;

use slab::Slab;
use store::Pos;

use crate::binding::{Destination, ExchangeId};
use crate::exchange::recent_history;
use crate::route::Headers;
use crate::{Broker, Cx, Message, QueueId, Sink};

/// Bytes that one exchange remembers.
pub const HISTORY_BYTES_MAX: usize = 16 << 20;
/// Bytes that all exchanges together remember.
pub const HISTORIES_BYTES_MAX: usize = 256 << 20;

/// What a remembered message costs beside its bytes.
const MESSAGE_OVERHEAD: usize = 32;

/// Names the history of one exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryId(u32);

/// The generation of ids that routes have for histories, which that of no queue reaches.
const HISTORY: u32 = u32::MAX - 1;

impl HistoryId {
    /// What a route has for it.
    pub(crate) fn target(self) -> QueueId {
        QueueId(self.0, HISTORY)
    }

    /// The history that a route leads to, if it is not a queue.
    pub(crate) fn of(target: QueueId) -> Option<HistoryId> {
        (target.1 == HISTORY).then_some(HistoryId(target.0))
    }
}

/// All histories.
#[derive(Default)]
pub(crate) struct Histories {
    histories: Slab<History>,
    bytes: usize,
}

struct History {
    length: usize,
    /// In their stored form, oldest first.
    messages: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl Histories {
    fn open(&mut self, length: usize) -> HistoryId {
        let history = History { length, messages: VecDeque::new(), bytes: 0 };
        HistoryId(self.histories.insert(history) as u32)
    }

    /// The exchange is gone.
    pub(crate) fn close(&mut self, id: HistoryId) {
        if let Some(history) = self.histories.try_remove(id.0 as usize) {
            self.bytes -= history.bytes;
        }
    }

    /// Remembers a message that came to the exchange.
    pub(crate) fn remember(&mut self, id: HistoryId, message: &Message<'_>) {
        let Some(history) = self.histories.get_mut(id.0 as usize) else { return };
        if !recent_history::is_kept(message) {
            return;
        }
        let stored = message.to_bytes().into_boxed_slice();
        let before = history.bytes;
        history.bytes += cost(&stored);
        history.messages.push_back(stored);
        let others = self.bytes - before;
        let limit = HISTORY_BYTES_MAX.min(HISTORIES_BYTES_MAX - others);
        while (history.messages.len() > history.length || history.bytes > limit)
            && let Some(oldest) = history.messages.pop_front()
        {
            history.bytes -= cost(&oldest);
        }
        self.bytes = others + history.bytes;
    }

    /// The messages, oldest first.
    fn messages(&self, id: HistoryId) -> Vec<Box<[u8]>> {
        let history = self.histories.get(id.0 as usize);
        history.map_or(Vec::new(), |history| history.messages.iter().cloned().collect())
    }
}

fn cost(stored: &[u8]) -> usize {
    stored.len() + MESSAGE_OVERHEAD
}

impl Broker {
    /// Gives an exchange that was just made its history, if its type has one.
    pub(crate) fn open_history(&mut self, vhost: &str, id: ExchangeId) {
        let exchange = self.vhosts.get_mut(vhost).and_then(|vhost| vhost.exchange_mut(id));
        if let Some(exchange) = exchange
            && exchange.remembers()
        {
            let length = recent_history::length(&exchange.spec.arguments);
            exchange.history = Some(self.histories.open(length));
        }
    }

    /// The same for all that came back from a restart.
    pub(crate) fn open_histories(&mut self) {
        for vhost in self.vhosts.values_mut() {
            for exchange in vhost.exchanges_mut().filter(|exchange| exchange.remembers()) {
                let length = recent_history::length(&exchange.spec.arguments);
                exchange.history = Some(self.histories.open(length));
            }
        }
    }

    /// Sends what an exchange remembers, oldest first, along a binding that was just made. A message's own expiration
    /// begins anew.
    pub(crate) fn retell<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        vhost: &Rc<str>,
        history: HistoryId,
        to: Destination,
    ) -> Pos {
        let mut pos = 0;
        for stored in self.histories.messages(history) {
            let Ok(mut message) = Message::view(&stored) else { continue };
            message.expires =
                message.expires.map(|at| cx.now + at.saturating_sub(message.enqueued));
            message.enqueued = cx.now;
            let mut queues = Vec::new();
            match to {
                Destination::Queue(queue) => queues.push(queue),
                Destination::Exchange(exchange) => {
                    let headers = Headers::of(message.properties);
                    let keys = [message.routing_key];
                    self.find_queues_from(vhost, exchange, &keys, &headers, &mut queues);
                }
            }
            pos = pos.max(self.place(cx, &queues, &message).pos);
        }
        pos
    }
}
