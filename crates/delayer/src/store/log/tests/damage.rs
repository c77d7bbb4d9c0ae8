//! Damaged and missing segments: what can be read is read, the rest is named and stays.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::store::StoreError;

/// Three messages in one segment, the second of which has a flipped bit so far behind its start.
fn damaged(at: usize) -> (tempfile::TempDir, LogStore, Vec<Key>, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let messages = [message(MINUTE, 3000), message(MINUTE, 3000), message(MINUTE, 3000)];
    let keys = insert(&store, &messages);
    let path = segments(dir.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let second = 16 + (bytes.len() - 16) / 3;
    bytes[second + at] ^= 4;
    fs::write(&path, bytes).unwrap();
    (dir, store, keys, path)
}

pub(super) fn segments(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    paths.sort();
    paths
}

#[test]
fn damaged_record_is_named_and_stays() {
    // The checksum, a length, the number, the body.
    for at in [0, 5, 8, 33, 2000] {
        let (_dir, store, keys, path) = damaged(at);
        let batch = store.load(Key::MIN, u64::MAX, 10, usize::MAX).unwrap();
        let read: Vec<Key> = batch.held.iter().map(|held| held.key).collect();
        assert_eq!(read, [keys[0], keys[2]], "byte {at}");
        let [(key, what)] = &batch.damaged[..] else { panic!("byte {at}: {:?}", batch.damaged) };
        assert_eq!(*key, keys[1]);
        let expected = format!("the record at offset 3086 of {}: ", path.display());
        assert!(what.starts_with(&expected), "{what}");
        assert!(matches!(store.get(keys[1]), Err(StoreError::Away(_))));
        let listed = store.list(Key::MIN, u64::MAX, 10).unwrap();
        assert_eq!(listed.iter().map(|entry| entry.key).collect::<Vec<_>>(), keys);
        assert_eq!(remove(&store, &keys).removed, 3, "it can be removed");
    }
}

#[test]
fn missing_segment_keeps_the_others_usable() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let keys = insert(&store, &[message(MINUTE, 10), message(60 * MINUTE, 10)]);
    drop(store);
    fs::remove_file(&segments(dir.path())[0]).unwrap();
    let store = open(dir.path());
    let batch = store.load(Key::MIN, u64::MAX, 10, usize::MAX).unwrap();
    assert_eq!(batch.held.len(), 1);
    assert_eq!(batch.damaged[0].0, keys[0]);
    assert_eq!(insert(&store, &[message(MINUTE, 10)]).len(), 1, "its class goes on elsewhere");
}

#[test]
fn damaged_segment_is_left_when_others_are_moved() {
    for is_damaged in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 10_000, ..options(dir.path()) };
        let store = LogStore::open(&options).unwrap();
        let keys = insert(&store, &[1, 2, 3, 4].map(|_| message(MINUTE, 2000)));
        remove(&store, &keys[1..]);
        let path = segments(dir.path()).remove(0);
        if is_damaged {
            let mut bytes = fs::read(&path).unwrap();
            bytes[1000] ^= 4;
            fs::write(&path, bytes).unwrap();
        }
        while store.tidy(NOW + 1000 * MINUTE).unwrap() {}
        assert_eq!(path.exists(), is_damaged);
        assert_eq!(store.get(keys[0]).is_err(), is_damaged);
        assert_eq!(store.totals().unwrap().held, 1);
    }
}
