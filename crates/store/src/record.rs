//! Bytes of frames and records: how the logs look on disk. `docs/internals/store.md` draws them.
//!
//! Decoders here never trust a length or a count: they return `None` for anything that does not
//! fit the bytes given.

use crate::LaneId;

/// Frames start and end on this boundary, so that a torn write of the next frame cannot touch a
/// confirmed one.
pub(crate) const BLOCK: usize = 4096;
/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 48;
/// Bytes of a record's header.
pub(crate) const RECORD_HEADER: usize = 16;
/// Bytes of one (lane, seq) target.
pub(crate) const TARGET: usize = 16;
/// Most targets of one record: `n` is a `u16`.
pub(crate) const TARGETS_MAX: usize = u16::MAX as usize;

const FRAME_MAGIC: u32 = 0x4c56_5746; // "FWVL"
/// Version of every format of this crate.
pub(crate) const FORMAT: u16 = 1;

/// Rounds up to the 8 bytes on which records start.
pub(crate) fn padded(len: usize) -> usize {
    (len + 7) & !7
}

/// Rounds up to a whole block.
pub(crate) fn blocks(len: usize) -> usize {
    (len + BLOCK - 1) & !(BLOCK - 1)
}

/// What is mixed into a record's checksum so that it counts only in its own file: a stale record
/// in a recycled file, or one read at the wrong place, fails its check. It is mixed by xor, so a
/// record is moved to another file without summing its bytes again, and damage stays damage.
pub(crate) fn signature(file: u64) -> u32 {
    (file.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A message for `n` lanes: targets, then the payload.
    Entry = 1,
    /// Settled ranges: (lane, first, last) each, both ends included.
    Acks = 2,
    /// A durable lane: its id.
    LaneCreate = 3,
    /// A durable lane is gone: its id.
    LaneDelete = 4,
    /// An opaque record of the caller.
    Topology = 5,
    /// Lane generations below the number were perhaps handed out.
    Reserve = 6,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            1 => Kind::Entry,
            2 => Kind::Acks,
            3 => Kind::LaneCreate,
            4 => Kind::LaneDelete,
            5 => Kind::Topology,
            6 => Kind::Reserve,
            _ => return None,
        })
    }
}

/// A frame's header: one contiguous part of a group commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameHeader {
    /// The file it was written to.
    pub(crate) file: u64,
    /// Its number; the next frame of the log has the next one.
    pub(crate) seq: u64,
    /// The last frame known durable when this one was made.
    pub(crate) synced: u64,
    /// Records in it.
    pub(crate) records: u32,
    /// Bytes from the start of the header to the end of the last record.
    pub(crate) bytes: u32,
}

impl FrameHeader {
    /// Writes the header.
    pub(crate) fn encode(&self) -> [u8; FRAME_HEADER] {
        let mut b = [0; FRAME_HEADER];
        b[0..4].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
        b[4..6].copy_from_slice(&FORMAT.to_le_bytes());
        b[8..16].copy_from_slice(&self.file.to_le_bytes());
        b[16..24].copy_from_slice(&self.seq.to_le_bytes());
        b[24..32].copy_from_slice(&self.synced.to_le_bytes());
        b[32..36].copy_from_slice(&self.records.to_le_bytes());
        b[36..40].copy_from_slice(&self.bytes.to_le_bytes());
        let crc = crc32c::crc32c(&b[..44]) ^ signature(self.file);
        b[44..48].copy_from_slice(&crc.to_le_bytes());
        b
    }

    /// Reads a header of file `file`; `None` for anything else.
    pub(crate) fn decode(b: &[u8], file: u64) -> Option<FrameHeader> {
        let b = b.get(..FRAME_HEADER)?;
        let header = FrameHeader {
            file: u64_at(b, 8)?,
            seq: u64_at(b, 16)?,
            synced: u64_at(b, 24)?,
            records: u32_at(b, 32)?,
            bytes: u32_at(b, 36)?,
        };
        let crc = crc32c::crc32c(&b[..44]) ^ signature(file);
        let good = u32_at(b, 0)? == FRAME_MAGIC
            && b[4..6] == FORMAT.to_le_bytes()
            && header.file == file
            && header.bytes as usize >= FRAME_HEADER
            && u32_at(b, 44)? == crc;
        good.then_some(header)
    }
}

