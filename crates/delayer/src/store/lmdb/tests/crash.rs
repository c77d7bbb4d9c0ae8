//! An end between the commits of the two files, and damage.

use std::fs;
use std::os::unix::fs::FileExt;

use super::{MIB, group, insert, keys, opened, remove};
use crate::message::{Key, Millis};
use crate::store::{Store, StoreError};

#[test]
fn a_group_that_only_the_data_has_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 8 * MIB).unwrap();
    let first = insert(&store, &group(5, 100));
    // What a crash after the first of the two commits leaves.
    let mut txn = store.data.env.write_txn().unwrap();
    store.data.insert(&mut txn, 6, &group(20, 100)).unwrap();
    txn.commit().unwrap();
    let count = |store: &super::LmdbStore| {
        let txn = store.data.env.read_txn().unwrap();
        store.data.databases()[0].len(&txn).unwrap()
    };
    assert_eq!(count(&store), 25);
    drop(store);
    let store = opened(dir.path(), 8 * MIB).unwrap();
    assert_eq!(count(&store), 5);
    assert_eq!(keys(&store), first);
    assert_eq!(insert(&store, &group(1, 10))[0].seq, 6);
}

#[test]
fn a_group_that_only_the_data_has_may_be_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 8 * MIB).unwrap();
    // What a failed commit of the index leaves when even the cut fails.
    let mut txn = store.data.env.write_txn().unwrap();
    store.data.insert(&mut txn, 1, &group(20, 3000)).unwrap();
    txn.commit().unwrap();
    let arrived = insert(&store, &group(5, 100));
    assert_eq!(keys(&store), arrived);
    assert_eq!(store.get(arrived[4]).unwrap().unwrap().message, group(5, 100)[4].message);
}

#[test]
fn damage_is_told_and_the_message_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 8 * MIB).unwrap();
    let mut messages = group(3, 10_000);
    messages[1].message.body = b"Hase".repeat(2500);
    let arrived = insert(&store, &messages);
    drop(store);
    let path = dir.path().join("data");
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|window| window == b"HaseHase").unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"Igel", at as u64 + 4000).unwrap();

    let store = opened(dir.path(), 8 * MIB).unwrap();
    let batch = store.load(Key::MIN, Millis::MAX, 9, usize::MAX).unwrap();
    let held: Vec<_> = batch.held.iter().map(|held| held.key).collect();
    assert_eq!(held, [arrived[0], arrived[2]]);
    let [(key, why)] = &batch.damaged[..] else { panic!("{batch:?}") };
    assert_eq!(*key, arrived[1]);
    let place = path.display().to_string();
    assert!(
        why.contains("message 2-2") && why.contains(&place) && why.contains("checksum"),
        "{why}"
    );
    match store.get(arrived[1]) {
        Err(StoreError::Away(text)) => assert_eq!(text, *why),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.totals().unwrap().held, 3);
    assert_eq!(store.list(Key::MIN, Millis::MAX, 9).unwrap().len(), 3);
    assert_eq!(remove(&store, &arrived), 3, "it can be given up");
}

#[test]
fn a_record_that_is_gone_is_damage_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 8 * MIB).unwrap();
    let arrived = insert(&store, &group(3, 100));
    let mut txn = store.data.env.write_txn().unwrap();
    store.data.remove(&mut txn, &[2]).unwrap();
    txn.commit().unwrap();
    let batch = store.load(Key::MIN, Millis::MAX, 9, usize::MAX).unwrap();
    assert_eq!(batch.damaged.len(), 1);
    assert!(batch.damaged[0].1.ends_with("its record is missing"), "{:?}", batch.damaged);
    let listed = store.list(Key::MIN, Millis::MAX, 9).unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key).collect::<Vec<_>>(), arrived);
    assert_eq!(listed[1].message_id, b"", "all that is known is its key");
    assert_eq!(store.find(b"an id", 9).unwrap().len(), 2);
}
