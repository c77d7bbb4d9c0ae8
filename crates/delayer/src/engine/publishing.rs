//! The way out: what is published, and what the broker says of it.

use client::confirms::Identity;
use client::error::Error;
use client::event::Event;

use super::{Engine, Plan};
use crate::config::OnShutdown;
use crate::message::{Message, Millis, NewMessage};
use crate::outgoing::Outgoing;
use crate::revival::{Flight, Job, Origin};
use client::link::LinkEvent;

/// Publishing waits while the connection has this much to send.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// A message that could not be passed on at once is stored for so long.
const FORWARD_RETRY_MS: Millis = 1_000;

/// What stands around the properties in a header frame, at most.
const HEADER_BYTES: usize = 24;

/// The reply code of a connection that an operator closed.
const FORCED: u16 = 320;

impl Engine {
    pub(super) fn publish_ready(&mut self) {
        if self.blocked.is_some() || self.stopping && !self.revival.emptying {
            return;
        }
        while let Some(open) = self.publisher.open() {
            if open.connection.output_bytes() >= OUTPUT_BYTES_MAX {
                return;
            }
            let Some(job) = self.revival.pop() else { return };
            let now = (self.now)();
            let Plan { routes, on_shutdown, .. } = &self.plan;
            let give_back = self.revival.emptying && *on_shutdown == OnShutdown::Return;
            let outgoing = match &job.origin {
                Origin::Stored(key) if give_back => {
                    routes.give_back(&job.message, key.due_ms, &mut self.counters)
                }
                _ => routes.forward(&job.message, &mut self.counters),
            };
            if !give_back && routes.loops(&outgoing) {
                self.refuse_loop(job);
                continue;
            }
            let Outgoing { exchange, routing_key, properties } = outgoing;
            let body = &job.message.body;
            let identity = Identity::of(&exchange, &routing_key, &properties, body);
            let channel = open.channel;
            let frame_max = open.connection.limits().frame_max as usize;
            let unsendable = frame_max > 0 && properties.len() + HEADER_BYTES > frame_max;
            let seq =
                open.connection.publish(channel, &exchange, &routing_key, true, &properties, body);
            if seq == 0 && unsendable {
                self.refuse_unsendable(job);
                continue;
            } else if seq == 0 {
                // The channel is gone, and its event will say so.
                return self.revival.unpop(job);
            }
            let message = match &job.origin {
                Origin::Stored(key) => {
                    let late = now.saturating_sub(key.due_ms);
                    self.counters.lateness_ms.observe(late);
                    None
                }
                Origin::Delivered { .. } => Some(job.message),
            };
            self.revival.published(seq, identity, Flight { origin: job.origin, message });
        }
    }

    /// A message that would come back at once, for ever, is kept instead and tried rarely.
    pub(super) fn refuse_loop(&mut self, job: Job) {
        self.counters.loops += 1;
        let why = format!(
            "a message would go back to its own queue {} at once and for ever: it is kept; set \
             rabbitmq-routingkey or rabbitmq-exchange so that messages go on to another queue",
            self.plan.queue
        );
        self.trouble("loop", why);
        self.put_off(job.origin, Some(job.message));
    }

    /// A message that no frame can carry: its headers, with what was added, are too large.
    pub(super) fn refuse_unsendable(&mut self, job: Job) {
        self.counters.unconfirmed += 1;
        let why = format!(
            "a message of exchange {:?} cannot be published: its headers do not fit into a frame of \
             the broker (frame_max); it is kept and tried again",
            String::from_utf8_lossy(&job.message.exchange)
        );
        self.trouble("unsendable", why);
        self.put_off(job.origin, Some(job.message));
    }

