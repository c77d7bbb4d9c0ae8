//! The way out: replies, messages for their delay queue and for the dead letters, each with a
//! confirm. The connection is made when something is to be published for the first time.

use std::rc::Rc;

use client::confirms::Identity;
use client::connection::DeclareQueue;
use client::error::Error;
use client::event::Event;
use client::link::{Link, LinkEvent, Purpose};

use super::consuming::concerns;
use super::{Engine, unix_ms};
use crate::config::{DeadLetterMode, RetryMode};
use crate::machine::{Publication, Published, SlotId};
use crate::message::Message;
use crate::outgoing::{self, Death, Outgoing};

/// Bytes that may wait to be written.
const OUTPUT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Something to be published about a message.
pub(super) struct Waiting {
    slot: SlotId,
    outgoing: Outgoing,
}

impl Engine {
    /// Puts it where it waits for the connection.
    pub(super) fn publish(&mut self, slot: SlotId, publication: Publication, message: Rc<Message>) {
        match self.outgoing(publication, &message) {
            Some(outgoing) => self.outgoing.push_back(Waiting { slot, outgoing }),
            None => self.published(slot, Published::Impossible),
        }
        if self.publisher.is_none() && !self.outgoing.is_empty() {
            let trigger = &self.definition.trigger;
            let exchange = match trigger.dead_letter_mode {
                DeadLetterMode::Publish => trigger.dead_letter_exchange.clone(),
                DeadLetterMode::Broker | DeadLetterMode::Discard => String::new(),
            };
            let purpose = Purpose::Publish { exchange };
            let seed = self.seed.rotate_left(7);
            self.publisher = Some(Link::new(Rc::clone(&self.options), purpose, seed));
        }
    }

    fn outgoing(&self, publication: Publication, message: &Message) -> Option<Outgoing> {
        let trigger = &self.definition.trigger;
        let login = self.definition.login();
        match publication {
            Publication::Reply(reply) => outgoing::reply(message, &reply, &self.definition.name),
            Publication::Retry { ms, attempts } => {
                let queue = outgoing::delay_queue(&trigger.redelivery_queue, &trigger.queue, ms);
                Some(outgoing::retry(message, &queue, attempts, login))
            }
            Publication::DeadLetter { reason, text, attempts } => {
                let to = (&*trigger.dead_letter_exchange, &*trigger.dead_letter_routing_key);
                let (queue, trigger) = (&trigger.queue, &self.definition.name);
                let (text, at_ms) = (&text, unix_ms());
                let death = Death { reason, text, attempts, queue, trigger, at_ms };
                outgoing::dead_letter(message, to, &death, login)
            }
        }
    }

    /// Hands over what waits, as far as the connection takes it.
    pub(super) fn publish_waiting(&mut self) {
        if self.blocked.is_some() {
            return;
        }
        let Some(open) = self.publisher.as_mut().and_then(Link::open) else { return };
        let mut refused = Vec::new();
        while open.connection.output_bytes() < OUTPUT_BYTES_MAX {
            let Some(waiting) = self.outgoing.pop_front() else { break };
            let Outgoing { exchange, routing_key, properties, body, mandatory } = &waiting.outgoing;
            let channel = open.channel;
            let seq = open.connection.publish(
                channel,
                exchange,
                routing_key,
                *mandatory,
                properties,
                body,
            );
            if seq == 0 {
                refused.push(waiting.slot);
                continue;
            }
            let identity = Identity::of(exchange, routing_key, properties, body);
            self.confirms.push(seq, identity, waiting);
        }
        for slot in refused {
            self.log.trouble("publish", "a message cannot be published: its properties do not fit into a frame, or the channel has just closed; trying again");
            self.published(slot, Published::Refused);
        }
    }

    pub(super) fn next_answer(&mut self) -> Option<Event> {
        self.publisher.as_mut()?.open()?.connection.try_next()
    }

