//! Lifetime classes: messages that will wait about equally long share segments, so that they leave
//! together and their segment can be removed.

use crate::message::Millis;

/// How many classes there are, and thus how many files are written to at a time.
pub(super) const CLASSES: usize = 8;

/// The longest delay of each class but the last, in minutes: a factor of four (two powers of two)
/// from one to the next, up to the 48 hours that MailerQ retries a mail.
const LONGEST_MIN: [u64; CLASSES - 1] = [1, 4, 16, 64, 256, 1024, 2880];

const MINUTE_MS: Millis = 60_000;

/// The class of messages that wait this long.
pub(super) fn class_of(delay_ms: Millis) -> u8 {
    let longer = LONGEST_MIN.iter().take_while(|&&minutes| delay_ms > minutes * MINUTE_MS);
    longer.count() as u8
}

/// How long a segment of a class stays before messages that are still in it are moved out: twice
/// the longest delay of the class. The last class has none; it is taken as four times the one
/// before.
pub(super) fn patience_ms(class: u8) -> Millis {
    let last = LONGEST_MIN[CLASSES - 2] * 4;
    2 * MINUTE_MS * LONGEST_MIN.get(usize::from(class)).copied().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_four_times_as_long_each() {
        let classes = [
            (0, 0),
            (MINUTE_MS, 0),
            (MINUTE_MS + 1, 1),
            (10 * MINUTE_MS, 2),
            (60 * MINUTE_MS, 3),
            (2 * 60 * MINUTE_MS, 4),
            (12 * 60 * MINUTE_MS, 5),
            (48 * 60 * MINUTE_MS, 6),
            (48 * 60 * MINUTE_MS + 1, 7),
            (Millis::MAX, 7),
        ];
        for (delay_ms, class) in classes {
            assert_eq!(class_of(delay_ms), class, "{delay_ms} ms");
        }
        assert_eq!(patience_ms(0), 2 * MINUTE_MS);
        assert!(patience_ms(7) > patience_ms(6));
    }
}
