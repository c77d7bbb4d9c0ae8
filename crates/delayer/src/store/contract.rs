//! The contract of [`Store`]: cases that every store passes, each a test of each store.
//!
//! A store's `tests.rs` says where it can be opened, and has all tests with one line:
//! `suite!(place)`, where `place` makes a new [`Place`] for each case. A store on a server, whose
//! room and locks are not ours, has those about them left out: `suite!(place, server)`.

pub(crate) mod bodies;
pub(crate) mod change;
pub(crate) mod count;
pub(crate) mod full;
pub(crate) mod kill;
pub(crate) mod lasting;
pub(crate) mod lookup;
pub(crate) mod model;
pub(crate) mod order;
pub(crate) mod reader;

use std::any::Any;
use std::time::{Duration, Instant};

use super::{Applied, Batch, Changes, OpenError, Store};
use crate::message::{Entry, Held, Key, Message, Millis, NewMessage};

/// The tests of a store: one for each case.
macro_rules! suite {
    ($place:expr) => {
        $crate::store::contract::suite!($place, server);
        $crate::store::contract::suite! { $place;
            lasting::a_second_opening_names_the_process
            full::a_full_store_loses_nothing_and_can_be_emptied
        }
    };
    ($place:expr, server) => {
        $crate::store::contract::suite! { $place;
            order::messages_are_loaded_in_the_order_of_their_due_times
            order::equal_due_times_keep_the_order_of_arrival
            order::a_load_ends_at_its_limits
            order::a_load_says_what_comes_next
            order::the_first_and_the_last_due_time_can_be_stored
            change::an_empty_change_does_nothing
            change::removing_an_unknown_key_does_nothing
            change::rescheduling_keeps_the_seq
            change::a_mixed_change_is_done_as_a_whole
            lookup::a_message_comes_back_as_it_was
            lookup::lists_are_paged_by_key
            lookup::messages_are_found_by_their_message_id
            lookup::any_bytes_may_be_a_message_id
            count::totals_follow_each_change
            count::the_oldest_is_known_to_the_minute
            count::a_histogram_counts_what_is_due_between_its_edges
            bodies::bodies_of_many_sizes_come_back
            bodies::the_largest_body_comes_back
            lasting::everything_is_there_after_reopening
            lasting::a_seq_is_never_used_again
            reader::a_reader_sees_whole_changes
            model::any_story_ends_as_in_the_model
            kill::a_killed_process_keeps_what_it_acknowledged
        }
    };
    ($place:expr; $($file:ident::$case:ident)*) => {
        $(
            #[test]
            fn $case() {
                let mut place: $crate::store::contract::Place = ($place)();
                place.test = concat!(module_path!(), "::", stringify!($case));
                $crate::store::contract::$file::$case(&place);
            }
        )*
    };
}
pub(crate) use suite;

/// How a store is opened.
pub(crate) type Open = fn(&str) -> Result<Box<dyn Store>, OpenError>;

/// Where a store of one kind keeps its messages during one test.
pub(crate) struct Place {
    /// A directory, or an address; enough for another process to open it.
    pub address: String,
    /// Opens the store that is there, or makes one.
    pub open: Open,
    /// Opens it with so little room that it is full after a few megabytes, and the bytes of a body
    /// that fill it soon. `None` on a server.
    pub small: Option<(Open, usize)>,
    /// Bytes of the largest body that is tried.
    pub body_bytes_max: usize,
    /// Whether a change is seen as a whole, also by another process after this one was killed.
    pub atomic: bool,
    /// Whether each call takes so long that random tests are kept short.
    pub slow: bool,
    /// The test's full name.
    pub test: &'static str,
    /// Removes it when it is dropped.
    pub _keep: Box<dyn Any>,
}

