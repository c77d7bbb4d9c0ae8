//! The way in: what the reading connection brings.

use client::event::{Delivery, Event};

use super::Engine;
use crate::message::{Message, NewMessage};
use crate::revival::{Job, Origin};
use crate::source::Received;
use client::link::LinkEvent;

impl Engine {
    pub(super) fn consumed(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up => {
                let link = self.consumer.as_ref().expect("it has just spoken");
                let (epoch, address) = (link.epoch, link.address());
                tracing::info!("reads {} of {address}", self.plan.queue);
                self.counters.reconnects += u64::from(epoch > 1);
                self.intake.connected(epoch);
            }
            LinkEvent::Event(Event::Delivery(delivery)) => self.delivered(delivery),
            LinkEvent::Event(Event::Cancelled { .. }) => {
                let queue = &self.plan.queue;
                let why = format!("the queue {queue} is gone; reading goes on when it is declared");
                self.trouble("reading", why);
                // What was delivered is nowhere else any more: it is stored all the same.
                self.intake.orphaned();
                self.consumer.as_mut().expect("it has just spoken").renew(true);
            }
            LinkEvent::Event(Event::ChannelClosed(closed)) => {
                self.trouble("reading", format!("reading from {}: {closed}", self.plan.queue));
                self.disconnected();
                self.consumer.as_mut().expect("it has just spoken").renew(false);
            }
            LinkEvent::Event(_) => {}
            LinkEvent::Down(error) => {
                self.trouble("reading", format!("reading from {}: {error}", self.plan.queue));
                self.disconnected();
            }
        }
    }

    /// What was delivered and not acknowledged comes again.
    pub(super) fn disconnected(&mut self) {
        self.intake.disconnected();
        let intake = &self.intake;
        self.revival.forget_deliveries(|tag| intake.is_current(tag));
    }

    pub(super) fn delivered(&mut self, delivery: Delivery) {
        let now = (self.now)();
        self.counters.received += 1;
        let tag = self.intake.delivered(delivery.tag);
        let Delivery { exchange, routing_key, properties, body, .. } = delivery;
        let message = Message { exchange, routing_key, properties, body };
        let received = self.plan.rules.receive(message, now, &mut self.counters);
        self.warn_of_timestamps();
        let Received { message, message_id, due_ms } = received;
        match due_ms {
            Some(due_ms) => {
                self.intake.hold(NewMessage { due_ms, stored_ms: now, message_id, message }, tag);
            }
            None => {
                self.intake.forwarding(message.bytes());
                let origin = Origin::Delivered { tag, message_id, stored_ms: now };
                self.revival.push(Job { origin, message });
            }
        }
    }

    pub(super) fn warn_of_timestamps(&mut self) {
        if self.counters.timestamps_implausible > 0 && !self.warned_timestamps {
            self.warned_timestamps = true;
            tracing::warn!(
                "a message has a timestamp beyond the year 5138, as milliseconds have that are read \
                 as seconds; it is held until then (or for max-delay). Set timestamp-unit: auto if \
                 the publisher means milliseconds; amqpdelayer_timestamps_implausible_total counts them"
            );
        }
    }
}
