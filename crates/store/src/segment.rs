//! The index of a sealed file: 16 bytes a message, in checked blocks, never loaded whole.
//!
//! Entries of all lanes follow each other; a run knows the ordinal of its first entry and how
//! many it has. Block `b` holds entries `255 b ..`, behind a header of 16 bytes.

use crate::record::{BLOCK, signature, u32_at, u64_at};

/// Entries of one block.
pub(crate) const PER_BLOCK: u32 = 255;
const BLOCK_HEADER: usize = 16;
const ENTRY: usize = 16;

/// Where one message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct IndexEntry {
    /// Sequence number from the run's first.
    pub(crate) rel: u32,
    /// Offset of the record in the file.
    pub(crate) off: u32,
    /// Bytes of the record.
    pub(crate) len: u32,
    /// Body bytes.
    pub(crate) body: u32,
}

/// Block and position of an entry.
pub(crate) fn locate(ordinal: u32) -> (u32, usize) {
    (ordinal / PER_BLOCK, (ordinal % PER_BLOCK) as usize)
}

/// Writes block `number` of the index of file `id`; at most [`PER_BLOCK`] entries.
pub(crate) fn encode_block(id: u64, number: u32, entries: &[IndexEntry], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + BLOCK, 0);
    let block = &mut out[start..];
    block[4..8].copy_from_slice(&number.to_le_bytes());
    block[8..16].copy_from_slice(&id.to_le_bytes());
    for (entry, b) in entries.iter().zip(block[BLOCK_HEADER..].chunks_exact_mut(ENTRY)) {
        b[0..4].copy_from_slice(&entry.rel.to_le_bytes());
        b[4..8].copy_from_slice(&entry.off.to_le_bytes());
        b[8..12].copy_from_slice(&entry.len.to_le_bytes());
        b[12..16].copy_from_slice(&entry.body.to_le_bytes());
    }
    let crc = crc32c::crc32c(&block[4..]) ^ signature(id);
    block[0..4].copy_from_slice(&crc.to_le_bytes());
}

/// Checks that bytes are block `number` of the index of file `id`.
pub(crate) fn check_block(block: &[u8], id: u64, number: u32) -> bool {
    block.len() == BLOCK
        && u32_at(block, 4) == Some(number)
        && u64_at(block, 8) == Some(id)
        && u32_at(block, 0) == Some(crc32c::crc32c(&block[4..]) ^ signature(id))
}

/// Where entry `position` begins in its block.
pub(crate) fn entry_offset(position: usize) -> usize {
    BLOCK_HEADER + position * ENTRY
}

/// Reads entry `position` of a checked block.
pub(crate) fn entry(block: &[u8], position: usize) -> Option<IndexEntry> {
    let at = entry_offset(position);
    Some(IndexEntry {
        rel: u32_at(block, at)?,
        off: u32_at(block, at + 4)?,
        len: u32_at(block, at + 8)?,
        body: u32_at(block, at + 12)?,
    })
}

/// Bytes of an index of `entries` entries.
pub(crate) fn index_bytes(entries: u32) -> u64 {
    u64::from(entries.div_ceil(PER_BLOCK)) * BLOCK as u64
}

/// The header of a segment made by spilling or merging; adopted WAL files start with a frame.
pub(crate) fn header(id: u64) -> [u8; 64] {
    let mut b = [0; 64];
    b[0..4].copy_from_slice(b"LVSG");
    b[4..6].copy_from_slice(&crate::record::FORMAT.to_le_bytes());
    b[8..16].copy_from_slice(&id.to_le_bytes());
    let crc = crc32c::crc32c(&b[..60]) ^ signature(id);
    b[60..64].copy_from_slice(&crc.to_le_bytes());
    b
}

#[cfg(test)]
mod tests;
