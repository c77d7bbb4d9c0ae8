//! The WAL is read again: every complete frame since the last checkpoint is applied once more.
//!
//! A frame that does not check is either the end of the log, where a crash cut a write short, or
//! damage. It is damage when any frame found anywhere in the log says that this one was synced.

mod blame;

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::OpenError;
use crate::record::{BLOCK, FRAME_HEADER, FrameHeader, Record, blocks, padded};
use crate::vfs::File;

/// A WAL file that may hold frames.
pub(crate) struct LogFile {
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
}

/// A frame's place and contents.
pub(crate) struct Frame<'a> {
    pub(crate) file: &'a LogFile,
    pub(crate) header: FrameHeader,
    /// Offset of the frame in its file.
    pub(crate) at: u64,
    /// The frame from its header to its last record.
    pub(crate) bytes: &'a [u8],
}

/// What replaying found.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// The last complete frame.
    pub(crate) last: u64,
    /// Bytes of frames that were applied.
    pub(crate) bytes: u64,
    /// Bytes behind the last frame that look like the start of another.
    pub(crate) torn: u64,
    /// For each file that holds frames: id, end, first and last frame.
    pub(crate) ends: Vec<FileEnd>,
    /// Frames that were read and that nothing says were synced.
    pub(crate) unproven: VecDeque<Unproven>,
}

/// A frame that may be in the page cache only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unproven {
    seq: u64,
    pub(crate) file: u64,
    pub(crate) at: u64,
    pub(crate) len: usize,
}

/// How far a file's frames reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileEnd {
    pub(crate) id: u64,
    pub(crate) end: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// Why a frame is not usable.
struct Bad {
    /// Where the frame begins, or should.
    frame: u64,
    at: u64,
    what: &'static str,
}

/// Applies every frame from number `next` on, in order, to `apply`. `synced` is what the
/// checkpoint knows to be durable. `folder` is named when a file is missing.
pub(crate) fn replay(
    files: &[LogFile],
    folder: &Path,
    next: u64,
    synced: u64,
    mut apply: impl FnMut(&Frame<'_>, &Record<'_>, u64) -> Result<(), OpenError>,
) -> Result<Replayed, OpenError> {
    let mut out = Replayed { last: next - 1, ..Default::default() };
    let mut synced = synced;
    let firsts = first_frames(files)?;
    let mut reader = Reader::default();
    for (i, file) in files.iter().enumerate() {
        let Some(first) = firsts[i] else { continue };
        if first.seq != out.last + 1 {
            let what = format!("frame {} expected, frame {} found", out.last + 1, first.seq);
            return Err(OpenError::corrupt(&file.path, 0, what));
        }
        // Frames of this file end where the next file's begin: what follows here was abandoned.
        let bound = firsts[i + 1..].iter().flatten().map(|h| h.seq).next();
        let mut end = FileEnd { id: file.id, end: 0, first: first.seq, last: out.last };
        while bound.is_none_or(|b| out.last + 1 < b) {
            let frame = match reader.frame(file, end.end, out.last + 1) {
                Ok(frame) => frame,
                Err(ReadFailure::Io(e)) => return Err(OpenError::io(&file.path, e)),
                Err(ReadFailure::Bad(bad)) => {
                    let later = later_synced(&files[i..], end.end)?;
                    if bound.is_some() || synced.max(later) > out.last {
                        return Err(blame::missing(files, &firsts, i, out.last, &bad)?);
                    }
                    out.torn = torn_bytes(file, end.end);
                    break;
                }
            };
            synced = synced.max(frame.header.synced);
            out.note(synced, &frame);
            each_record(&frame, |record, at| apply(&frame, record, at))?;
            out.bytes += frame.bytes.len() as u64;
            out.last += 1;
            end.last = out.last;
            end.end += blocks(frame.bytes.len()) as u64;
        }
        out.ends.push(end);
        if out.torn > 0 {
            break;
        }
    }
    finish(files, folder, &firsts, synced, &out)?;
    Ok(out)
}

impl Replayed {
    fn note(&mut self, synced: u64, frame: &Frame<'_>) {
        while self.unproven.front().is_some_and(|u| u.seq <= synced) {
            self.unproven.pop_front();
        }
        let (file, len) = (frame.file.id, blocks(frame.bytes.len()));
        self.unproven.push_back(Unproven { seq: frame.header.seq, file, at: frame.at, len });
    }
}

/// Whether frames that were synced are missing at the end.
fn finish(
    files: &[LogFile],
    folder: &Path,
    firsts: &[Option<FrameHeader>],
    synced: u64,
    out: &Replayed,
) -> Result<(), OpenError> {
    let mut known = synced;
    let mut place = files.last().map_or(folder, |f| &f.path);
    for (file, first) in files.iter().zip(firsts) {
        if first.is_none() {
            let later = later_synced(std::slice::from_ref(file), 0)?;
            if later > known {
                (known, place) = (later, &file.path);
            }
        }
    }
    if known > out.last {
        let what = format!("frame {} was synced and is missing", out.last + 1);
        return Err(OpenError::corrupt(place, 0, what));
    }
    Ok(())
}

