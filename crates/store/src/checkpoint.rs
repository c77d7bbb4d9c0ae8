//! The checkpoint file: everything that the WAL need not tell again.
//!
//! A header, then sections with a checksum each, so that damage is reported where it is. It is
//! written beside the old one and renamed over it.

use crate::LaneId;
use crate::live::LiveSet;
use crate::record::{FORMAT, u32_at, u64_at};

/// Bytes of the header.
const HEADER: usize = 32;
/// Bytes of a section's header.
const SECTION_HEADER: usize = 16;
/// A section is closed when its body reaches this size.
const SECTION: usize = 16 << 10;

const MAGIC: &[u8; 4] = b"LVCP";

/// What a section holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
enum Kind {
    Meta = 1,
    Files = 2,
    Lanes = 3,
    Topology = 4,
    End = 5,
}

/// Counters of the whole store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Meta {
    /// Written by a clean stop.
    pub(crate) clean: bool,
    /// Id of the first WAL file to replay.
    pub(crate) replay_file: u64,
    /// Number of its first frame.
    pub(crate) replay_frame: u64,
    /// Frames below are contained in the lanes and the topology.
    pub(crate) frame: u64,
    /// Ids of files up to here were used.
    pub(crate) next_file: u64,
    /// Next generation of lane ids.
    pub(crate) generation: u64,
    /// Generations below may have been handed out.
    pub(crate) reserved: u64,
}

/// A segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileRow {
    pub(crate) id: u64,
    pub(crate) used: u64,
    pub(crate) live_bytes: u64,
    pub(crate) entries: u32,
}

/// A lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LaneRow {
    pub(crate) id: LaneId,
    pub(crate) next_seq: u64,
    pub(crate) mark: u64,
    pub(crate) runs: Vec<RunRow>,
}

/// A lane's messages in one segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RunRow {
    pub(crate) file: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) index_at: u32,
    pub(crate) count: u32,
    pub(crate) live_body: u64,
    pub(crate) live: LiveSet,
}

/// Builds the file's bytes.
pub(crate) struct Writer {
    out: Vec<u8>,
    /// Kind and start of the open section.
    open: Option<(Kind, usize)>,
    sections: u32,
}

impl Writer {
    pub(crate) fn new(meta: &Meta) -> Writer {
        let mut out = vec![0; HEADER];
        out[0..4].copy_from_slice(MAGIC);
        out[4..6].copy_from_slice(&FORMAT.to_le_bytes());
        let mut writer = Writer { out, open: None, sections: 0 };
        writer.section(Kind::Meta);
        writer.numbers(&[
            u64::from(meta.clean),
            meta.replay_file,
            meta.replay_frame,
            meta.frame,
            meta.next_file,
            meta.generation,
            meta.reserved,
        ]);
        writer
    }

    pub(crate) fn file(&mut self, file: &FileRow) {
        self.section(Kind::Files);
        self.numbers(&[file.id, file.used, file.live_bytes, u64::from(file.entries)]);
    }

    /// Begins a lane; its runs follow.
    pub(crate) fn lane(&mut self, id: LaneId, next_seq: u64, mark: u64, runs: usize) {
        self.section(Kind::Lanes);
        self.numbers(&[id.0, next_seq, mark, runs as u64]);
    }

    /// Adds a run to the lane begun last.
    pub(crate) fn run(&mut self, file: u64, run: &crate::lane::Run) {
        let place = u64::from(run.index_at) | u64::from(run.count) << 32;
        self.numbers(&[file, run.first, run.last, place, run.live_body]);
        run.live.encode(&mut self.out);
        self.pad();
    }

    pub(crate) fn topology(&mut self, record: &[u8]) {
        self.section(Kind::Topology);
        self.numbers(&[record.len() as u64]);
        self.out.extend_from_slice(record);
        self.pad();
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.close();
        self.section(Kind::End);
        self.close();
        let sections = self.sections;
        let length = self.out.len() as u64;
        self.out[8..12].copy_from_slice(&sections.to_le_bytes());
        self.out[16..24].copy_from_slice(&length.to_le_bytes());
        let crc = crc32c::crc32c(&self.out[..28]);
        self.out[28..32].copy_from_slice(&crc.to_le_bytes());
        self.out
    }

    /// Has a section of this kind open, with room.
    fn section(&mut self, kind: Kind) {
        if let Some((open, start)) = self.open
            && open == kind
            && self.out.len() - start < SECTION
        {
            return;
        }
        self.close();
        self.open = Some((kind, self.out.len()));
        self.out.resize(self.out.len() + SECTION_HEADER, 0);
    }

    fn close(&mut self) {
        let Some((kind, start)) = self.open.take() else { return };
        let len = (self.out.len() - start - SECTION_HEADER) as u32;
        self.out[start + 4..start + 8].copy_from_slice(&(kind as u32).to_le_bytes());
        self.out[start + 8..start + 12].copy_from_slice(&len.to_le_bytes());
        self.out[start + 12..start + 16].copy_from_slice(&self.sections.to_le_bytes());
        let crc = crc32c::crc32c(&self.out[start + 4..]);
        self.out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        self.sections += 1;
    }

