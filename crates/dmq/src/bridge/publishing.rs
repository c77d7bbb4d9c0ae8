//! The way to the broker: messages of the bus and outcomes, each with a confirm.

use client::event::Event;
use client::link::LinkEvent;
use tokio::time::Instant;

use super::inbound::Publication;
use super::troubles::explained;
use super::waiting::Purpose;
use super::{Bridge, BridgeEvent, concerns};

/// Bytes that may wait to be written to the broker.
const OUTPUT_BYTES_MAX: usize = 8 * 1024 * 1024;

impl Bridge {
    /// Hands over what waits, as far as the connection takes it.
    pub(super) fn publish_waiting(&mut self) {
        if self.blocked.is_some() || self.not_before.is_some() {
            return;
        }
        let Some(open) = self.publisher.open() else { return };
        while open.connection.output_bytes() < OUTPUT_BYTES_MAX {
            let Some(next) = self.waiting.next() else { return };
            let Publication { exchange, routing_key, properties, body } = next;
            let (connection, channel) = (&mut open.connection, open.channel);
            match connection.publish(channel, exchange, routing_key, false, properties, body) {
                // The channel is gone, and its event will say so.
                0 => return,
                seq => self.waiting.published(seq),
            }
        }
    }

    /// Takes what the publishing connection says.
    pub(super) fn answered(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Event(event) if !concerns(&mut self.publisher, &event) => {}
            LinkEvent::Up => {
                self.publisher_down = None;
                self.blocked = None;
                let address = self.publisher.address();
                let exchange = &self.plan.exchange;
                tracing::info!("bridge: publishes to the exchange {exchange:?} of {address}");
                self.troubles.over("publisher");
            }
            LinkEvent::Event(Event::Acked { tag, multiple, .. }) => {
                self.refusals.reset();
                for purpose in self.waiting.acked(tag, multiple) {
                    self.ended(purpose, true);
                }
            }
            LinkEvent::Event(Event::Nacked { tag, multiple, .. }) => {
                self.waiting.nacked(tag, multiple);
                self.pause();
                self.troubles.note(
                    "nacked",
                    "the broker refuses messages (basic.nack), as a full queue with reject-publish \
                     does; they are published again",
                );
            }
            LinkEvent::Event(Event::ChannelClosed(closed)) => {
                for purpose in self.waiting.channel_refused() {
                    self.ended(purpose, false);
                }
                self.pause();
                self.troubles.note("publisher", &format!("publishing: {closed}; trying again"));
                self.publisher_down = Some(closed.to_string());
                self.publisher.renew(false);
            }
            LinkEvent::Event(Event::Blocked(why)) => {
                self.troubles.note("blocked", &format!("the broker takes no messages: {why}"));
                self.blocked = Some(why);
            }
            LinkEvent::Event(Event::Unblocked) => {
                self.blocked = None;
                self.troubles.over("blocked");
            }
            LinkEvent::Event(_) => {}
            LinkEvent::Down(error) => {
                self.waiting.connection_lost();
                let why = explained(&error);
                self.troubles.note("publisher", &format!("publishing: {why}; trying again"));
                self.publisher_down = Some(why);
                self.blocked = None;
            }
        }
    }

    fn pause(&mut self) {
        self.not_before = Some(Instant::now() + self.refusals.failed());
    }

    /// Does what is to be done when the broker has taken a message, or was not able to.
    pub(super) fn ended(&mut self, purpose: Purpose, taken: bool) {
        match purpose {
            Purpose::Inbound(ticket) => {
                self.events.push_back(BridgeEvent::Published { ticket, taken });
            }
            Purpose::Reply(unsettled) => {
                if !taken {
                    self.troubles.note(
                        "reply",
                        "outcomes could not be published to where a message wanted them (reply-to): \
                         the broker refuses that, or takes nothing",
                    );
                }
                self.settle(unsettled);
            }
        }
    }
}
