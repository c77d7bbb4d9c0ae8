//! Test messages: a body says who sent it, to which queue, as what number, and proves that it is whole.
//!
//! ```text
//! 0      1      2       4      8        12      16
//! | 0xA5 | prod | queue | seq  | length | check | bytes of a fixed random block …
//! ```

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

/// Names a message: producer and its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub producer: u8,
    pub seq: u32,
}

/// Bytes of the head, and so the smallest body.
pub(crate) const HEAD: usize = 16;

/// The largest body.
pub(crate) const BODY_MAX: usize = 200 * 1024;

const MAGIC: u8 = 0xA5;

/// What bodies are cut from.
static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut random = Random(0x1eaf);
    (0..(BODY_MAX + 65_536) / 8).flat_map(|_| random.next().to_le_bytes()).collect()
});

/// SplitMix64: a seed gives the same numbers everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A body size from [`HEAD`] to [`BODY_MAX`]: as many of each order of magnitude.
    pub(crate) fn size(&mut self) -> usize {
        let bits = 4 + self.below(14);
        let size = (1 << bits) + self.below(1 << bits);
        usize::try_from(size).unwrap_or(HEAD).clamp(HEAD, BODY_MAX)
    }
}

/// Writes the body of a message.
pub(crate) fn body(key: Key, queue: u16, size: usize) -> Vec<u8> {
    let size = size.clamp(HEAD, BODY_MAX);
    let mut body = Vec::with_capacity(size);
    body.extend_from_slice(&[MAGIC, key.producer]);
    body.extend_from_slice(&queue.to_le_bytes());
    body.extend_from_slice(&key.seq.to_le_bytes());
    body.extend_from_slice(&u32::try_from(size).unwrap_or(0).to_le_bytes());
    let check = check(&body);
    body.extend_from_slice(&check.to_le_bytes());
    let from = filler(key);
    body.extend_from_slice(&BLOCK[from..from + size - HEAD]);
    body
}

/// Reads a body; an error says what is damaged.
pub(crate) fn parse(body: &[u8]) -> Result<(Key, u16), String> {
    if body.len() < HEAD {
        return Err(format!("a body of {} bytes", body.len()));
    }
    let word = |at: usize| u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
    if body[0] != MAGIC || word(12) != check(&body[..12]) {
        return Err(format!("a damaged head {:02x?}", &body[..HEAD]));
    }
    let key = Key { producer: body[1], seq: word(4) };
    if usize::try_from(word(8)) != Ok(body.len()) {
        return Err(format!("{key:?} has {} bytes instead of {}", body.len(), word(8)));
    }
    let from = filler(key);
    let expected = &BLOCK[from..from + body.len() - HEAD];
    if body[HEAD..] != *expected {
        let at = body[HEAD..].iter().zip(expected).position(|(a, b)| a != b).unwrap_or(0);
        return Err(format!("{key:?} is damaged at byte {} of {}", HEAD + at, body.len()));
    }
    Ok((key, u16::from_le_bytes([body[2], body[3]])))
}

/// Where a message's bytes start in [`BLOCK`].
fn filler(key: Key) -> usize {
    let mixed = Random(u64::from(key.producer) << 32 | u64::from(key.seq)).next();
    usize::from(u16::try_from(mixed & 0xffff).unwrap_or(0))
}

fn check(head: &[u8]) -> u32 {
    let sum = head.iter().fold(0, |sum: u64, byte| Random(sum ^ u64::from(*byte)).next());
    u32::try_from(sum & 0xffff_ffff).unwrap_or(0)
}
