//! The calendar against known days, and every text against what it has to mean.

use proptest::prelude::*;

use super::*;

/// Independent of the code: from `date -u -d @…` and, beyond it, from the calendar's period.
const TABLE: &[(Millis, &str)] = &[
    (0, "1970-01-01T00:00:00.000Z"),
    (1, "1970-01-01T00:00:00.001Z"),
    (86_399_999, "1970-01-01T23:59:59.999Z"),
    (68_169_600_000, "1972-02-29T00:00:00.000Z"),
    (951_782_399_000, "2000-02-28T23:59:59.000Z"),
    (951_782_400_000, "2000-02-29T00:00:00.000Z"),
    (951_868_800_000, "2000-03-01T00:00:00.000Z"),
    (978_307_199_999, "2000-12-31T23:59:59.999Z"),
    (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
    (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
    (1_795_338_487_006, "2026-11-22T09:08:07.006Z"),
    (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
    (13_574_563_200_000, "2400-02-29T00:00:00.000Z"),
    (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    (253_402_300_800_000, "+10000-01-01T00:00:00.000Z"),
    (LATEST, "+292278994-08-17T07:12:55.807Z"),
];

#[test]
fn times_are_written_and_read_in_utc() {
    for (at_ms, text) in TABLE {
        assert_eq!(rfc3339(*at_ms), *text);
        assert_eq!(parse(text, 0), Ok(*at_ms), "{text}");
    }
}

#[test]
fn every_day_of_800_years_follows_the_one_before() {
    let (mut year, mut month, mut day) = (1970, 1, 1);
    for number in 0..DAYS_OF_ERA * 2 {
        assert_eq!(date(number), (year, month as u32, day as u32));
        assert_eq!(days(year, month, day), number);
        day += 1;
        if day > days_of_month(year, month) {
            (day, month) = (1, month + 1);
        }
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
}

#[test]
fn any_offset_and_any_fraction_is_read() {
    for (text, expected) in [
        ("2026-11-22T09:08:07Z", 1_795_338_487_000),
        ("2026-11-22t09:08:07z", 1_795_338_487_000),
        ("2026-11-22 09:08:07Z", 1_795_338_487_000),
        ("2026-11-22T11:08:07+02:00", 1_795_338_487_000),
        ("2026-11-22T11:08:07 02:00", 1_795_338_487_000),
        ("2026-11-21T23:38:07-09:30", 1_795_338_487_000),
        ("2026-11-22T09:08:07-00:00", 1_795_338_487_000),
        ("2026-11-22T09:08:07.5Z", 1_795_338_487_500),
        ("2026-11-22T09:08:07.0069999Z", 1_795_338_487_006),
        ("1969-12-31T23:00:00-01:00", 0),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("0", 0),
        ("1795338487006", 1_795_338_487_006),
        ("9223372036854775807", LATEST),
        ("+002026-11-22T09:08:07Z", 1_795_338_487_000),
        ("now", 5_000),
        ("+0s", 5_000),
        ("+90s", 95_000),
        (" 90s", 95_000),
        ("+250ms", 5_250),
        ("+1.5h", 5_405_000),
        ("+2d", 172_805_000),
    ] {
        assert_eq!(parse(text, 5_000), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused_with_the_reason() {
    let expected = "expected a time such as";
    for (text, reason) in [
        ("", expected),
        ("tomorrow", expected),
        ("2026-11-22", expected),
        ("2026-11-22T09:08", expected),
        ("2026-11-22T09:08:07", expected),
        ("2026-11-22T09:08:07Z ", expected),
        ("2026-13-22T09:08:07Z", expected),
        ("2026-00-22T09:08:07Z", expected),
        ("2026-02-29T09:08:07Z", expected),
        ("2100-02-29T09:08:07Z", expected),
        ("2026-04-31T09:08:07Z", expected),
        ("2026-11-00T09:08:07Z", expected),
        ("2026-11-22T24:00:00Z", expected),
        ("2026-11-22T09:60:00Z", expected),
        ("2026-11-22T09:08:61Z", expected),
        ("2026-11-22T09:08:07.Z", expected),
        ("2026-11-22T09:08:07+2", expected),
        ("2026-11-22T09:08:07+24:00", expected),
        ("12026-11-22T09:08:07Z", expected),
        ("1.5", expected),
        ("-5", expected),
        ("+9", "expected a duration"),
        ("+s", "expected a duration"),
        ("+1.s", "expected a duration"),
        ("+1.2.3s", "expected a duration"),
        ("+5 weeks", "expected a duration"),
        ("+99999999999999999999s", "too long"),
        ("+300000000y", "expected a duration"),
        ("+1000000000-01-01T00:00:00Z", expected),
        ("+9223372036854775807ms", "later than +292278994-08-17"),
        ("9223372036854775808", "later than"),
        ("99999999999999999999999", "later than"),
        ("+292278994-08-17T07:12:55.808Z", "later than"),
        ("+999999999-01-01T00:00:00Z", "later than"),
        ("1969-12-31T23:59:59Z", "before 1970"),
        ("0000-01-01T00:00:00Z", "before 1970"),
        ("1970-01-01T00:00:00+00:01", "before 1970"),
    ] {
        let refused = parse(text, 5_000).expect_err(text);
        assert!(refused.contains(reason), "{text}: {refused}");
    }
}

#[test]
fn spans_show_their_two_largest_units() {
    for (ms, expected) in [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (60_000, "1 min"),
        (61_999, "1 min 1 s"),
        (7_500_000, "2 h 5 min"),
        (7_200_059, "2 h"),
        (172_800_000, "2 d"),
        (86_400_000 * 400, "1 y 35 d"),
    ] {
        assert_eq!(span(ms), expected);
    }
    assert_eq!(relative(10_500, 10_000), "now");
    assert_eq!(relative(15_000, 10_000), "in 5 s");
    assert_eq!(relative(10_000, 75_000), "1 min 5 s ago");
    assert_eq!(readable(1_795_338_487_006), "2026-11-22 09:08:07 UTC");
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(at_ms in 0..=LATEST) {
        prop_assert_eq!(parse(&rfc3339(at_ms), 0), Ok(at_ms));
    }

    #[test]
    fn no_text_is_too_much(text in "\\PC*", now_ms in 0..=LATEST) {
        let _ = parse(&text, now_ms);
        let _ = parse_span(&text);
    }

    #[test]
    fn texts_that_look_like_times_are_safe(
        text in "[+ ]?[0-9]{1,22}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]*)?(Z|[+-][0-9]{2}:[0-9]{2})"
    ) {
        if let Ok(at_ms) = parse(&text, 0) {
            prop_assert!(at_ms <= LATEST);
        }
    }
}
