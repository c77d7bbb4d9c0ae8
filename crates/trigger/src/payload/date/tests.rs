//! Dates that people know.

use super::*;

#[track_caller]
fn check(seconds: u64, rfc: &str, us: &str) {
    assert_eq!(rfc3339(seconds).as_deref(), Some(rfc));
    assert_eq!(american(seconds).as_deref(), Some(us));
}

#[test]
fn seconds_are_dates() {
    check(0, "1970-01-01T00:00:00Z", "Jan 1, 1970, 12:00:00 AM");
    check(2021, "1970-01-01T00:33:41Z", "Jan 1, 1970, 12:33:41 AM");
    check(1_700_000_000, "2023-11-14T22:13:20Z", "Nov 14, 2023, 10:13:20 PM");
    check(951_782_400 + 43_200, "2000-02-29T12:00:00Z", "Feb 29, 2000, 12:00:00 PM");
    check(253_402_300_799, "9999-12-31T23:59:59Z", "Dec 31, 9999, 11:59:59 PM");
}

#[test]
fn there_are_no_dates_after_the_year_9999() {
    for seconds in [253_402_300_800, i64::MAX as u64, u64::MAX] {
        assert_eq!((rfc3339(seconds), american(seconds)), (None, None));
    }
}
