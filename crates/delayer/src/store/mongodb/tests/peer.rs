//! The contract, on the MongoDB that `TEST_MONGODB` names, and what happens when it is away. Each
//! test has a collection of its own.

use std::time::Duration;

use mongodb::bson::{Document, doc};

use super::super::address::Address;
use super::super::document::part_ids;
use super::super::link::{Link, answer};
use super::super::{MongoStore, Options};
use super::proxy::Proxy;
use crate::message::{Key, Message, Millis, NewMessage};
use crate::store::contract::{Place, suite};
use crate::store::{Applied, Changes, OpenError, Store, StoreError};

/// The server, and the options of its address.
fn server() -> (String, String) {
    let server = std::env::var("TEST_MONGODB").expect(
        "needs TEST_MONGODB; run `cargo xtask with-peers -- cargo nextest run -p delayer`, or leave \
         these tests out with -E 'not test(peer)'",
    );
    let (server, options) = server.split_once("/?").unwrap_or((server.trim_end_matches('/'), ""));
    (server.to_owned(), options.to_owned())
}

/// The address of a new collection.
fn address() -> String {
    let (server, options) = server();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{server}/leveret_delayer_tests/t{}_{now}?{options}", std::process::id())
}

fn opened(address: &str) -> Result<MongoStore, OpenError> {
    let connect_timeout = Duration::from_secs(30);
    MongoStore::open(&Options { address: address.to_owned(), connect_timeout })
}

fn open(address: &str) -> Result<Box<dyn Store>, OpenError> {
    opened(address).map(|store| Box::new(store) as Box<dyn Store>)
}

fn link(address: &str) -> Link {
    Link::new(Address::parse(address).unwrap(), Duration::from_secs(30)).unwrap()
}

/// A collection that is dropped at the end.
struct Collection(String);

impl Drop for Collection {
    fn drop(&mut self) {
        let link = link(&self.0);
        let dropped = link.wait(answer(link.collection.drop()));
        if !std::thread::panicking() {
            dropped.unwrap();
        }
    }
}

fn place() -> Place {
    let address = address();
    Place {
        open,
        small: None,
        body_bytes_max: 20 << 20,
        atomic: false,
        slow: true,
        test: "",
        _keep: Box::new(Collection(address.clone())),
        address,
    }
}

suite!(place, server);

fn group(count: u64, bytes: usize) -> Vec<NewMessage> {
    let message = Message { body: vec![7; bytes], ..Message::default() };
    let new = |n| NewMessage {
        due_ms: n,
        stored_ms: n,
        message_id: Vec::new(),
        message: message.clone(),
    };
    (1..=count).map(new).collect()
}

fn insert(store: &MongoStore, group: &[NewMessage]) -> Result<Applied, StoreError> {
    store.apply(&Changes { insert: group, ..Changes::default() })
}

fn keys(store: &MongoStore) -> Vec<Key> {
    let batch = store.load(Key::MIN, Millis::MAX, usize::MAX, usize::MAX).unwrap();
    assert_eq!(batch.damaged, []);
    batch.held.iter().map(|held| held.key).collect()
}

/// How many documents the collection has, parts and all.
fn documents(address: &str) -> u64 {
    let link = link(address);
    link.wait(answer(link.collection.count_documents(doc! {}))).unwrap()
}

/// A store behind a proxy that loses answers to a command, and the collection's own address.
fn behind_a_proxy(command: &'static [u8]) -> (Proxy, MongoStore, Collection) {
    let address = address();
    let (direct, _) = server();
    let host = direct.trim_start_matches("mongodb://").to_owned();
    let proxy = Proxy::start(host.clone(), command);
    let through = address.replace(&host, &proxy.address.to_string());
    let connect_timeout = Duration::from_secs(2);
    let store = MongoStore::open(&Options { address: through, connect_timeout }).unwrap();
    (proxy, store, Collection(address))
}

