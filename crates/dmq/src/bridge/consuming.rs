//! The way from the queue to the nodes: deliveries, and how they are settled.

use client::event::{Delivery, Event};
use client::link::LinkEvent;

use super::outbound::{self, ReplyTo, Verdict};
use super::troubles::explained;
use super::waiting::{Purpose, Unsettled};
use super::{Bridge, BridgeEvent, SendKey, concerns};
use crate::desk::SendError;
use crate::message::Delivered;

impl Bridge {
    /// Takes what the consuming connection says.
    pub(super) fn consumed(&mut self, event: LinkEvent) {
        let Some(link) = &mut self.consumer else { return };
        match event {
            LinkEvent::Event(event) if !concerns(link, &event) => {}
            LinkEvent::Up => {
                self.consumer_down = None;
                tracing::info!("bridge: sends what is in the queue {:?}", self.plan.queue);
                self.troubles.over("consumer");
            }
            LinkEvent::Event(Event::Delivery(delivery)) => self.delivered(&delivery),
            LinkEvent::Event(Event::Cancelled { .. }) => {
                link.renew(true);
                self.not_consuming("the broker has ended the consumer".into());
            }
            LinkEvent::Event(Event::ChannelClosed(closed)) => {
                link.renew(false);
                self.not_consuming(closed.to_string());
            }
            LinkEvent::Event(_) => {}
            LinkEvent::Down(error) => self.not_consuming(explained(&error)),
        }
    }

    fn not_consuming(&mut self, why: String) {
        let queue = &self.plan.queue;
        self.troubles.note("consumer", &format!("the queue {queue:?}: {why}; trying again"));
        self.consumer_down = Some(why);
    }

    /// Takes a message of the queue.
    fn delivered(&mut self, delivery: &Delivery) {
        if self.draining {
            return;
        }
        let epoch = self.consumer.as_ref().map_or(0, |link| link.epoch);
        let key = SendKey { epoch, tag: delivery.tag };
        let reply_to = outbound::reply_to(delivery);
        match outbound::asked(delivery, self.plan.body_bytes_max) {
            Ok(message) => {
                self.sending.insert(key, reply_to);
                self.events.push_back(BridgeEvent::Send { key, message });
            }
            Err(bad) => {
                let why = bad.to_string();
                let routing_key = String::from_utf8_lossy(&delivery.routing_key);
                self.troubles.note(
                    "bad",
                    &format!("a message with the key {routing_key:?} is rejected: {why}"),
                );
                self.finish(key, Verdict::Reject, reply_to, Err(&why));
            }
        }
    }

    /// Takes what became of a message of the queue, and settles it.
    pub(crate) fn sent(&mut self, key: SendKey, outcome: &Result<Vec<Delivered>, SendError>) {
        let Some(reply_to) = self.sending.remove(&key) else { return };
        let (verdict, why) = outbound::verdict(outcome);
        match verdict {
            Verdict::Ack => {}
            Verdict::Reject => {
                let queue = &self.plan.queue;
                self.troubles.note(
                    "unsent",
                    &format!("a message of the queue {queue:?} is rejected: {why}"),
                );
            }
            // It will come again, and its outcomes then; when we stop the broker takes it back.
            Verdict::Requeue if self.draining => return,
            Verdict::Requeue => {
                return self.settle(Unsettled { epoch: key.epoch, tag: key.tag, verdict });
            }
        }
        let answer = outcome.as_ref().map(Vec::as_slice).map_err(|_| why.as_str());
        self.finish(key, verdict, reply_to, answer);
    }

    /// Publishes the outcomes where they are wanted, and settles then.
    fn finish(
        &mut self,
        key: SendKey,
        verdict: Verdict,
        reply_to: Option<ReplyTo>,
        answer: Result<&[Delivered], &str>,
    ) {
        let unsettled = Unsettled { epoch: key.epoch, tag: key.tag, verdict };
        match reply_to {
            Some(to) => self.wait(Purpose::Reply(unsettled), outbound::reply(to, answer)),
            None => self.settle(unsettled),
        }
    }

    /// Settles a delivery, unless it is of an earlier channel: the broker has that again.
    pub(super) fn settle(&mut self, Unsettled { epoch, tag, verdict }: Unsettled) {
        let Some(link) = self.consumer.as_mut().filter(|link| link.epoch == epoch) else { return };
        let Some(open) = link.open() else { return };
        match verdict {
            Verdict::Ack => open.connection.ack(open.channel, tag, false),
            Verdict::Reject => open.connection.reject(open.channel, tag, false),
            Verdict::Requeue => open.connection.reject(open.channel, tag, true),
        }
    }
}
