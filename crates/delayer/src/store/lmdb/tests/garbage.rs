//! When the data forgets what is removed.

use super::{LmdbStore, MIB, group, insert, keys, opened, remove};
use crate::store::{Changes, Store, StoreError};

/// Records in the data, and removed ones among them.
fn counts(store: &LmdbStore) -> (u64, u64) {
    let (data, index) = (store.data.env.read_txn().unwrap(), store.index.env.read_txn().unwrap());
    let records = store.data.databases()[0].len(&data).unwrap();
    (records, store.index.garbage.len(&index).unwrap())
}

#[test]
fn the_data_forgets_with_the_next_group() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 64 * MIB).unwrap();
    let arrived = insert(&store, &group(10, 100));
    remove(&store, &arrived[..6]);
    assert_eq!(counts(&store), (10, 6));
    insert(&store, &group(1, 100));
    assert_eq!(counts(&store), (5, 0));
}

#[test]
fn the_data_forgets_when_nothing_else_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 64 * MIB).unwrap();
    let arrived = insert(&store, &group(10, 100));
    remove(&store, &arrived[..6]);
    assert!(!store.tidy(1).unwrap(), "a little garbage is left to the next group");
    assert_eq!(counts(&store), (10, 6));
    assert!(!store.tidy(2).unwrap());
    assert_eq!(counts(&store), (4, 0), "which did not come");
}

#[test]
fn much_garbage_is_not_left_to_the_next_group() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 64 * MIB).unwrap();
    let arrived = insert(&store, &group(5000, 10));
    remove(&store, &arrived[..4500]);
    for _ in 0..4500 {
        if !store.tidy(1).unwrap() {
            break;
        }
    }
    assert_eq!(counts(&store), (500, 0));
}

#[test]
fn garbage_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 64 * MIB).unwrap();
    let arrived = insert(&store, &group(10, 100));
    remove(&store, &arrived[..6]);
    drop(store);
    let store = opened(dir.path(), 64 * MIB).unwrap();
    assert_eq!(counts(&store), (10, 6), "a start does nothing about it");
    assert_eq!(keys(&store), arrived[6..]);
    store.tidy(1).unwrap();
    assert_eq!(counts(&store), (4, 0));
}

#[test]
fn garbage_makes_room_when_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 40 * MIB).unwrap();
    // Three groups of more than a third of the map each; two of them fit.
    let third = group(145, 100_000);
    let first = insert(&store, &third);
    let second = insert(&store, &third);
    let changes = Changes { insert: &third, ..Changes::default() };
    let Err(StoreError::Full(why)) = store.apply(&changes) else { panic!("it fits") };
    assert!(why.contains("data uses") && why.contains("storage-mapsize 41943040"), "{why}");
    let used = || store.totals().unwrap().part_bytes.unwrap();
    let full = used();
    assert_eq!(remove(&store, &first), 145);
    assert!(used() < full * 2 / 3, "{} of {full}", used());
    let third = insert(&store, &third);
    let both: Vec<_> = second.iter().zip(&third).flat_map(|(a, b)| [*a, *b]).collect();
    assert_eq!(keys(&store), both);
}

#[test]
fn garbage_makes_room_for_a_large_group() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 40 * MIB).unwrap();
    // More than half of what inserts may use, and not so much that garbage is removed at once.
    let half = group(220, 100_000);
    for _ in 0..4 {
        let arrived = insert(&store, &half);
        assert_eq!(keys(&store), arrived);
        assert_eq!(remove(&store, &arrived), 220);
        assert_eq!(counts(&store), (220, 220));
    }
}

#[test]
fn an_index_full_of_small_messages_can_be_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 2 * MIB).unwrap();
    for round in 0..2 {
        let mut all = Vec::new();
        let full = (0..1000).any(|n| {
            // Far apart, so that a removal touches as many pages as can be.
            let mut group = group(50, 0);
            for new in &mut group {
                new.due_ms = (new.due_ms * 7919 + n * 104_729) % 100_003 * 60_000;
                new.stored_ms = new.due_ms;
                new.message_id = new.due_ms.to_be_bytes().to_vec();
            }
            match store.apply(&Changes { insert: &group, ..Changes::default() }) {
                Ok(applied) => all.extend(applied.inserted),
                Err(StoreError::Full(_)) => return true,
                Err(other) => panic!("{other}"),
            }
            false
        });
        assert!(full && all.len() > 1000, "{} messages", all.len());
        if round == 0 {
            for keys in all.chunks(70) {
                assert_eq!(remove(&store, keys), keys.len() as u64);
            }
        } else {
            assert_eq!(remove(&store, &all), all.len() as u64, "in one go");
        }
        assert_eq!(keys(&store), []);
    }
}

#[test]
fn a_message_that_never_fits_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 8 * MIB).unwrap();
    let group = group(1, 8 << 20);
    for _ in 0..2 {
        let outcome = store.apply(&Changes { insert: &group, ..Changes::default() });
        assert!(matches!(outcome, Err(StoreError::Full(_))), "{outcome:?}");
    }
    assert_eq!(counts(&store), (0, 0));
}
