//! The property `timestamp` as dates, in UTC.

#[cfg(test)]
mod tests;

use time::OffsetDateTime;

/// `2023-11-14T22:13:20Z`; `None` after the year 9999, which RFC 3339 cannot write.
pub(super) fn rfc3339(seconds: u64) -> Option<String> {
    let at = utc(seconds)?;
    let (date, (hour, minute, second)) = (at.date(), at.to_hms());
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// `Nov 14, 2023, 10:13:20 PM`, as Java writes it for the United States; `None` after the year
/// 9999.
pub(super) fn american(seconds: u64) -> Option<String> {
    let at = utc(seconds)?;
    let (year, month, day) = (at.year(), at.month().to_string(), at.day());
    let (hour, minute, second) = at.to_hms();
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = (hour + 11) % 12 + 1;
    Some(format!("{} {day}, {year}, {hour}:{minute:02}:{second:02} {half}", &month[..3]))
}

fn utc(seconds: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}