    fn numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|n| self.out.extend_from_slice(&n.to_le_bytes()));
    }

    fn pad(&mut self) {
        self.out.resize(self.out.len().next_multiple_of(8), 0);
    }
}

/// What a checkpoint says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) meta: Meta,
    pub(crate) files: Vec<FileRow>,
    pub(crate) lanes: Vec<LaneRow>,
    pub(crate) topology: Vec<Vec<u8>>,
}

/// Where and why a checkpoint is not readable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    pub(crate) what: &'static str,
}

/// The format number of a file, whatever else is in it.
pub(crate) fn format_of(bytes: &[u8]) -> Option<u16> {
    let format = bytes.get(4..6)?.try_into().ok()?;
    (bytes.get(0..4)? == MAGIC).then_some(u16::from_le_bytes(format))
}

/// Whether the header is as some version wrote it.
pub(crate) fn header_checks(bytes: &[u8]) -> bool {
    bytes.get(..28).is_some_and(|header| u32_at(bytes, 28) == Some(crc32c::crc32c(header)))
}

/// Reads a whole checkpoint.
pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint, Damage> {
    let damage = |offset: usize, what| Damage { offset: offset as u64, what };
    let header = bytes.get(..HEADER).ok_or_else(|| damage(0, "the header is cut short"))?;
    let good =
        &header[0..4] == MAGIC && header[4..6] == FORMAT.to_le_bytes() && header_checks(header);
    if !good {
        return Err(damage(0, "the header's checksum does not match"));
    }
    if u64_at(header, 16) != Some(bytes.len() as u64) {
        return Err(damage(bytes.len(), "the file has another length than it says"));
    }
    let mut out = Checkpoint::default();
    let mut at = HEADER;
    for number in 0..u32_at(header, 8).unwrap_or(0) {
        let short = || damage(at, "a section is cut short");
        let len = u32_at(bytes, at + 8).ok_or_else(short)? as usize;
        let end = at.checked_add(SECTION_HEADER + len).ok_or_else(short)?;
        let section = bytes.get(at..end).ok_or_else(short)?;
        let good = u32_at(section, 0) == Some(crc32c::crc32c(&section[4..]))
            && u32_at(section, 12) == Some(number);
        if !good {
            return Err(damage(at, "a section's checksum does not match"));
        }
        let body = &section[SECTION_HEADER..];
        let kind = u32_at(section, 4).unwrap_or(0);
        read_section(kind, body, &mut out)
            .ok_or_else(|| damage(at, "a section is not what this version writes"))?;
        at = end;
    }
    if at != bytes.len() {
        return Err(damage(at, "bytes follow the last section"));
    }
    Ok(out)
}

fn read_section(kind: u32, body: &[u8], out: &mut Checkpoint) -> Option<()> {
    let mut at = 0;
    let mut next = || {
        let n = u64_at(body, at);
        at += 8;
        n
    };
    if kind == Kind::Meta as u32 {
        out.meta = Meta {
            clean: next()? == 1,
            replay_file: next()?,
            replay_frame: next()?,
            frame: next()?,
            next_file: next()?,
            generation: next()?,
            reserved: next()?,
        };
        return Some(());
    }
    let mut body = body;
    while !body.is_empty() {
        let used = match kind {
            k if k == Kind::Files as u32 => {
                let entries = u32::try_from(u64_at(body, 24)?).ok()?;
                let (id, used, live_bytes) =
                    (u64_at(body, 0)?, u64_at(body, 8)?, u64_at(body, 16)?);
                out.files.push(FileRow { id, used, live_bytes, entries });
                32
            }
            k if k == Kind::Lanes as u32 => read_lane(body, out)?,
            k if k == Kind::Topology as u32 => {
                let len = usize::try_from(u64_at(body, 0)?).ok()?;
                out.topology.push(body.get(8..len.checked_add(8)?)?.to_vec());
                (8 + len).next_multiple_of(8)
            }
            _ => return None,
        };
        body = body.get(used..)?;
    }
    Some(())
}

fn read_lane(body: &[u8], out: &mut Checkpoint) -> Option<usize> {
    let runs = u64_at(body, 24)?;
    let mut lane = LaneRow {
        id: LaneId(u64_at(body, 0)?),
        next_seq: u64_at(body, 8)?,
        mark: u64_at(body, 16)?,
        runs: Vec::new(),
    };
    let mut at = 32;
    for _ in 0..runs {
        let run = body.get(at..)?;
        let (live, used) = LiveSet::decode(run.get(40..)?)?;
        lane.runs.push(RunRow {
            file: u64_at(run, 0)?,
            first: u64_at(run, 8)?,
            last: u64_at(run, 16)?,
            index_at: u32_at(run, 24)?,
            count: u32_at(run, 28)?,
            live_body: u64_at(run, 32)?,
            live,
        });
        at += (40 + used).next_multiple_of(8);
    }
    out.lanes.push(lane);
    Some(at)
}

#[cfg(test)]
mod tests;
