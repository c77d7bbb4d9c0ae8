//! Giving room back: segments whose last messages are moved, an index that shrinks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::damage::segments;
use super::*;

fn tidy(store: &LogStore, now_ms: Millis) {
    while store.tidy(now_ms).unwrap() {}
}

#[test]
fn last_messages_of_old_segments_are_moved() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 50_000, ..options(dir.path()) };
    let store = LogStore::open(&options).unwrap();
    let messages: Vec<_> = (0..400).map(|i| message(MINUTE - 1, 1000 + i)).collect();
    let keys = insert(&store, &messages);
    let full = segments(dir.path());
    let stay: Vec<Key> = keys.iter().copied().step_by(60).collect();
    let go: Vec<Key> = keys.iter().copied().filter(|key| !stay.contains(key)).collect();
    remove(&store, &go);
    // One of them is due at another time than its record says.
    let reschedule = [(stay[1], NOW + 2000 * MINUTE)];
    let moved = store.apply(&Changes { reschedule: &reschedule, ..Changes::default() }).unwrap();
    let before: HashMap<u64, Message> = read(&store);
    tidy(&store, NOW + MINUTE);
    let there = segments(dir.path()).len();
    tidy(&store, NOW + 3 * MINUTE);
    let left = segments(dir.path());
    assert!(left.len() < there && left.len() <= 3, "{there} segments of {full:?}, then {left:?}");
    assert_eq!(read(&store), before);
    let key = moved.rescheduled[0].unwrap();
    assert_eq!(store.get(key).unwrap().unwrap().message, messages[60].message);
    drop(store);
    assert_eq!(read(&LogStore::open(&options).unwrap()), before);
}

/// All messages by their number.
fn read(store: &LogStore) -> HashMap<u64, Message> {
    let batch = store.load(Key::MIN, u64::MAX, usize::MAX, usize::MAX).unwrap();
    assert_eq!(batch.damaged, []);
    batch.held.into_iter().map(|held| (held.key.seq, held.message)).collect()
}

#[test]
fn index_shrinks_while_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { shrink_above: 1 << 20, ..options(dir.path()) };
    let store = LogStore::open(&options).unwrap();
    let mut keys = Vec::new();
    for _ in 0..20 {
        let group: Vec<_> = (0..2000).map(|i| message(i * 1000, 10)).collect();
        keys.extend(insert(&store, &group));
    }
    let file = dir.path().join("index.mdb");
    let before = file.metadata().unwrap().len();
    remove(&store, &keys[500..]);
    let expected = read(&store);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut times = 0;
            while !done.load(Ordering::Relaxed) || times == 0 {
                assert_eq!(read(&store), expected);
                times += 1;
            }
        });
        tidy(&store, NOW);
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    let after = file.metadata().unwrap().len();
    assert!(after * 4 < before, "{before} bytes, then {after}");
    assert_eq!(insert(&store, &[message(MINUTE, 10)])[0].seq, 40_001);
    drop(store);
    assert_eq!(read(&LogStore::open(&options).unwrap()).len(), 501);
}

#[test]
fn index_over_its_map_is_refused_with_a_size_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let group: Vec<_> = (0..5000).map(|i| message(i, 10)).collect();
    insert(&store, &group);
    drop(store);
    let small = Options { map_bytes: 64 << 10, ..options(dir.path()) };
    let Err(error) = LogStore::open(&small) else { panic!("opened") };
    let text = error.to_string();
    let (_, bytes) = text.rsplit_once("more than ").unwrap();
    let map_bytes = bytes.parse::<u64>().unwrap() + 1;
    let store = LogStore::open(&Options { map_bytes, ..small }).unwrap();
    assert_eq!(store.totals().unwrap().held, 5000);
}

/// Resident bytes of the map of the index.
fn resident_bytes() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let lines = maps.lines().skip_while(|line| !line.ends_with("/index.mdb"));
    let rss = lines.skip(1).find_map(|line| line.strip_prefix("Rss:")).unwrap();
    rss.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn pages_of_the_index_do_not_stay_resident() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let group: Vec<_> = (0..20_000).map(|i| message(i * 1000, 10)).collect();
    insert(&store, &group);
    let expected = read(&store);
    let before = resident_bytes();
    store.index().unwrap().give_back();
    let after = resident_bytes();
    assert!(before > 500_000 && after < 100_000, "{before} bytes, then {after}");
    assert_eq!(read(&store), expected);
}
