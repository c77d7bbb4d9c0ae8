//! The contract, and what only this store promises.

mod crash;
mod directory;
mod garbage;

use std::path::Path;

use super::{LmdbStore, Options};
use crate::message::{Key, Message, Millis, NewMessage};
use crate::store::contract::{Place, patiently, suite};
use crate::store::{Changes, OpenError, Store};

const MIB: u64 = 1 << 20;

fn sized(dir: &str, map_bytes: u64) -> Result<Box<dyn Store>, OpenError> {
    let options = Options { dir: Path::new(dir).to_owned(), map_bytes };
    LmdbStore::open(&options).map(|store| Box::new(store) as Box<dyn Store>)
}

fn opened(dir: &Path, map_bytes: u64) -> Result<LmdbStore, OpenError> {
    let options = Options { dir: dir.to_owned(), map_bytes };
    patiently(|| LmdbStore::open(&options))
}

fn place() -> Place {
    Place::directory(|dir| sized(dir, 4096 * MIB), (|dir| sized(dir, 8 * MIB), 10_000))
}

suite!(place);

/// Messages with bodies of so many bytes, due one after the other.
fn group(count: u64, bytes: usize) -> Vec<NewMessage> {
    let message = |n: u64| Message { body: vec![n as u8; bytes], ..Message::default() };
    (1..=count)
        .map(|n| NewMessage {
            due_ms: n,
            stored_ms: n,
            message_id: b"an id".to_vec(),
            message: message(n),
        })
        .collect()
}

fn insert(store: &LmdbStore, group: &[NewMessage]) -> Vec<Key> {
    store.apply(&Changes { insert: group, ..Changes::default() }).unwrap().inserted
}

fn remove(store: &LmdbStore, keys: &[Key]) -> u64 {
    store.apply(&Changes { remove: keys, ..Changes::default() }).unwrap().removed
}

/// The keys of all messages, none of them damaged.
fn keys(store: &LmdbStore) -> Vec<Key> {
    let batch = store.load(Key::MIN, Millis::MAX, usize::MAX, usize::MAX).unwrap();
    assert_eq!(batch.damaged, []);
    batch.held.iter().map(|held| held.key).collect()
}