/// Header of each file's first frame.
fn first_frames(files: &[LogFile]) -> Result<Vec<Option<FrameHeader>>, OpenError> {
    files
        .iter()
        .map(|f| {
            let mut head = [0; FRAME_HEADER];
            let n = f.file.read_at(&mut head, 0).map_err(|e| OpenError::io(&f.path, e))?;
            Ok(FrameHeader::decode(&head[..n], f.id))
        })
        .collect()
}

/// The highest `synced` that any frame header tells of: from an offset on in the first of these
/// files, and anywhere in the others.
fn later_synced(files: &[LogFile], from: u64) -> Result<u64, OpenError> {
    let mut synced = 0;
    for (n, file) in files.iter().enumerate() {
        headers(file, if n == 0 { from } else { 0 }, |header| {
            synced = synced.max(header.synced);
            ControlFlow::Continue(())
        })?;
    }
    Ok(synced)
}

/// Visits every frame header of a file from an offset on, whether a frame follows it or not.
fn headers(
    file: &LogFile,
    from: u64,
    mut visit: impl FnMut(FrameHeader) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    let mut buf = vec![0; READ];
    let mut at = from;
    while at < file.len {
        let got = file.file.read_at(&mut buf, at).map_err(|e| OpenError::io(&file.path, e))?;
        if got == 0 {
            break;
        }
        for block in buf[..got].chunks(BLOCK) {
            if let Some(header) = FrameHeader::decode(block, file.id)
                && visit(header).is_break()
            {
                return Ok(());
            }
        }
        at += blocks(got) as u64;
    }
    Ok(())
}

/// How much of a broken last frame there is, for the log message only.
fn torn_bytes(file: &LogFile, at: u64) -> u64 {
    let mut head = [0; FRAME_HEADER];
    match file.file.read_at(&mut head, at) {
        Ok(n) => FrameHeader::decode(&head[..n], file.id).map_or(0, |h| u64::from(h.bytes)),
        Err(_) => 0,
    }
}

/// Walks the records of a checked frame.
pub(crate) fn each_record(
    frame: &Frame<'_>,
    mut apply: impl FnMut(&Record<'_>, u64) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let mut at = FRAME_HEADER;
    while at < frame.bytes.len() {
        let Some(record) = Record::parse(&frame.bytes[at..]) else { break };
        apply(&record, frame.at + at as u64)?;
        at += padded(record.header.len as usize);
    }
    Ok(())
}

enum ReadFailure {
    Bad(Bad),
    Io(io::Error),
}

/// Reads frames one after the other through one buffer.
#[derive(Default)]
struct Reader {
    buf: Vec<u8>,
    /// Id of the file and offset of the buffer's first byte.
    place: (u64, u64),
    filled: usize,
}

/// Bytes read at a time.
const READ: usize = 1 << 20;

impl Reader {
    /// The frame at an offset, with every record checked.
    fn frame<'a>(
        &'a mut self,
        file: &'a LogFile,
        at: u64,
        seq: u64,
    ) -> Result<Frame<'a>, ReadFailure> {
        let bad = |place, what| ReadFailure::Bad(Bad { frame: at, at: place, what });
        self.fill(file, at, FRAME_HEADER).map_err(ReadFailure::Io)?;
        let start = (at - self.place.1) as usize;
        let header = FrameHeader::decode(&self.buf[start.min(self.filled)..self.filled], file.id)
            .filter(|h| h.seq == seq)
            .ok_or_else(|| bad(at, "a frame header was expected"))?;
        let len = header.bytes as usize;
        if at + len as u64 > file.len {
            return Err(bad(at, "a frame is longer than its file"));
        }
        self.fill(file, at, len).map_err(ReadFailure::Io)?;
        let start = (at - self.place.1) as usize;
        if self.filled < start + len {
            return Err(bad(at, "a frame is longer than its file"));
        }
        let bytes = &self.buf[start..start + len];
        let mut offset = FRAME_HEADER;
        let mut records = 0;
        while offset < len {
            let record = Record::checked(&bytes[offset..], file.id)
                .ok_or_else(|| bad(at + offset as u64, "a record's checksum does not match"))?;
            offset += padded(record.header.len as usize);
            records += 1;
        }
        if records != header.records {
            return Err(bad(at, "a frame has another number of records than it says"));
        }
        Ok(Frame { file, header, at, bytes })
    }

    /// Has `len` bytes at an offset in the buffer, or all there are.
    fn fill(&mut self, file: &LogFile, at: u64, len: usize) -> io::Result<()> {
        let here = self.place.0 == file.id
            && at >= self.place.1
            && at + len as u64 <= self.place.1 + self.filled as u64;
        if here {
            return Ok(());
        }
        if self.buf.len() < READ.max(len) {
            self.buf = vec![0; READ.max(len)];
        }
        self.place = (file.id, at);
        self.filled = 0;
        while self.filled < self.buf.len() {
            let n = file.file.read_at(&mut self.buf[self.filled..], at + self.filled as u64)?;
            if n == 0 {
                break;
            }
            self.filled += n;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