    /// Takes what the publishing connection says.
    pub(super) fn answered(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Event(event)
                if self.publisher.as_mut().is_some_and(|link| !concerns(link, &event)) =>
            {
                return;
            }
            LinkEvent::Up => {
                self.blocked = None;
                self.to_declare = !self.undeclarable;
                for kind in ["publisher", "publish"] {
                    self.log.over(kind, "publishes again");
                }
            }
            LinkEvent::Event(Event::Acked { tag, multiple, .. }) => {
                let settled: Vec<_> = self.confirms.ack(tag, multiple).collect();
                for (waiting, returned) in settled {
                    let result = if returned { Published::Returned } else { Published::Confirmed };
                    self.published(waiting.slot, result);
                }
            }
            LinkEvent::Event(Event::Nacked { tag, multiple, .. }) => {
                let settled: Vec<_> = self.confirms.nack(tag, multiple).collect();
                for (waiting, _) in settled {
                    self.log.trouble("publish", "the broker refuses a message; trying again");
                    self.published(waiting.slot, Published::Refused);
                }
            }
            LinkEvent::Event(Event::Returned(returned)) => {
                let key = String::from_utf8_lossy(&returned.routing_key).into_owned();
                let exchange = String::from_utf8_lossy(&returned.exchange).into_owned();
                let what = format!(
                    "a message to the exchange {exchange:?} with the routing key {key:?} came back: \
                     {}; declare the queue, or bind it",
                    returned.text
                );
                self.log.trouble("returned", &what);
                let identity = Identity::of(
                    &returned.exchange,
                    &returned.routing_key,
                    &returned.properties,
                    &returned.body,
                );
                self.confirms.returned(identity);
            }
            LinkEvent::Event(Event::Blocked(why)) => {
                self.log.trouble("blocked", &format!("the broker takes no messages: {why}"));
                self.blocked = Some(why);
            }
            LinkEvent::Event(Event::Unblocked) => {
                self.blocked = None;
                self.log.over("blocked", "the broker takes messages again");
            }
            LinkEvent::Event(Event::ChannelClosed(closed)) => {
                self.unpublished(&closed.to_string());
                if let Some(link) = &mut self.publisher {
                    link.renew(false);
                }
            }
            LinkEvent::Event(_) => {}
            LinkEvent::Down(error) => self.unpublished(&error.to_string()),
        }
        self.execute();
    }

    /// Nothing that is unconfirmed may have arrived: it is published again, each after a pause of
    /// its own, since one of them may be the reason.
    fn unpublished(&mut self, why: &str) {
        self.log.trouble("publisher", &format!("publishing: {why}; trying again"));
        let lost: Vec<_> = self.confirms.drain().collect();
        for waiting in lost {
            self.published(waiting.slot, Published::Refused);
        }
    }

    fn published(&mut self, slot: SlotId, result: Published) {
        let now = self.now();
        self.machine.published(slot, result, now);
        self.execute();
    }

    /// Declares the delay queues, where that is wanted.
    pub(super) async fn declare_delay_queues(&mut self) {
        if !std::mem::take(&mut self.to_declare) {
            return;
        }
        let trigger = &self.definition.trigger;
        let wanted = trigger.redelivery_declare && trigger.redelivery_mode == RetryMode::DelayQueue;
        let Some(open) = self.publisher.as_mut().and_then(Link::open).filter(|_| wanted) else {
            return;
        };
        let mut pauses = trigger.redelivery_backoff_ms.clone();
        pauses.sort_unstable();
        pauses.dedup();
        for ms in pauses {
            let queue = outgoing::delay_queue(&trigger.redelivery_queue, &trigger.queue, ms);
            let arguments = outgoing::delay_queue_arguments(&trigger.queue, ms);
            let declare =
                DeclareQueue { queue: &queue, durable: true, arguments, ..DeclareQueue::default() };
            if let Err(error) = open.connection.declare_queue(open.channel, &declare).await {
                // As it is, it may do.
                let what = format!("cannot declare the delay queue {queue}: {error}");
                self.log.trouble("declare", &what);
                self.undeclarable = true;
                if let Some(link) = self.publisher.as_mut().filter(|_| is_channels(&error)) {
                    link.renew(false);
                }
                return;
            }
        }
    }
}

fn is_channels(error: &Error) -> bool {
    matches!(error, Error::Channel(_))
}
