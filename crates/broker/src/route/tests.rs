//! The cache of a channel.

use super::{RouteCache, SLOTS_MAX};
use crate::QueueId;

#[test]
fn an_entry_is_found_under_its_own_name_and_epoch() {
    let mut cache = RouteCache::new(1);
    assert_eq!(cache.get(1, b"x", b"key"), None);
    assert!(cache.slots.is_empty(), "a channel that never publishes has no slots");
    cache.insert(1, b"x", b"key", &[QueueId(1, 1)]);
    cache.insert(1, b"", b"", &[]);
    assert_eq!(cache.get(1, b"x", b"key"), Some(&[QueueId(1, 1)][..]));
    assert_eq!(cache.get(1, b"", b""), Some(&[][..]), "a route to nowhere is one");
    assert_eq!(cache.get(2, b"x", b"key"), None);
    assert_eq!(cache.get(1, b"xk", b"ey"), None);
    assert_eq!(cache.get(1, b"", b"xkey"), None);
    cache.insert(2, b"x", b"key", &[QueueId(2, 1)]);
    assert_eq!(cache.get(2, b"x", b"key"), Some(&[QueueId(2, 1)][..]));
}

#[test]
fn it_grows_with_the_keys_in_use_up_to_a_limit() {
    let mut cache = RouteCache::new(1);
    let keys: Vec<_> = (0..20_000u32).map(|n| n.to_string()).collect();
    for (n, key) in keys.iter().enumerate() {
        cache.insert(1, b"x", key.as_bytes(), &[QueueId(n as u32, 0)]);
    }
    assert_eq!(cache.slots.len(), SLOTS_MAX);
    let mut found = 0;
    for (n, key) in keys.iter().enumerate() {
        if let Some(queues) = cache.get(1, b"x", key.as_bytes()) {
            assert_eq!(queues, [QueueId(n as u32, 0)]);
            found += 1;
        }
    }
    assert!(found > SLOTS_MAX / 2, "{found} of the last keys are kept");
    let mut small = RouteCache::new(1);
    for key in &keys[..4] {
        small.insert(1, b"x", key.as_bytes(), &[]);
    }
    assert!(small.slots.len() <= 32);
}
