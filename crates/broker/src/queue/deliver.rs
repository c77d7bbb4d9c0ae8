//! How messages leave: to consumers whose turn it is, to `basic.get`, or past both because they expired.

use std::rc::Rc;

use store::{Slice, Store};

use crate::message::Message;
use crate::{ConsumerKey, Cx, Delivery, Handle, Millis, Sink};

use super::consumer::{Cancelled, CheckoutError, ConsumerSpec, Consumers};
use super::ready::Head;
use super::settle::{DeadLetter, Outbox, Reason};
use super::{BATCH, Queue};

/// What `get` found.
pub struct Got {
    /// Names it, for ack and reject. Already settled when got without acknowledgement.
    pub handle: Handle,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// The stored message.
    pub slice: Slice,
    /// Messages that still wait.
    pub remaining: u64,
    /// The virtual host and the queue, when the delivery is to be copied: see [`crate::trace`].
    pub traced: Option<(Rc<str>, Rc<str>)>,
}

/// Messages go out.
impl Queue {
    /// Admits a consumer. Nothing is delivered before `pump`, so that consume-ok can be written first.
    pub fn checkout(&mut self, spec: ConsumerSpec, now: Millis) -> Result<(), CheckoutError> {
        let (single_active, quorum) = (self.args.single_active_consumer, self.quorum.is_some());
        let consumers =
            self.consumers.get_or_insert_with(|| Box::new(Consumers::new(single_active, quorum)));
        consumers.add(spec)?;
        self.expiry.used = now;
        Ok(())
    }

