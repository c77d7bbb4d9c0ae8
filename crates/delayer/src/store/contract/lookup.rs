//! Single messages, lists and searches.

use super::{Place, all, entry, held, insert, message, remove};
use crate::message::{Key, Message, Millis, NewMessage};

pub(crate) fn a_message_comes_back_as_it_was(place: &Place) {
    let store = place.open();
    let every_byte: Vec<u8> = (0..=255).collect();
    let message = Message {
        exchange: every_byte[..255].to_vec(),
        routing_key: every_byte[1..].to_vec(),
        properties: every_byte.repeat(300),
        body: every_byte.repeat(5),
    };
    let full = NewMessage { due_ms: 9, stored_ms: 1 << 62, message_id: every_byte, message };
    let empty =
        NewMessage { due_ms: 8, stored_ms: 0, message_id: Vec::new(), message: Message::default() };
    let arrived = insert(&*store, &[full.clone(), empty.clone()]);
    let check = |store: &dyn crate::store::Store| {
        assert_eq!(store.get(arrived[0]).unwrap(), Some(held(arrived[0], &full)));
        assert_eq!(store.get(arrived[1]).unwrap(), Some(held(arrived[1], &empty)));
        assert_eq!(store.get(Key { due_ms: 8, ..arrived[0] }).unwrap(), None);
        assert_eq!(store.get(Key::MIN).unwrap(), None);
        assert_eq!(all(store), [held(arrived[1], &empty), held(arrived[0], &full)]);
        let listed = store.list(Key::MIN, Millis::MAX, 9).unwrap();
        assert_eq!(listed, [entry(arrived[1], &empty), entry(arrived[0], &full)]);
    };
    check(&*store);
    drop(store);
    check(&*place.open());
}

pub(crate) fn lists_are_paged_by_key(place: &Place) {
    let store = place.open();
    let group: Vec<_> = (0..25).map(|n| message(n, 100 + n / 4)).collect();
    let arrived = insert(&*store, &group);
    let expected: Vec<_> = arrived.iter().zip(&group).map(|(key, new)| entry(*key, new)).collect();
    let mut pages = Vec::new();
    let mut after = Key::MIN;
    for count in [7, 7, 7, 4, 0] {
        let page = store.list(after, Millis::MAX, 7).unwrap();
        assert_eq!(page.len(), count);
        after = page.last().map_or(after, |last| last.key);
        pages.extend(page);
    }
    assert_eq!(pages, expected);
    assert_eq!(store.list(Key::MIN, 101, 100).unwrap(), expected[..8], "due by a time");
    assert_eq!(store.list(arrived[2], 101, 100).unwrap(), expected[3..8]);
    assert_eq!(store.list(Key::MIN, 99, 100).unwrap(), []);
    assert_eq!(store.list(Key::MIN, Millis::MAX, 0).unwrap(), []);
}

pub(crate) fn messages_are_found_by_their_message_id(place: &Place) {
    let store = place.open();
    let named = |id: &str, due| NewMessage { message_id: id.into(), ..message(due, due) };
    let group = [named("twice", 30), named("once", 20), named("", 5), named("twice", 10)];
    let arrived = insert(&*store, &group);
    let find = |id: &str, most| store.find(id.as_bytes(), most).unwrap();
    let at = |i: usize| entry(arrived[i], &group[i]);
    assert_eq!(find("twice", 9), [at(3), at(0)], "in the order of their keys");
    assert_eq!(find("twice", 1), [at(3)]);
    assert_eq!(find("twice", 0), []);
    assert_eq!(find("once", 9), [at(1)]);
    assert_eq!(find("onc", 9), []);
    assert_eq!(find("once ", 9), []);
    assert_eq!(find("", 9), [], "no message-id is no name");
    assert_eq!(remove(&*store, &[arrived[3], arrived[1]]), 2);
    assert_eq!(find("twice", 9), [at(0)]);
    assert_eq!(find("once", 9), []);
}

pub(crate) fn any_bytes_may_be_a_message_id(place: &Place) {
    let store = place.open();
    let ids: [&[u8]; 6] = [&[0], &[0, 0], &[0xff; 255], b"\xc3\x28 not utf-8", b"$where", &[0x80]];
    let group: Vec<_> = (1..)
        .zip(ids)
        .map(|(n, id)| NewMessage { message_id: id.to_vec(), ..message(n, 10) })
        .collect();
    let arrived = insert(&*store, &group);
    drop(store);
    let store = place.open();
    for (i, id) in ids.into_iter().enumerate() {
        assert_eq!(store.find(id, 9).unwrap(), [entry(arrived[i], &group[i])], "{id:?}");
    }
}