#[test]
fn an_insert_whose_answer_is_lost_is_not_repeated() {
    let (proxy, store, _collection) = behind_a_proxy(b"insert\0");
    // The driver tries twice by itself: with three lost answers, two of our tries are unclear.
    proxy.lose(3);
    let arrived = insert(&store, &group(10, 100)).unwrap().inserted;
    assert_eq!(proxy.lost(), 3);
    assert_eq!(keys(&store), arrived);
    assert_eq!(store.totals().unwrap().held, 10);
}

#[test]
fn an_insert_that_was_given_up_leaves_nothing() {
    let (proxy, store, collection) = behind_a_proxy(b"insert\0");
    let first = insert(&store, &group(3, 100)).unwrap().inserted;
    proxy.lose(1000);
    let large = group(2, 16 << 20);
    for group in [&group(10, 100), &large] {
        let outcome = insert(&store, group);
        assert!(matches!(outcome, Err(StoreError::Away(_))), "{outcome:?}");
    }
    assert!(proxy.lost() > 3);
    proxy.lose(0);
    let second = insert(&store, &group(10, 100)).unwrap().inserted;
    let mut all = [first, second].concat();
    all.sort();
    assert_eq!(keys(&store), all);
    assert_eq!(store.totals().unwrap().held, 13);
    drop(store);
    assert_eq!(documents(&collection.0), 13 + 1, "and the one that says whose it is");
}

#[test]
fn a_removal_whose_answer_is_lost_is_done() {
    let (proxy, store, _collection) = behind_a_proxy(b"delete\0");
    let arrived = insert(&store, &group(5, 100)).unwrap().inserted;
    proxy.lose(2);
    let remove = |keys: &[Key]| store.apply(&Changes { remove: keys, ..Changes::default() });
    assert_eq!((remove(&arrived[..2]).unwrap().removed, proxy.lost()), (2, 2));
    assert_eq!(keys(&store), arrived[2..]);
    assert_eq!(store.totals().unwrap().held, 3);
    // One that is given up is done nevertheless, and counted.
    proxy.lose(1000);
    assert!(matches!(remove(&arrived[2..4]), Err(StoreError::Away(_))));
    proxy.lose(0);
    assert_eq!(remove(&arrived[2..4]).unwrap().removed, 0);
    assert_eq!(keys(&store), arrived[4..]);
    let totals = store.totals().unwrap();
    assert_eq!((totals.held, totals.held_bytes), (1, 100));
    assert_eq!(store.histogram(&[0, 60_000]).unwrap(), [1]);
}

#[test]
fn a_move_whose_answer_is_lost_is_done() {
    let (proxy, store, _collection) = behind_a_proxy(b"update\0");
    let arrived = insert(&store, &group(3, 100)).unwrap().inserted;
    proxy.lose(2);
    let moves = [(arrived[0], 500)];
    let applied = store.apply(&Changes { reschedule: &moves, ..Changes::default() }).unwrap();
    let moved = Key { due_ms: 500, ..arrived[0] };
    assert_eq!((applied.rescheduled, proxy.lost()), (vec![Some(moved)], 2));
    assert_eq!(keys(&store), [arrived[1], arrived[2], moved]);
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let (proxy, store, _collection) = behind_a_proxy(b"insert\0");
    let arrived = insert(&store, &group(3, 100)).unwrap().inserted;
    proxy.set_away(true);
    let outcome = insert(&store, &group(1, 100));
    let Err(StoreError::Away(why)) = outcome else { panic!("{outcome:?}") };
    assert!(why.contains(&proxy.address.to_string()), "{why}");
    assert!(matches!(store.totals(), Err(StoreError::Away(_))));
    let outcome = store.load(Key::MIN, Millis::MAX, 9, 9);
    assert!(matches!(outcome, Err(StoreError::Away(_))), "{outcome:?}");
    proxy.set_away(false);
    assert_eq!(keys(&store), arrived, "it is back");
    insert(&store, &group(1, 100)).unwrap();
    assert_eq!(store.totals().unwrap().held, 4);
}

