//! A message on its way through the delayer, and what has to come out.

use std::collections::HashMap;
use std::time::Duration;

use crate::client::channel::Event;
use crate::client::message::{Delivery, Message};
use crate::server::now_ms;

impl Message {
    /// Due so long from now, to the millisecond.
    pub(crate) fn due_in(self, delay: Duration) -> Message {
        self.due_at(now_ms() + delay.as_millis() as u64)
    }

    /// Due at this time, in Unix milliseconds.
    pub(crate) fn due_at(self, due_ms: u64) -> Message {
        self.timestamp(due_ms)
    }
}

/// What has to come out of the delayer.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// Not before this time.
    pub(crate) due_ms: u64,
    /// The exchange that it was published to by the delayer.
    pub(crate) exchange: String,
    pub(crate) key: String,
    /// As on the wire.
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Parcel {
    /// What the message becomes: it is the same one, of another exchange.
    pub(crate) fn of(message: &Message, exchange: &str) -> Parcel {
        Parcel {
            due_ms: message.properties.timestamp.unwrap_or(0),
            exchange: exchange.to_owned(),
            key: message.key.clone(),
            properties: message.raw.clone().unwrap_or_else(|| message.properties.encode()),
            body: message.body.clone(),
        }
    }

    /// The same, due at another time.
    pub(crate) fn due_at(self, due_ms: u64) -> Parcel {
        Parcel { due_ms, ..self }
    }

    /// The same with another key.
    pub(crate) fn key(self, key: &str) -> Parcel {
        Parcel { key: key.to_owned(), ..self }
    }

    /// The same from another exchange.
    pub(crate) fn exchange(self, exchange: &str) -> Parcel {
        Parcel { exchange: exchange.to_owned(), ..self }
    }

    /// A delivery has to be this, now.
    #[track_caller]
    pub(crate) fn check(&self, delivery: &Delivery) {
        let early = self.due_ms.saturating_sub(now_ms());
        let ours = String::from_utf8_lossy(&self.body[..self.body.len().min(40)]);
        assert!(
            self.body == delivery.body,
            "a body of {} bytes came and not {ours:?} of {}: {:?}",
            delivery.body.len(),
            self.body.len(),
            String::from_utf8_lossy(&delivery.body[..delivery.body.len().min(40)]),
        );
        assert_eq!(early, 0, "ms too early: {ours:?}");
        assert_eq!(delivery.raw, self.properties, "the properties of {ours:?}");
        assert_eq!((&delivery.exchange, &delivery.key), (&self.exchange, &self.key), "{ours:?}");
    }
}

/// Parcels that come in any order, each body of its own.
pub(crate) struct Sorted<'a> {
    parcels: HashMap<&'a [u8], (&'a Parcel, usize)>,
    missing: usize,
}

impl<'a> Sorted<'a> {
    pub(crate) fn new(parcels: &'a [Parcel]) -> Sorted<'a> {
        let missing = parcels.len();
        let parcels: HashMap<_, _> =
            parcels.iter().map(|parcel| (&*parcel.body, (parcel, 0))).collect();
        assert_eq!(parcels.len(), missing, "each body is unique");
        Sorted { parcels, missing }
    }

    /// How many have not come yet.
    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    /// The delivery has to be one of them.
    #[track_caller]
    pub(crate) fn check(&mut self, delivery: &Delivery) {
        let found = self.parcels.get_mut(&*delivery.body);
        let (parcel, times) = found.unwrap_or_else(|| panic!("unexpected: {:?}", delivery.text()));
        parcel.check(delivery);
        *times += 1;
        self.missing -= usize::from(*times == 1);
    }

    /// What came has to be a delivery of one of them.
    #[track_caller]
    pub(crate) fn check_event(&mut self, event: &Event) {
        match event {
            Event::Delivery(delivery) => self.check(delivery),
            other => panic!("not a delivery: {other:?}"),
        }
    }

    /// Of each, so many came.
    #[track_caller]
    pub(crate) fn expect_copies(&self, copies: usize) {
        for (parcel, times) in self.parcels.values() {
            let body = String::from_utf8_lossy(&parcel.body[..parcel.body.len().min(40)]);
            assert_eq!(*times, copies, "copies of {body:?}");
        }
    }

    /// How many came that had come before.
    pub(crate) fn duplicates(&self) -> usize {
        self.parcels.values().map(|(_, times)| times.saturating_sub(1)).sum()
    }
}
