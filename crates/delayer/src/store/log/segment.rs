//! Segment files: their names, their headers, and the handles through which they are read.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::store::vfs::{File, Open, Vfs};

/// Bytes of a file before its first record.
pub(super) const HEADER: u64 = 16;

const MAGIC: [u8; 4] = *b"LVDS";
const FORMAT: u16 = 1;

/// Handles kept open for reading. A process may have 1,024 files, and the broker wants some.
const OPEN_MAX: usize = 128;

/// What the index knows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Lifetime class of its messages.
    pub(super) class: u8,
    /// Messages in it that are still stored.
    pub(super) live: u64,
    /// Bytes of their records.
    pub(super) live_bytes: u64,
    /// Where the next record would go; nothing behind is ever read.
    pub(super) end: u64,
    /// When it was begun.
    pub(super) begun_ms: u64,
}

impl Segment {
    const BYTES: usize = 33;

    pub(super) fn to_bytes(self) -> [u8; Segment::BYTES] {
        let mut out = [0; Segment::BYTES];
        out[0] = self.class;
        let numbers = [self.live, self.live_bytes, self.end, self.begun_ms];
        for (to, number) in out[1..].chunks_exact_mut(8).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        out
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Segment> {
        let bytes = <[u8; Segment::BYTES]>::try_from(bytes).ok()?;
        let number = |i: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[1 + 8 * i..9 + 8 * i]);
            u64::from_le_bytes(number)
        };
        Some(Segment {
            class: bytes[0],
            live: number(0),
            live_bytes: number(1),
            end: number(2),
            begun_ms: number(3),
        })
    }
}

/// The header of a segment file.
pub(super) fn header(id: u32, class: u8) -> [u8; HEADER as usize] {
    let mut out = [0; HEADER as usize];
    out[..4].copy_from_slice(&MAGIC);
    out[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    out[6] = class;
    out[8..12].copy_from_slice(&id.to_le_bytes());
    let crc = crc32c::crc32c(&out[..12]);
    out[12..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// The name of a segment file.
pub(super) fn name(id: u32) -> String {
    format!("{id:08x}.segment")
}

/// The id that [`name`] made a name of.
pub(super) fn id_of(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".segment").filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok()
}

/// The directory's segments, for readers.
pub(super) struct Files {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) dir: PathBuf,
    open: Mutex<HashMap<u32, Arc<dyn File>>>,
}

impl Files {
    pub(super) fn new(vfs: Arc<dyn Vfs>, dir: &Path) -> Files {
        Files { vfs, dir: dir.to_owned(), open: Mutex::default() }
    }

    pub(super) fn path(&self, id: u32) -> PathBuf {
        self.dir.join(name(id))
    }

    /// A handle to read from.
    pub(super) fn get(&self, id: u32) -> io::Result<Arc<dyn File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&id) {
            return Ok(file.clone());
        }
        let file = self.vfs.open(&self.path(id), Open::Read)?;
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(id, file.clone());
        Ok(file)
    }

    /// Removes a segment; readers that have it open may finish.
    pub(super) fn remove(&self, id: u32) -> io::Result<()> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        match self.vfs.remove(&self.path(id)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Reads until `buf` is full or the file ends; the number of bytes read.
pub(super) fn read_full(file: &dyn File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], at + done as u64)? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}

/// Writes all of `parts` one behind the other.
pub(super) fn write_all(file: &dyn File, parts: &[&[u8]], mut at: u64) -> io::Result<()> {
    /// `IOV_MAX` of Linux.
    const PARTS_MAX: usize = 1024;
    for group in parts.chunks(PARTS_MAX) {
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_at(rest, at)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => {
                    at += n as u64;
                    IoSlice::advance_slices(&mut rest, n);
                }
            }
        }
    }
    Ok(())
}