#[test]
fn parts_without_their_message_are_removed_at_the_next_start() {
    let collection = Collection(address());
    let store = opened(&collection.0).unwrap();
    let arrived = insert(&store, &group(1, 16 << 20)).unwrap().inserted;
    drop(store);
    let before = documents(&collection.0);
    let orphan = |id: Document| doc! { "_id": id, "body": 1 };
    let orphans: Vec<_> = part_ids(9_999_999, 40 << 20).into_iter().map(orphan).collect();
    let link = link(&collection.0);
    link.wait(answer(link.collection.insert_many(orphans))).unwrap();
    assert_eq!(documents(&collection.0), before + 3);
    let store = opened(&collection.0).unwrap();
    assert_eq!(documents(&collection.0), before);
    assert_eq!(keys(&store), arrived);
}

#[test]
fn a_lost_part_is_damage() {
    let collection = Collection(address());
    let store = opened(&collection.0).unwrap();
    let arrived = insert(&store, &[group(1, 16 << 20), group(2, 10)].concat()).unwrap().inserted;
    let link = link(&collection.0);
    let part = part_ids(arrived[0].seq, 16 << 20).remove(1);
    link.wait(answer(link.collection.delete_one(doc! { "_id": part }))).unwrap();
    let batch = store.load(Key::MIN, Millis::MAX, 9, usize::MAX).unwrap();
    assert_eq!(batch.held.len(), 2);
    assert_eq!(batch.damaged[0].0, arrived[0]);
    assert!(batch.damaged[0].1.ends_with("a part of its body is missing"), "{:?}", batch.damaged);
    assert_eq!(store.list(Key::MIN, Millis::MAX, 9).unwrap().len(), 3);
    assert_eq!(
        store.apply(&Changes { remove: &arrived, ..Changes::default() }).unwrap().removed,
        3,
        "it can be given up"
    );
}

#[test]
fn a_collection_of_somebody_else_is_left_alone() {
    let collection = Collection(address());
    let link = link(&collection.0);
    link.wait(answer(link.collection.insert_one(doc! { "name": "Hase" }))).unwrap();
    match opened(&collection.0).map(drop) {
        Err(OpenError::Unusable { what, .. }) => assert!(what.contains("of its own"), "{what}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(documents(&collection.0), 1);
}

#[test]
fn a_second_delayer_stops_the_first_and_loses_nothing() {
    let collection = Collection(address());
    let one = opened(&collection.0).unwrap();
    insert(&one, &group(3, 10)).unwrap();
    assert!(!one.tidy(1_000_000).unwrap());
    let two = opened(&collection.0).unwrap();
    insert(&two, &group(3, 10)).unwrap();
    insert(&one, &group(3, 10)).unwrap();
    assert!(!one.tidy(1_004_000).unwrap(), "it looked a moment ago");
    let Err(StoreError::Broken(why)) = one.tidy(1_005_000) else { panic!("not noticed") };
    let named = format!("process {} on ", std::process::id());
    assert!(why.contains(&named) && why.contains("uses this collection too"), "{why}");
    assert!(!two.tidy(2_000_000).unwrap());
    assert_eq!(keys(&two).len(), 9);
}

#[test]
fn documents_of_somebody_else_are_not_written_over() {
    let collection = Collection(address());
    let store = opened(&collection.0).unwrap();
    let link = link(&collection.0);
    link.wait(answer(link.collection.insert_one(doc! { "_id": 2_i64, "name": "Hase" }))).unwrap();
    let outcome = insert(&store, &group(3, 10));
    let Err(StoreError::Broken(why)) = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("somebody else writes to this collection"), "{why}");
    let found = link.wait(answer(link.collection.find_one(doc! { "_id": 2_i64 }))).unwrap();
    assert_eq!(found.unwrap().get_str("name").unwrap(), "Hase");
}