    pub(super) fn published(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up => {
                let address = self.publisher.address();
                tracing::info!("publishes to {:?} of {address}", self.plan.exchange);
                self.counters.reconnects += u64::from(self.publisher.epoch > 1);
                self.blocked = None;
            }
            LinkEvent::Event(Event::Acked { tag, multiple, .. }) => {
                let now = (self.now)();
                for (flight, returned) in self.revival.acked(tag, multiple) {
                    self.confirmed(flight, returned, now);
                }
            }
            LinkEvent::Event(Event::Nacked { tag, multiple, .. }) => {
                for flight in self.revival.nacked(tag, multiple) {
                    self.counters.unconfirmed += 1;
                    self.put_off(flight.origin, flight.message);
                }
                self.trouble(
                    "refused",
                    "the broker refuses messages (basic.nack), as a full queue with \
                     reject-publish does; they are kept and tried again"
                        .into(),
                );
            }
            LinkEvent::Event(Event::Returned(back)) => {
                let identity =
                    Identity::of(&back.exchange, &back.routing_key, &back.properties, &back.body);
                self.revival.returned(identity);
                let why = format!(
                    "the broker returned a message for exchange {:?} and routing key {:?} ({} {}): \
                     no queue is bound for it; it is kept and tried again",
                    String::from_utf8_lossy(&back.exchange),
                    String::from_utf8_lossy(&back.routing_key),
                    back.code,
                    back.text
                );
                self.trouble("returned", why);
            }
            LinkEvent::Event(Event::ChannelClosed(closed)) => {
                self.publishing_failed(&closed.to_string(), true);
                self.publisher.renew(false);
            }
            LinkEvent::Event(Event::Blocked(reason)) => {
                self.trouble("blocked", format!("the broker takes no messages: {reason}"));
                self.blocked = Some(reason);
            }
            LinkEvent::Event(Event::Unblocked) => self.blocked = None,
            LinkEvent::Event(_) => {}
            LinkEvent::Down(error) => {
                // A broker that ends the connection with a reason may mean one message.
                let over_one = matches!(error, Error::Closed { code, .. } if code != FORCED);
                self.publishing_failed(&error.to_string(), over_one);
                self.blocked = Some(format!("publishing to {:?}: {error}", self.plan.exchange));
            }
        }
    }

    /// The channel or connection is gone: over one message, or because nothing can be published.
    pub(super) fn publishing_failed(&mut self, reason: &str, over_one: bool) {
        let culprit = if over_one { self.revival.culprit() } else { None };
        let intake = &self.intake;
        let lost = self.revival.lost(over_one, |tag| intake.is_current(tag));
        self.counters.unconfirmed += lost as u64 + u64::from(culprit.is_some());
        let why = format!("publishing to {:?}: {reason}", self.plan.exchange);
        match culprit {
            // If it is the exchange that is missing, setting up the next channel will say so.
            Some(flight) => {
                let why = format!("{why}; the message at fault is kept and tried again");
                self.trouble("publishing", why);
                self.put_off(flight.origin, flight.message);
            }
            None if lost > 0 && over_one => {
                let why = format!("{why}; {lost} messages are published again one by one");
                self.trouble("publishing", why);
            }
            None => self.trouble("publishing", why),
        }
    }

    pub(super) fn confirmed(&mut self, flight: Flight, returned: bool, now: Millis) {
        if let Some(pause) = self.revival.found_queue(!returned) {
            let pause = pause.as_secs();
            let why = format!(
                "nothing that is published to {:?} finds a queue; publishing pauses for {pause} s. \
                 Bind a queue to it",
                self.plan.exchange
            );
            self.trouble("pause", why);
        }
        if returned {
            self.counters.returned += 1;
            return self.put_off(flight.origin, flight.message);
        }
        match flight.origin {
            Origin::Stored(key) => {
                self.counters.revived += 1;
                self.rates[1].add(1, now);
                self.revival.done(key);
            }
            Origin::Delivered { tag, .. } => {
                self.counters.forwarded += 1;
                self.rates[2].add(1, now);
                self.intake.forwarded(flight.message.map_or(0, |message| message.bytes()));
                self.intake.settle(tag);
            }
        }
    }

    /// Keeps a message that the broker did not take, for another try.
    pub(super) fn put_off(&mut self, origin: Origin, message: Option<Message>) {
        self.counters.retried += 1;
        let now = (self.now)();
        match (origin, message) {
            (Origin::Stored(key), _) => drop(self.revival.put_off(key, now)),
            (Origin::Delivered { tag, message_id, stored_ms }, Some(message)) => {
                self.intake.forwarded(message.bytes());
                if self.intake.is_current(tag) {
                    let due_ms = now + FORWARD_RETRY_MS;
                    self.intake.hold(NewMessage { due_ms, stored_ms, message_id, message }, tag);
                }
            }
            (Origin::Delivered { .. }, None) => {}
        }
    }
}