    /// Takes a consumer out. Its unacked deliveries stay unacked; another one may become the active one.
    pub fn cancel<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        key: ConsumerKey,
        out: &mut Outbox,
    ) -> Cancelled {
        let existed = self.consumers.as_mut().is_some_and(|consumers| consumers.remove(key));
        let was_last = existed && self.consumers() == 0;
        if existed {
            self.expiry.used = cx.now;
            self.pump(cx, out);
        }
        if was_last {
            self.consumers = None;
        }
        Cancelled { existed, was_last }
    }

    /// The sink takes messages for this consumer again.
    pub fn resume<S: Sink>(&mut self, cx: &mut Cx<'_, S>, key: ConsumerKey, out: &mut Outbox) {
        if self.consumers.as_mut().is_some_and(|consumers| consumers.resume(key)) {
            self.pump(cx, out);
        }
    }

    /// Delivers as long as something waits and somebody takes.
    #[inline]
    pub fn pump<S: Sink>(&mut self, cx: &mut Cx<'_, S>, out: &mut Outbox) {
        if self.ready.count() > 0 {
            let mut budget = BATCH;
            self.pump_within(cx, out, &mut budget);
        }
    }

    pub(super) fn pump_within<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        out: &mut Outbox,
        budget: &mut u32,
    ) {
        while self.ready.count() > 0 {
            let Some(to) = self.taker(cx.sink) else { break };
            let Some((head, slice)) = self.live_head(cx, out, budget) else { break };
            let Ok(m) = Message::parse(&slice) else {
                self.skip(&head);
                continue;
            };
            self.take(&head);
            let handle = self.handle(&head, m.body.len() as u32);
            if head.redelivered && self.quorum.is_some() {
                self.hand_over_again(cx, to, handle, &m);
                continue;
            }
            self.hand_over(cx, to, handle, head.redelivered, &m);
        }
    }

    /// `basic.get`: the head, unless more than [`BATCH`] expired messages lie before it. Unacked unless `no_ack`.
    pub fn get<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        no_ack: bool,
        out: &mut Outbox,
    ) -> Option<Got> {
        self.expiry.used = cx.now;
        let mut budget = BATCH;
        let (head, slice, bytes) = loop {
            let Some((head, slice)) = self.live_head(cx, out, &mut budget) else {
                self.stats.got_empty += 1;
                return None;
            };
            match Message::view(&slice).map(|m| m.body.len() as u32) {
                Ok(bytes) => break (head, slice, bytes),
                Err(_) => self.skip(&head),
            }
        };
        self.take(&head);
        let handle = self.handle(&head, bytes);
        let slice = if head.redelivered { self.with_counts(handle, slice) } else { slice };
        if no_ack {
            self.stats.got_no_ack += 1;
            cx.store.settle(head.id, head.seq);
            self.forget(head.level, head.seq);
            self.forget_own_times();
        } else {
            self.stats.got += 1;
            self.unacked += 1;
            self.held_bytes += u64::from(handle.bytes);
        }
        self.stats.redelivered += u64::from(head.redelivered);
        self.settle_due(cx, out, &mut budget);
        Some(Got {
            handle,
            redelivered: head.redelivered,
            slice,
            remaining: self.ready.count(),
            traced: self.traced.then(|| (self.vhost.clone(), self.name.clone())),
        })
    }

    /// Whose turn it is, of those that the sink lets take.
    #[inline]
    pub(super) fn taker<S: Sink>(&mut self, sink: &mut S) -> Option<u32> {
        let consumers = self.consumers.as_mut()?;
        loop {
            let to = consumers.next()?;
            if sink.can_take(consumers.spec(to).key) {
                return Some(to);
            }
            consumers.block(to);
        }
    }

    /// One message to one consumer. A no-ack one is settled with that.
    #[inline]
    pub(super) fn hand_over<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        to: u32,
        handle: Handle,
        redelivered: bool,
        message: &Message<'_>,
    ) {
        let Some(consumers) = self.consumers.as_mut() else { return };
        let spec = consumers.spec(to);
        let (key, no_ack) = (spec.key, spec.no_ack);
        consumers.delivered(to);
        self.stats.redelivered += u64::from(redelivered);
        let traced = self.traced.then_some((&self.vhost, &self.name));
        cx.sink.deliver(key, Delivery { handle, no_ack, redelivered, traced, message });
        if no_ack {
            self.stats.delivered_no_ack += 1;
            if handle.seq != store::Seq::MAX
                && let Some(lane) = self.ready.lane_id(handle.lane)
            {
                cx.store.settle(lane, handle.seq);
                self.forget(handle.lane, handle.seq);
            }
            self.forget_own_times();
        } else {
            self.stats.delivered += 1;
            self.unacked += 1;
            self.held_bytes += u64::from(handle.bytes);
        }
    }

    /// The first message that is neither expired nor unreadable, read; those before it are dropped or skipped.
    #[inline]
    pub(super) fn live_head<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        out: &mut Outbox,
        budget: &mut u32,
    ) -> Option<(Head, Slice)> {
        loop {
            let head = self.ready.head(cx.store)?;
            if let Some(slice) = self.read_or_skip(cx.store, &head) {
                if !self.can_expire() {
                    return Some((head, slice));
                }
                match Message::view(&slice) {
                    Ok(m) if !self.drop_if_due(cx, out, &head, &slice, &m) => {
                        return Some((head, slice));
                    }
                    Ok(_) => {}
                    Err(_) => self.skip(&head),
                }
            }
            if !self.spend(budget) {
                return None;
            }
        }
    }

    #[inline]
    fn handle(&self, head: &Head, bytes: u32) -> Handle {
        Handle { queue: self.id, lane: head.level, seq: head.seq, bytes }
    }

    /// Uses up one of the messages that a command may throw away.
    pub(super) fn spend(&mut self, budget: &mut u32) -> bool {
        if let Some(left) = budget.checked_sub(1) {
            *budget = left;
            return true;
        }
        self.unfinished = true;
        false
    }

    /// The bytes of the head. What cannot be read is never delivered: it stays in the store for who repairs it.
    #[inline]
    pub(super) fn read_or_skip(&mut self, store: &mut Store, head: &Head) -> Option<Slice> {
        match store.read(head.id, head.seq) {
            Ok(slice) => Some(slice),
            Err(_) => {
                self.skip(head);
                None
            }
        }
    }

    #[cold]
    fn skip(&mut self, head: &Head) {
        self.stats.corrupt += 1;
        self.take(head);
    }

    /// The head does not wait any more.
    #[inline]
    fn take(&mut self, head: &Head) {
        self.ready.take(head);
        self.head_gone();
    }

    /// The head dies. With a dead letter exchange it goes to the outbox first (`read` must be given then).
    pub(super) fn bury_head<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        out: &mut Outbox,
        head: &Head,
        reason: Reason,
        read: Option<(&Slice, u32)>,
    ) {
        self.take(head);
        match read {
            Some((slice, bytes)) if self.args.dead_letter_exchange.is_some() => {
                self.held_bytes += u64::from(bytes);
                let handle = self.handle(head, bytes);
                out.dead.push_back(DeadLetter {
                    from: self.id,
                    handle,
                    reason,
                    slice: slice.clone(),
                });
            }
            _ => {
                cx.store.settle(head.id, head.seq);
                self.forget(head.level, head.seq);
            }
        }
        self.forget_own_times();
    }
}
