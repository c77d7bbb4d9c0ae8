//! Keys, ids and counts; what users see is tested in `tests/it/delayed.rs`.

mod model;

use super::room::Key;
use super::{DelayedId, DelayedStats};

#[test]
fn keys_sort_by_time_and_then_by_arrival() {
    let times = [0, 1, 4_294_967_296, (1 << 48) - 1];
    let mut keys: Vec<_> =
        times.iter().flat_map(|due| times.map(|seq| Key::new(*due, seq))).collect();
    for (key, at) in keys.iter().zip(0..) {
        assert_eq!((key.due(), key.seq()), (times[at / 4], times[at % 4]));
    }
    let sorted = keys.clone();
    keys.reverse();
    keys.sort();
    assert_eq!(keys, sorted);
}

#[test]
fn an_id_is_a_word_that_can_be_typed_again() {
    let id: DelayedId = "1000004.19a.0".parse().expect("an id");
    assert_eq!(id.to_string(), "1000004.19a.0");
    for wrong in
        ["", "1", "1.2", "1.2.3.4", "1.2.x", "1..3", "+1.2.3", "1.fffffffffffff.3", "1.2.3 "]
    {
        let error = wrong.parse::<DelayedId>().expect_err("no id");
        let text =
            format!("'{wrong}' is not the id of a delayed message: take one from the listing");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn lateness_falls_into_the_first_bucket_that_holds_it() {
    let mut stats = DelayedStats::default();
    for late in [0, 1, 2, 3, 10, 11, 10_000, 10_001] {
        stats.count_late(late);
    }
    assert_eq!(stats.late, [2, 1, 1, 1, 1, 0, 0, 1, 1]);
    assert_eq!(stats.late_sum_ms, 20_028);
}