impl Place {
    /// A new directory, for a store with all properties.
    pub(crate) fn directory(open: Open, small: (Open, usize)) -> Place {
        let dir = tempfile::tempdir().unwrap();
        Place {
            address: dir.path().to_str().unwrap().to_owned(),
            open,
            small: Some(small),
            body_bytes_max: 128 << 20,
            atomic: true,
            slow: false,
            test: "",
            _keep: Box::new(dir),
        }
    }

    /// Opens the store.
    pub(crate) fn open(&self) -> Box<dyn Store> {
        patiently(|| (self.open)(&self.address)).unwrap()
    }

    /// Opens the store with little room.
    fn open_small(&self) -> Box<dyn Store> {
        let (open, _) = self.small.unwrap();
        patiently(|| open(&self.address)).unwrap()
    }
}

/// Opens what was just closed. A test beside this one, in the same process, may start a child right
/// now, which has all locks until it becomes another program.
pub(crate) fn patiently<T>(open: impl Fn() -> Result<T, OpenError>) -> Result<T, OpenError> {
    let from = Instant::now();
    loop {
        match open() {
            Err(OpenError::Busy { .. }) if from.elapsed() < Duration::from_secs(10) => {
                std::thread::yield_now();
            }
            outcome => return outcome,
        }
    }
}

/// A message with these times; everything else is told by `n`, so that it can be checked.
fn message(n: u64, due_ms: Millis) -> NewMessage {
    let message = Message {
        exchange: format!("exchange-{}", n % 3).into_bytes(),
        routing_key: format!("key.{n}").into_bytes(),
        properties: vec![0x10, 0, n as u8, 0xff],
        body: n.to_be_bytes().repeat(1 + (n % 40) as usize),
    };
    NewMessage { due_ms, stored_ms: 1_000 * n, message_id: format!("id-{n}").into_bytes(), message }
}

/// Inserts messages in one change.
fn insert(store: &dyn Store, messages: &[NewMessage]) -> Vec<Key> {
    apply(store, messages, &[], &[]).inserted
}

/// Removes messages in one change; how many there were.
fn remove(store: &dyn Store, keys: &[Key]) -> u64 {
    apply(store, &[], keys, &[]).removed
}

fn apply(
    store: &dyn Store,
    insert: &[NewMessage],
    remove: &[Key],
    reschedule: &[(Key, Millis)],
) -> Applied {
    let applied = store.apply(&Changes { insert, remove, reschedule }).unwrap();
    assert_eq!(applied.inserted.len(), insert.len());
    assert_eq!(applied.rescheduled.len(), reschedule.len());
    for (key, new) in applied.inserted.iter().zip(insert) {
        assert_eq!(key.due_ms, new.due_ms);
    }
    assert!(applied.inserted.is_sorted_by(|a, b| a.seq < b.seq), "seqs ascend");
    applied
}

/// All messages, none of them damaged.
fn all(store: &dyn Store) -> Vec<Held> {
    let batch = store.load(Key::MIN, Millis::MAX, usize::MAX, usize::MAX).unwrap();
    assert_eq!(batch.damaged, []);
    assert_eq!(batch.next, None);
    batch.held
}

fn keys(batch: &Batch) -> Vec<Key> {
    batch.held.iter().map(|held| held.key).collect()
}

/// What a stored message should be.
fn held(key: Key, new: &NewMessage) -> Held {
    Held { key, stored_ms: new.stored_ms, message: new.message.clone() }
}

/// What a list should show of a stored message.
fn entry(key: Key, new: &NewMessage) -> Entry {
    Entry {
        key,
        stored_ms: new.stored_ms,
        message_id: new.message_id.clone(),
        exchange: new.message.exchange.clone(),
        routing_key: new.message.routing_key.clone(),
        body_bytes: new.message.body.len() as u64,
    }
}

/// Runs [`Store::tidy`] until there is nothing to do.
fn tidy(store: &dyn Store) {
    for _ in 0..100_000 {
        if !store.tidy(1).unwrap() {
            return;
        }
    }
    panic!("tidy always finds more to do");
}
