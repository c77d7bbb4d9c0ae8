//! Which messages of a run are still waiting: a bitmap over the run's sequence numbers, or a list
//! where a bitmap would be mostly zeros.

/// A list costs 4 bytes a message; a bitmap over a span 32 times as long costs the same.
const SPARSE: u32 = 32;

/// A set of numbers relative to a run's first sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LiveSet {
    /// Bit `rel` of word `rel / 64`.
    Bits(Box<[u64]>),
    /// Sorted.
    List(Vec<u32>),
}

impl LiveSet {
    /// Holds the ascending numbers given.
    pub(crate) fn from_sorted(rels: impl ExactSizeIterator<Item = u32> + Clone) -> LiveSet {
        let count = rels.len() as u32;
        let last = rels.clone().last().unwrap_or(0);
        if last / SPARSE > count {
            return LiveSet::List(rels.collect());
        }
        let mut words = vec![0u64; last as usize / 64 + 1].into_boxed_slice();
        for rel in rels {
            words[rel as usize / 64] |= 1 << (rel % 64);
        }
        LiveSet::Bits(words)
    }

    pub(crate) fn contains(&self, rel: u32) -> bool {
        match self {
            LiveSet::Bits(words) => {
                words.get(rel as usize / 64).is_some_and(|w| w & (1 << (rel % 64)) != 0)
            }
            LiveSet::List(list) => list.binary_search(&rel).is_ok(),
        }
    }

    /// Takes a number out; false when it was not in.
    pub(crate) fn remove(&mut self, rel: u32) -> bool {
        match self {
            LiveSet::Bits(words) => match words.get_mut(rel as usize / 64) {
                Some(w) if *w & (1 << (rel % 64)) != 0 => {
                    *w &= !(1 << (rel % 64));
                    true
                }
                _ => false,
            },
            LiveSet::List(list) => match list.binary_search(&rel) {
                Ok(i) => {
                    list.remove(i);
                    true
                }
                Err(_) => false,
            },
        }
    }

    /// The smallest number at or above `rel`.
    pub(crate) fn next(&self, rel: u32) -> Option<u32> {
        match self {
            LiveSet::Bits(words) => {
                let mut i = rel as usize / 64;
                let mut word = words.get(i)? & (u64::MAX << (rel % 64));
                while word == 0 {
                    i += 1;
                    word = *words.get(i)?;
                }
                Some(i as u32 * 64 + word.trailing_zeros())
            }
            LiveSet::List(list) => list.get(list.partition_point(|&r| r < rel)).copied(),
        }
    }

    /// The numbers from `low` to `high`, ascending.
    pub(crate) fn between(&self, low: u32, high: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.next(low);
        std::iter::from_fn(move || {
            let rel = next.filter(|&rel| rel <= high)?;
            next = rel.checked_add(1).and_then(|rel| self.next(rel));
            Some(rel)
        })
    }

    /// How many numbers are in.
    pub(crate) fn count(&self) -> u32 {
        match self {
            LiveSet::Bits(words) => words.iter().map(|w| w.count_ones()).sum(),
            LiveSet::List(list) => list.len() as u32,
        }
    }

    /// Bytes of heap.
    pub(crate) fn heap(&self) -> usize {
        match self {
            LiveSet::Bits(words) => words.len() * 8,
            LiveSet::List(list) => list.capacity() * 4,
        }
    }

    /// Appends the set in its checkpoint form: a tag, a count, then words or numbers.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            LiveSet::Bits(words) => {
                out.extend_from_slice(&0u32.to_le_bytes());
                out.extend_from_slice(&(words.len() as u32).to_le_bytes());
                words.iter().for_each(|w| out.extend_from_slice(&w.to_le_bytes()));
            }
            LiveSet::List(list) => {
                out.extend_from_slice(&1u32.to_le_bytes());
                out.extend_from_slice(&(list.len() as u32).to_le_bytes());
                list.iter().for_each(|r| out.extend_from_slice(&r.to_le_bytes()));
            }
        }
    }

    /// Reads the checkpoint form from the start of `bytes`; the set and the bytes it took.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(LiveSet, usize)> {
        let tag = crate::record::u32_at(bytes, 0)?;
        let count = crate::record::u32_at(bytes, 4)? as usize;
        let width = if tag == 0 { 8 } else { 4 };
        let end = count.checked_mul(width)?.checked_add(8)?;
        let body = bytes.get(8..end)?;
        let set = match tag {
            0 => LiveSet::Bits(
                body.chunks_exact(8)
                    .map(|w| u64::from_le_bytes(w.try_into().expect("chunks of eight")))
                    .collect(),
            ),
            1 => {
                let list: Vec<u32> = body
                    .chunks_exact(4)
                    .map(|r| u32::from_le_bytes(r.try_into().expect("chunks of four")))
                    .collect();
                if !list.is_sorted_by(|a, b| a < b) {
                    return None;
                }
                LiveSet::List(list)
            }
            _ => return None,
        };
        Some((set, end))
    }
}

#[cfg(test)]
mod tests;
