//! Times and durations as people write and read them: RFC 3339 in UTC, `+90s`, `in 2 h 5 min`.
//!
//! Years above 9999 have a sign and as many digits as they need, as ISO 8601 has it: the
//! last millisecond that can be told is in the year 292278994. No time zones but offsets, no leap
//! seconds: second 60 is the first one of the next minute.

#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub type Millis = u64;

/// The latest time that can be written and read, in the year 292278994.
pub const LATEST: Millis = i64::MAX as Millis;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Days of 400 years, after which the calendar repeats.
const DAYS_OF_ERA: i64 = 146_097;

/// Days from 0000-03-01, where a year of this calculation begins, to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// Digits of a year after a sign. More could not be told, and would not fit into the calculation.
const YEAR_DIGITS_MAX: usize = 9;

/// The present.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(LATEST).min(LATEST)
}

/// Year, month and day of a number of days after 1970-01-01.
fn date(days: i64) -> (i64, u32, u32) {
    let days = days + DAYS_TO_1970;
    let (era, day) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    // Leaves out the leap days that are behind, so that each year has 365 days.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 31 and 30 days in turn, five of them 153 together.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month as u32, day as u32)
}

/// Days from 1970-01-01 to a date that exists.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = 365 * year + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1;
    era * DAYS_OF_ERA + day - DAYS_TO_1970
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `2026-11-22T09:08:07.006Z`.
pub fn rfc3339(at_ms: Millis) -> String {
    let (year, month, day) = date((at_ms / DAY) as i64);
    let plus = if year > 9999 { "+" } else { "" };
    let (hour, minute) = (at_ms % DAY / HOUR, at_ms % HOUR / MINUTE);
    let (second, milli) = (at_ms % MINUTE / SECOND, at_ms % SECOND);
    format!("{plus}{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// `2026-11-22 09:08:07 UTC`, to the second.
pub fn readable(at_ms: Millis) -> String {
    let text = rfc3339(at_ms);
    format!("{} UTC", text[..text.len() - 5].replace('T', " "))
}

/// The two largest units of a duration: `2 h 5 min`.
pub fn span(ms: u64) -> String {
    const UNITS: &[(u64, &str)] =
        &[(365 * DAY, "y"), (DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")];
    let Some(first) = UNITS.iter().position(|(unit, _)| ms >= *unit) else {
        return format!("{ms} ms");
    };
    let (unit, name) = UNITS[first];
    let rest = UNITS.get(first + 1).map(|(next, name)| (ms % unit / next, name));
    match rest {
        Some((count, rest)) if count > 0 => format!("{} {name} {count} {rest}", ms / unit),
        _ => format!("{} {name}", ms / unit),
    }
}

/// How far a time is from now: `in 5 s`, `2 h 5 min ago`, `now`.
pub fn relative(at_ms: Millis, now_ms: Millis) -> String {
    match at_ms.abs_diff(now_ms) {
        0..SECOND => "now".into(),
        ahead if at_ms > now_ms => format!("in {}", span(ahead)),
        behind => format!("{} ago", span(behind)),
    }
}

/// Reads a duration with its unit, `ms`, `s`, `m`, `h` or `d`, such as `90s` or `1.5h`; says what
/// was expected.
pub fn parse_span(text: &str) -> Result<u64, String> {
    let refused = || format!("expected a duration such as 90s, 15m, 2h or 1d, got {text:?}");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refused)?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => SECOND,
        "m" | "min" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return Err(refused()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let too_long = || format!("the duration {text:?} is too long");
    let whole = digits_of(whole).ok_or_else(refused)?.ok_or_else(too_long)?;
    if part.is_empty() || part.len() > 9 || part.contains('.') {
        return Err(refused());
    }
    let scale = 10_u64.pow(part.len() as u32);
    let part = part.parse::<u64>().map_err(|_| refused())?;
    let part = u128::from(part) * u128::from(unit) / u128::from(scale);
    let whole = whole.checked_mul(unit).ok_or_else(too_long)?;
    whole.checked_add(part as u64).ok_or_else(too_long)
}

/// `None` unless there are digits and nothing else, `Some(None)` when the number is too large.
#[expect(clippy::option_option, reason = "two different refusals")]
fn digits_of(text: &str) -> Option<Option<u64>> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())
}

/// Reads a point in time: RFC 3339, Unix milliseconds, `now`, or `+` and a duration from now. A
/// query's `+` arrives as a space, which is taken for one. Says what was expected.
pub fn parse(text: &str, now_ms: Millis) -> Result<Millis, String> {
    if text == "now" {
        return Ok(now_ms);
    }
    let late = || format!("{text:?} is later than {}", rfc3339(LATEST));
    if let Some(number) = digits_of(text) {
        return number.filter(|ms| *ms <= LATEST).ok_or_else(late);
    }
    if let Some(ahead) = text.strip_prefix(['+', ' '])
        && !ahead.contains('-')
    {
        let at_ms = now_ms.checked_add(parse_span(ahead)?);
        return at_ms.filter(|ms| *ms <= LATEST).ok_or_else(late);
    }
    match parse_rfc3339(text) {
        Some(Some(at_ms)) if at_ms < 0 => Err(format!("{text:?} is before 1970")),
        Some(Some(at_ms)) if at_ms as u64 <= LATEST => Ok(at_ms as u64),
        Some(_) => Err(late()),
        None => Err(format!(
            "expected a time such as 2026-11-22T09:08:07Z, Unix milliseconds or +90s, got {text:?}"
        )),
    }
}

/// Milliseconds after 1970; `None` when the text is no time, `Some(None)` when it is too far away.
#[expect(clippy::option_option, reason = "two different refusals")]
fn parse_rfc3339(text: &str) -> Option<Option<i64>> {
    let mut scan = Scan(text.as_bytes());
    let signed = scan.take(b"+ ");
    let year = scan.number(4, if signed { YEAR_DIGITS_MAX } else { 4 })?;
    scan.expect(b"-")?;
    let month = scan.number(2, 2).filter(|month| (1..=12).contains(month))?;
    scan.expect(b"-")?;
    let day = scan.number(2, 2).filter(|day| (1..=days_of_month(year, month)).contains(day))?;
    scan.expect(b"Tt ")?;
    let hour = scan.number(2, 2).filter(|hour| *hour < 24)?;
    scan.expect(b":")?;
    let minute = scan.number(2, 2).filter(|minute| *minute < 60)?;
    scan.expect(b":")?;
    let second = scan.number(2, 2).filter(|second| *second <= 60)?;
    let milli = if scan.take(b".") { scan.fraction()? } else { 0 };
    let offset = scan.offset()?;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + (minute - offset) * 60 + second;
    Some(seconds.checked_mul(1_000).and_then(|ms| ms.checked_add(milli)))
}

/// What is left of a text.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    /// Whether one of `any` came next; it is behind now.
    fn take(&mut self, any: &[u8]) -> bool {
        let found = self.0.first().is_some_and(|first| any.contains(first));
        self.0 = &self.0[usize::from(found)..];
        found
    }

    fn expect(&mut self, any: &[u8]) -> Option<()> {
        self.take(any).then_some(())
    }

    fn digits(&mut self, max: usize) -> &[u8] {
        let count = self.0.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        digits
    }

    fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let digits = self.digits(max);
        let value = |sum, digit: &u8| sum * 10 + i64::from(digit - b'0');
        (digits.len() >= min).then(|| digits.iter().fold(0, value))
    }

    /// Milliseconds of a fraction of a second; further digits are cut off.
    fn fraction(&mut self) -> Option<i64> {
        let digits = self.digits(usize::MAX);
        let padded = digits.iter().copied().chain([b'0'; 3]).take(3);
        (!digits.is_empty()).then(|| padded.fold(0, |sum, d| sum * 10 + i64::from(d - b'0')))
    }

    /// Minutes east of Greenwich, at the end of the text.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.0.first()? {
            b'Z' | b'z' => 0,
            b'+' | b' ' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.0 = &self.0[1..];
        let mut minutes = 0;
        if sign != 0 {
            minutes = self.number(2, 2).filter(|hours| *hours < 24)? * 60;
            self.expect(b":")?;
            minutes += self.number(2, 2).filter(|minutes| *minutes < 60)?;
        }
        self.0.is_empty().then_some(sign * minutes)
    }
}
