//! A store without room.

use super::{Place, all, insert, message, remove, tidy};
use crate::message::NewMessage;
use crate::store::{Changes, Store, StoreError};

/// Messages of a group.
const GROUP: u64 = 20;

/// Groups that certainly do not fit.
const GROUPS_MAX: u64 = 50_000;

fn group(n: u64, bytes: usize) -> Vec<NewMessage> {
    let mut group: Vec<_> = (0..GROUP).map(|i| message(n * GROUP + i, 1000 + n)).collect();
    group.iter_mut().for_each(|new| new.message.body = vec![n as u8; bytes]);
    group
}

/// Inserts groups until there is no room; the number of the one that had none.
fn fill(store: &dyn Store, from: u64, bytes: usize) -> u64 {
    for n in from..from + GROUPS_MAX {
        let group = group(n, bytes);
        match store.apply(&Changes { insert: &group, ..Changes::default() }) {
            Ok(applied) => assert_eq!(applied.inserted.len(), group.len()),
            Err(StoreError::Full(_)) => return n,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("it is never full");
}

pub(crate) fn a_full_store_loses_nothing_and_can_be_emptied(place: &Place) {
    let (_, bytes) = place.small.unwrap();
    let mut store = place.open_small();
    let mut next = 1;
    for round in 0..4 {
        next = fill(&*store, next, bytes);
        let before = all(&*store);
        assert!(before.len() as u64 >= GROUP, "round {round}: something fits");
        let totals = store.totals().unwrap();
        let refused = group(next, bytes);
        let again = store.apply(&Changes { insert: &refused, ..Changes::default() });
        assert!(matches!(again, Err(StoreError::Full(_))), "{again:?}");
        let now = store.totals().unwrap();
        assert_eq!((now.held, now.held_bytes), (totals.held, totals.held_bytes));
        assert!(all(&*store) == before, "round {round}: nothing changed");
        drop(store);
        store = place.open_small();
        assert!(all(&*store) == before, "round {round}: nor after reopening");

        let keys: Vec<_> = before.iter().map(|held| held.key).collect();
        let (first, rest) = keys.split_at(keys.len() / 2);
        for part in first.chunks(50) {
            assert_eq!(remove(&*store, part), part.len() as u64);
        }
        tidy(&*store);
        insert(&*store, &refused);
        assert!(all(&*store)[..rest.len()] == before[first.len()..], "round {round}");
        if round % 2 == 1 {
            // Everything in one go, as after a purge.
            let keys: Vec<_> = all(&*store).iter().map(|held| held.key).collect();
            assert_eq!(remove(&*store, &keys), keys.len() as u64);
            assert_eq!(all(&*store), []);
        }
        next += 1;
    }
}
