//! The store against a model, faults, damage, kills and time.

use std::path::Path;

use super::{LogStore, Options};
use crate::message::{Key, Message, Millis, NewMessage};
use crate::store::contract::{Place, suite};
use crate::store::{Applied, Changes, OpenError, Store};

mod damage;
mod faults;
mod model;
mod room;

fn sized(dir: &str, map_bytes: u64) -> Result<Box<dyn Store>, OpenError> {
    let options = Options { map_bytes, ..Options::new(dir) };
    LogStore::open(&options).map(|store| Box::new(store) as Box<dyn Store>)
}

fn place() -> Place {
    Place::directory(|dir| sized(dir, 4 << 30), (|dir| sized(dir, 512 << 10), 10))
}

suite!(place);

const NOW: Millis = 1_700_000_000_000;
const MINUTE: Millis = 60_000;

fn options(dir: &Path) -> Options {
    // One sync after the other: the same faults hit the same operations.
    Options { map_bytes: 64 << 20, syncs_at_once: 1, ..Options::new(dir) }
}

fn open(dir: &Path) -> LogStore {
    LogStore::open(&options(dir)).unwrap()
}

/// A message with a body of so many bytes, due so long after [`NOW`].
fn message(delay_ms: Millis, body: usize) -> NewMessage {
    NewMessage {
        due_ms: NOW + delay_ms,
        stored_ms: NOW,
        message_id: Vec::new(),
        message: Message {
            exchange: b"amq.direct".to_vec(),
            routing_key: b"outbox".to_vec(),
            properties: vec![0x80, 0, 3, b'a', b'/', b'b'],
            body: (0..body).map(|i| (i * 7 + body) as u8).collect(),
        },
    }
}

fn insert(store: &LogStore, messages: &[NewMessage]) -> Vec<Key> {
    store.apply(&Changes { insert: messages, ..Changes::default() }).unwrap().inserted
}

fn remove(store: &LogStore, keys: &[Key]) -> Applied {
    store.apply(&Changes { remove: keys, ..Changes::default() }).unwrap()
}

#[test]
fn messages_come_back_in_due_order_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let messages = [message(3 * MINUTE, 10), message(MINUTE, 40_000), message(500 * MINUTE, 0)];
    let store = open(dir.path());
    let keys = insert(&store, &messages);
    assert_eq!(remove(&store, &keys[2..]).removed, 1);
    drop(store);
    let store = open(dir.path());
    let batch = store.load(Key::MIN, u64::MAX, 10, usize::MAX).unwrap();
    let bodies: Vec<_> = batch.held.iter().map(|held| &held.message).collect();
    assert_eq!(bodies, [&messages[1].message, &messages[0].message]);
    assert_eq!(batch.held[0].key, keys[1]);
    assert_eq!((batch.damaged, batch.next), (vec![], None));
    assert_eq!(insert(&store, &messages[..1])[0].seq, 4, "a number is never used again");
}

#[test]
fn second_opening_names_the_holder() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let Err(error) = LogStore::open(&options(dir.path())) else { panic!("opened twice") };
    let pid = std::process::id();
    assert!(error.to_string().contains(&format!("used by process {pid};")), "{error}");
}

#[test]
fn foreign_files_and_other_versions_are_refused() {
    for (name, text, expected) in [
        ("data.mdb", "", "holds \"data.mdb\", which is not this storage's"),
        ("format", "leveret delayer log 2\n", "is of version \"2\""),
        ("format", "leveret delayer lmdb 1\n", "another kind, \"leveret delayer lmdb 1\""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        let Err(error) = LogStore::open(&options(dir.path())) else { panic!("opened {name}") };
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(std::fs::read_to_string(dir.path().join(name)).unwrap(), text);
    }
}

#[test]
fn lost_index_is_not_taken_for_an_empty_store() {
    let dir = tempfile::tempdir().unwrap();
    insert(&open(dir.path()), &[message(MINUTE, 10)]);
    let lost = dir.path().join("index.mdb");
    std::fs::rename(&lost, dir.path().join("elsewhere")).unwrap();
    let Err(error) = LogStore::open(&options(dir.path())) else { panic!("opened") };
    assert!(error.to_string().contains("but no index.mdb"), "{error}");
    std::fs::rename(dir.path().join("elsewhere"), lost).unwrap();
    assert_eq!(open(dir.path()).totals().unwrap().held, 1);
}