/// A record's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordHeader {
    /// Bytes of the record with its header, without padding.
    pub(crate) len: u32,
    /// What it says.
    pub(crate) kind: Kind,
    /// Targets of an entry; 0 for the others.
    pub(crate) targets: u16,
    /// Body bytes of the message, as the caller counts them.
    pub(crate) body: u32,
}

/// Writes a record's header with an empty checksum.
pub(crate) fn put_header(out: &mut [u8], header: &RecordHeader) {
    out[0..4].fill(0);
    out[4..8].copy_from_slice(&header.len.to_le_bytes());
    out[8] = header.kind as u8;
    out[9] = 0;
    out[10..12].copy_from_slice(&header.targets.to_le_bytes());
    out[12..16].copy_from_slice(&header.body.to_le_bytes());
}

/// Writes target `i` of an entry.
pub(crate) fn put_target(out: &mut [u8], i: usize, lane: LaneId, seq: u64) {
    let at = RECORD_HEADER + i * TARGET;
    out[at..at + 8].copy_from_slice(&lane.0.to_le_bytes());
    out[at + 8..at + 16].copy_from_slice(&seq.to_le_bytes());
}

/// Fills the checksum of a complete record that lives in a file with this signature.
pub(crate) fn seal(record: &mut [u8], signature: u32) {
    let crc = crc32c::crc32c(&record[4..]) ^ signature;
    record[0..4].copy_from_slice(&crc.to_le_bytes());
}

/// Moves a record to another file: the checksum stays as right or wrong as it was.
pub(crate) fn resign(record: &mut [u8], from: u64, to: u64) {
    if let Some(crc) = u32_at(record, 0) {
        let crc = crc ^ signature(from) ^ signature(to);
        record[0..4].copy_from_slice(&crc.to_le_bytes());
    }
}

/// A record whose lengths fit the bytes it lies in.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Its header.
    pub(crate) header: RecordHeader,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record at the start of `bytes`, without its checksum.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Record<'a>> {
        let header = RecordHeader {
            len: u32_at(bytes, 4)?,
            kind: Kind::from_byte(*bytes.get(8)?)?,
            targets: u16::from_le_bytes(bytes.get(10..12)?.try_into().ok()?),
            body: u32_at(bytes, 12)?,
        };
        let bytes = bytes.get(..header.len as usize)?;
        let smallest = RECORD_HEADER + header.targets as usize * TARGET;
        (bytes.len() >= smallest).then_some(Record { header, bytes })
    }

    /// Reads the record at the start of `bytes` and checks that it belongs to `file`.
    pub(crate) fn checked(bytes: &'a [u8], file: u64) -> Option<Record<'a>> {
        let record = Record::parse(bytes)?;
        let crc = crc32c::crc32c(&record.bytes[4..]) ^ signature(file);
        (u32_at(bytes, 0)? == crc).then_some(record)
    }

    /// Where the payload starts, from the start of the record.
    pub(crate) fn payload_at(&self) -> usize {
        RECORD_HEADER + self.header.targets as usize * TARGET
    }

    /// What follows header and targets.
    pub(crate) fn payload(&self) -> &'a [u8] {
        &self.bytes[self.payload_at()..]
    }

    /// The (lane, seq) pairs of an entry.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (LaneId, u64)> + use<'a> {
        self.bytes[RECORD_HEADER..self.payload_at()]
            .chunks_exact(TARGET)
            .map(|t| (LaneId(number(&t[..8])), number(&t[8..])))
    }

    /// The (lane, first, last) triples of settled ranges.
    pub(crate) fn ack_ranges(&self) -> impl Iterator<Item = (LaneId, u64, u64)> + use<'a> {
        self.payload()
            .chunks_exact(ACK_RANGE)
            .map(|t| (LaneId(number(&t[..8])), number(&t[8..16]), number(&t[16..])))
    }

    /// The one number of `LaneCreate`, `LaneDelete` and `Reserve`.
    pub(crate) fn number(&self) -> Option<u64> {
        u64_at(self.payload(), 0)
    }
}

/// Bytes of one settled range.
pub(crate) const ACK_RANGE: usize = 24;

/// Reads a `u32` at an offset.
pub(crate) fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(b.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Reads a `u64` at an offset.
pub(crate) fn u64_at(b: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(b.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn number(eight: &[u8]) -> u64 {
    u64::from_le_bytes(eight.try_into().expect("callers cut eight bytes"))
}

#[cfg(test)]
mod tests;
