//! Opening: the lock, the format, the index, and what a crash left behind. The time it takes grows
//! with the number of segments, not of messages; no record is read.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Mutex, RwLock, atomic::AtomicU64};

use ::store::vfs::{Lock, Open, Vfs};

use super::group::{Stream, Streams};
use super::index::{self, Index, State};
use super::lifetime::CLASSES;
use super::segment::{self, Files, Segment};
use super::writer::Writer;
use super::{LogStore, Options, shrink};
use crate::store::OpenError;

const LOCK: &str = "LOCK";
const FORMAT: &str = "format";
const FORMAT_NEW: &str = "format.new";
/// What the format file says: whose files these are, and their version.
const FORMAT_TEXT: &str = "leveret delayer log 1\n";
const FORMAT_BYTES_MAX: usize = 256;

/// Segments are cut to at most this, so that offsets fit into 32 bits with room to spare.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

pub(super) fn open(options: &Options) -> Result<LogStore, OpenError> {
    let mut options = options.clone();
    options.segment_bytes = options.segment_bytes.clamp(segment::HEADER + 1, SEGMENT_BYTES_MAX);
    let dir = options.dir.clone();
    let refused = |e: io::Error| refused(&dir, &e);
    std::fs::create_dir_all(&dir).map_err(refused)?;
    options.vfs.create_dir_all(&dir).map_err(refused)?;
    let lock = match options.vfs.lock(&dir.join(LOCK)).map_err(refused)? {
        Lock::Held(lock) => lock,
        Lock::Busy(pid) => return Err(OpenError::Busy { path: dir, pid }),
    };
    check_format(&*options.vfs, &dir)
        .map_err(refused)?
        .map_or(Ok(()), |what| Err(OpenError::Unusable { path: dir.clone(), what }))?;
    shrink::discard(&dir);
    let files = Files::new(options.vfs.clone(), &dir);
    let (index, state, segments) = open_index(&options, &files)?;
    let streams = recover(&options, &files, &segments).map_err(refused)?;
    let writer = Writer::new(state, segments, streams);
    Ok(LogStore {
        log_bytes: AtomicU64::new(writer.log_bytes()),
        writer: Mutex::new(writer),
        index: RwLock::new(Some(index)),
        files,
        options,
        _lock: Mutex::new(lock),
    })
}

fn refused(dir: &Path, reason: &dyn std::fmt::Display) -> OpenError {
    OpenError::Refused { address: dir.display().to_string(), reason: reason.to_string() }
}

/// Checks whose directory it is; claims an empty one. Returns what is wrong and what to do.
fn check_format(vfs: &dyn Vfs, dir: &Path) -> io::Result<Option<String>> {
    let names = vfs.list(dir)?;
    if !names.iter().any(|name| name == FORMAT) {
        let strange = names.iter().find(|name| ![LOCK, FORMAT_NEW].contains(&name.as_str()));
        if let Some(name) = strange {
            return Ok(Some(format!(
                "holds {name:?}, which is not this storage's; \
                 give another directory, or set storage-engine to what wrote it"
            )));
        }
        let file = vfs.open(&dir.join(FORMAT_NEW), Open::Create)?;
        segment::write_all(&*file, &[FORMAT_TEXT.as_bytes()], 0)?;
        file.sync()?;
        vfs.rename(&dir.join(FORMAT_NEW), &dir.join(FORMAT))?;
        vfs.sync_dir(dir)?;
        return Ok(None);
    }
    let file = vfs.open(&dir.join(FORMAT), Open::Read)?;
    let mut text = vec![0; FORMAT_BYTES_MAX];
    let n = segment::read_full(&*file, &mut text, 0)?;
    text.truncate(n);
    let text = String::from_utf8_lossy(&text);
    if text == FORMAT_TEXT {
        return Ok(None);
    }
    let found = text.trim();
    Ok(Some(match FORMAT_TEXT.trim().rsplit_once(' ') {
        Some((ours, _)) if found.starts_with(ours) => format!(
            "is of version {:?}, which this program does not know; use the program that wrote it",
            found[ours.len()..].trim()
        ),
        _ => format!(
            "holds a storage of another kind, {found:?}; \
             give another directory, or set storage-engine to what wrote it"
        ),
    }))
}

/// Opens the index and reads what it says about segments.
fn open_index(
    options: &Options,
    files: &Files,
) -> Result<(Index, State, BTreeMap<u32, Segment>), OpenError> {
    let dir = &options.dir;
    let unusable = |what: String| OpenError::Unusable { path: dir.clone(), what };
    let index = Index::open(dir, options.map_bytes).map_err(|e| refused(dir, &e))?;
    if index.map_bytes() > options.map_bytes.next_multiple_of(index::PAGE) {
        let used = index.file_bytes();
        return Err(unusable(format!(
            "the index has {used} bytes, more than storage-mapsize; set that to more than {used}"
        )));
    }
    let names = files.vfs.list(dir).map_err(|e| refused(dir, &e))?;
    let read = || {
        let txn = index.env.read_txn()?;
        let state = index.state(&txn)?;
        let mut segments = BTreeMap::new();
        for entry in index.segments.iter(&txn)? {
            let (id, segment) = entry?;
            let id = id.try_into().ok().map(u32::from_be_bytes);
            if let Some((id, segment)) = id.zip(Segment::from_bytes(segment)) {
                segments.insert(id, segment);
            }
        }
        Ok::<_, heed::Error>((state, segments))
    };
    let (state, segments) = read().map_err(|e| refused(dir, &e))?;
    if let Some(state) = state {
        return Ok((index, state, segments));
    }
    // A new index. When there are segments, the old one was lost, and with it what they mean.
    if let Some(name) = names.iter().find(|name| segment::id_of(name).is_some()) {
        drop(index);
        return Err(unusable(format!(
            "holds {name} but no {}, which says what is in it; \
             bring that back, or move everything away to begin anew",
            index::NAME
        )));
    }
    let state = State { next_seq: 1, next_segment: 1, held: 0, held_bytes: 0 };
    let create = || {
        let mut txn = index.env.write_txn()?;
        index.put_state(&mut txn, state)?;
        txn.commit()
    };
    create().map_err(|e| refused(dir, &e))?;
    // LMDB syncs its file, not the name of it.
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(|e| refused(dir, &e))?;
    Ok((index, state, segments))
}

/// Removes what the index does not name, cuts what is behind the ends, and finds where each class
/// goes on.
fn recover(
    options: &Options,
    files: &Files,
    segments: &BTreeMap<u32, Segment>,
) -> io::Result<Streams> {
    let mut there = HashSet::new();
    for name in options.vfs.list(&options.dir)? {
        match segment::id_of(&name) {
            Some(id) if segments.contains_key(&id) => drop(there.insert(id)),
            Some(id) => files.remove(id)?,
            None => {}
        }
    }
    let mut streams: Streams = [const { None }; CLASSES];
    for (&id, segment) in segments {
        let path = files.path(id);
        if !there.contains(&id) {
            let live = segment.live;
            tracing::error!("{} is missing: {live} messages are lost", path.display());
            continue;
        }
        let file = options.vfs.open(&path, Open::Write)?;
        let size = file.size()?;
        if size < segment.end {
            let end = segment.end;
            tracing::error!("{} has {size} bytes instead of {end}", path.display());
            continue;
        }
        if size > segment.end {
            file.set_len(segment.end)?;
        }
        let slot = streams.get_mut(usize::from(segment.class));
        if let Some(slot) = slot.filter(|_| segment.end < options.segment_bytes) {
            *slot = Some(Stream { segment: id, end: segment.end, file });
        }
    }
    Ok(streams)
}
