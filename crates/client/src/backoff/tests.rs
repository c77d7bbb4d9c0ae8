//! Waits, rounds and resets.

use super::*;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

#[test]
fn waits_double_to_thirty_seconds_and_differ_by_seed() {
    let mut backoff = Backoff::new(1, Pauses::default(), 7);
    let mut expected = FIRST;
    for _ in 0..20 {
        let wait = backoff.failed();
        assert!(wait <= expected && wait >= expected / 2, "{wait:?} for {expected:?}");
        expected = (expected * 2).min(LONGEST);
    }
    assert_eq!(backoff.failures(), 20);
    backoff.reset();
    assert!(backoff.failed() <= FIRST);
    assert_ne!(
        Backoff::new(1, Pauses::default(), 1).failed(),
        Backoff::new(1, Pauses::default(), 2).failed()
    );
}

#[test]
fn every_failure_moves_on_and_a_round_doubles() {
    let mut backoff = Backoff::new(3, Pauses::default(), 1);
    let mut tried = Vec::new();
    for failure in 0..6 {
        tried.push(backoff.address());
        let longest = FIRST * if failure < 3 { 1 } else { 2 };
        assert!(backoff.failed() <= longest);
    }
    assert_eq!(tried, [0, 1, 2, 0, 1, 2]);
    backoff.failed();
    backoff.reset();
    assert_eq!(backoff.address(), 1);
}

#[test]
fn no_address_is_one_that_fails() {
    let mut backoff = Backoff::new(0, Pauses::default(), 1);
    backoff.failed();
    assert_eq!(backoff.address(), 0);
}
