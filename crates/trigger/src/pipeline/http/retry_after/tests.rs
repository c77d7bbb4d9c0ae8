//! Seconds, dates and nonsense; against a model.

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn seconds_dates_and_nonsense() {
    let table: &[(&str, Option<u64>)] = &[
        ("120", Some(120)),
        (" 5 ", Some(5)),
        ("0", None),
        ("600", Some(600)),
        ("601", Some(600)),
        ("99999999999999999999999999", Some(600)),
        ("Sun, 06 Nov 1994 08:50:00 GMT", Some(23)),
        ("Sunday, 06-Nov-94 08:50:00 GMT", Some(23)),
        ("Sun Nov  6 08:50:00 1994", Some(23)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:30 GMT", None),
        ("Tue, 06 Nov 2029 08:49:30 GMT", Some(600)),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ];
    for (value, expected) in table {
        let pause = pause(value, at(784_111_777));
        assert_eq!(pause, expected.map(Duration::from_secs), "{value:?}");
    }
}

proptest! {
    #[test]
    fn a_date_is_as_good_as_its_seconds(now in 0_u64..4_000_000_000, ahead in 0_u64..2000) {
        let model = (ahead > 0).then(|| Duration::from_secs(ahead.min(600)));
        prop_assert_eq!(pause(&ahead.to_string(), at(now)), model);
        prop_assert_eq!(pause(&httpdate::fmt_http_date(at(now + ahead)), at(now)), model);
    }

    #[test]
    fn nothing_makes_a_pause_longer_than_the_limit(value in ".*", now in 0_u64..4_000_000_000) {
        prop_assert!(pause(&value, at(now)).is_none_or(|pause| pause <= PAUSE_MAX));
    }
}
