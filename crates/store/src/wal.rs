//! The WAL thread: one write and one sync at a time, in the order given.
//!
//! It decides nothing. The store's front builds frames; this thread puts a batch of them on disk
//! and says so. A failed sync is never tried again: the pages may be marked clean by then.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::Pos;
use crate::chunk::{Chunk, Slice};
use crate::vfs::{self, File};
use crate::workers::Event;

/// What goes to one file.
pub(crate) struct FileWrite {
    pub(crate) id: u64,
    pub(crate) file: Arc<dyn File>,
    pub(crate) at: u64,
    /// Consecutive bytes.
    pub(crate) slices: Vec<Slice>,
    /// Zeros to write behind them, at most [`ZEROS`].
    pub(crate) zeros: usize,
}

/// How far small batches write zeros ahead in a file whose blocks were never written. The first
/// write of a block costs the file system a journal entry with each sync; a whole stretch at once
/// costs one.
pub(crate) const ZEROS: usize = 256 << 10;

fn zeros(len: usize) -> Slice {
    static SHARED: OnceLock<Slice> = OnceLock::new();
    let all = SHARED.get_or_init(|| {
        let mut chunk = Chunk::new(ZEROS);
        chunk.advance(ZEROS);
        chunk.slice(0, ZEROS)
    });
    all.slice(0..len)
}

/// A group commit: frames that are written and synced together.
pub(crate) struct Batch {
    /// Nearly always one; two when the log changed files in between.
    pub(crate) writes: Vec<FileWrite>,
    /// The last frame in it.
    pub(crate) last: Pos,
    pub(crate) bytes: usize,
}

/// Work for the WAL thread.
pub(crate) enum WalJob {
    /// Write and sync.
    Write(Batch),
    /// Call `notify` after this time unless a batch comes first: acks are waiting.
    Linger(Duration),
}

/// What became of a batch.
pub(crate) enum WalDone {
    /// Durable.
    Synced(Batch),
    /// Not written for want of room; the batch may be tried again.
    Full(Batch),
    /// The store must stop.
    Fatal {
        /// The file's id.
        id: u64,
        /// What failed.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
    /// Nothing was written for a while.
    Idle,
}

/// Writes and syncs one batch.
pub(crate) fn run(batch: Batch) -> WalDone {
    for write in &batch.writes {
        let zeros = zeros(write.zeros);
        let bufs: Vec<&[u8]> = write.slices.iter().map(|s| &s[..]).chain([&zeros[..]]).collect();
        match vfs::write_all_at(&*write.file, &bufs, write.at) {
            Ok(()) => {}
            Err(e) if vfs::is_full(&e) => return WalDone::Full(batch),
            Err(error) => return WalDone::Fatal { id: write.id, what: "write", error },
        }
        // A file is synced before the next one gets its first frame, so a frame in a later file
        // proves the earlier files complete.
        if let Err(error) = write.file.sync() {
            return WalDone::Fatal { id: write.id, what: "sync", error };
        }
    }
    WalDone::Synced(batch)
}

/// The thread's loop; ends when the front drops its sender.
pub(crate) fn serve(
    jobs: Receiver<WalJob>,
    done: Sender<Event>,
    notify: Arc<dyn Fn() + Send + Sync>,
    idle: Duration,
) {
    let mut wake: Option<Instant> = None;
    loop {
        let job = match wake {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        let outcome = match job {
            Ok(WalJob::Linger(time)) => {
                let at = Instant::now() + time;
                wake = Some(wake.map_or(at, |w| w.min(at)));
                continue;
            }
            Ok(WalJob::Write(batch)) => {
                let outcome = run(batch);
                wake = Some(Instant::now() + idle);
                outcome
            }
            Err(RecvTimeoutError::Timeout) => {
                wake = None;
                WalDone::Idle
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if done.send(Event::Wal(outcome)).is_err() {
            return;
        }
        notify();
    }
}
