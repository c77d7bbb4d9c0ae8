//! How numbers, sizes and names that may hold anything are shown to people.

#[cfg(test)]
mod tests;

/// Characters of a name that are shown; the rest is cut off.
const NAME_CHARS_MAX: usize = 100;

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 message`, `2,000 messages`.
pub fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: &[(u32, &str)] = &[(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match UNITS.iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}

/// A name as text of limited length. What is not UTF-8, controls the terminal or turns the
/// direction of writing is shown as `�`.
pub fn name(bytes: &[u8]) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text = String::from_utf8_lossy(bytes);
    let shown = |c: char| if hidden(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut out: String = text.chars().take(NAME_CHARS_MAX).map(shown).collect();
    if text.chars().nth(NAME_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}
