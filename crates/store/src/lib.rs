//! The node's one durable log: what was synced is there after a crash, in order, intact.
//!
//! Messages go to one of two logs of 64 MiB files. The P-log is the write-ahead log: records are
//! built in memory chunks as frames, a frame or several are a group commit, written and synced
//! together by the WAL thread. The T-log holds transient messages: they stay in memory chunks and
//! reach a file, unsynced, only when the cache budget is exceeded.
//!
//! A *lane* is one FIFO of messages. A message is named by ([`LaneId`], [`Seq`]). While its file
//! is written to, a message costs an entry in its lane's tail; once the file is sealed it costs a
//! bit. `docs/internals/store.md` describes the files byte by byte.
//!
//! Where to look: `append` and `settle` change lanes, `read` finds bytes, `commit` hands batches
//! to `wal` and takes completions, `retire` seals and evicts, `compaction` and `background` do the
//! slow file work, `checkpoint` and `recovery` bring it all back.
//!
//! Never here: what a message means, a socket, a second sync of the same bytes.

#![warn(missing_docs)]
#![deny(unsafe_code)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[expect(unsafe_code, reason = "memory that is written and read at once; argued in the module")]
pub mod chunk;
pub mod erase;
pub mod error;
pub mod vfs;

mod append;
mod background;
mod checkpoint;
mod commit;
mod compaction;
mod files;
mod lane;
mod live;
mod merge;
mod node;
mod open;
mod read;
mod record;
mod recovery;
mod restore;
mod retire;
mod room;
mod segment;
mod settle;
mod snapshot;
mod wal;
mod warm;
mod window;
mod workers;

pub use chunk::Slice;
pub use error::{CloseError, OpenError, ReadError};

use lane::Lanes;
use slab::Slab;

/// Names a lane; never used again after the lane is deleted, not even after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LaneId(pub u64);

/// Position of a message in its lane: ascending from 0. Not used twice, but for transient messages
/// that a crash took.
pub type Seq = u64;

/// Number of a group commit; what was appended under it is durable when [`Store::synced`] reaches
/// it. 0: nothing to wait for.
pub type Pos = u64;

/// How a store behaves. All sizes in bytes.
#[derive(Clone)]
pub struct Options {
    /// Memory for chunks: recent messages are delivered from it. Default: 16 MiB.
    pub cache_bytes: usize,
    /// One chunk, a multiple of 4 KiB; a larger record gets a chunk of its own. Default: 1 MiB.
    pub chunk_bytes: usize,
    /// One log file. Default: 64 MiB.
    pub wal_file_bytes: u64,
    /// Buffers for reading messages that are only on disk, all together. Default: 8 MiB.
    pub window_bytes: usize,
    /// How long acks without anything else to sync may wait in memory. Default: 20 ms.
    pub ack_linger: Duration,
    /// An idle log is closed with an empty frame after this time, so that damage of the last
    /// frame is recognised. Default: 100 ms.
    pub idle: Duration,
    /// No threads, for tests and simulation: `submit` and `poll` do all the work.
    /// Default: false.
    pub inline: bool,
    /// Called by the WAL and background threads when [`Store::poll`] has something to take.
    /// Default: nothing.
    pub notify: Arc<dyn Fn() + Send + Sync>,
    /// Called, on the store's thread, when a write or sync failed for another reason than a full
    /// disk. The store does nothing more after it. Default: prints the reason and aborts.
    pub fatal: Arc<dyn Fn(String) + Send + Sync>,
    /// Called when a message cannot be read because its bytes on disk are damaged, with the file and
    /// the offset. The message is never given out. Default: prints it.
    pub damaged: Arc<dyn Fn(String) + Send + Sync>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: 16 << 20,
            chunk_bytes: 1 << 20,
            wal_file_bytes: 64 << 20,
            window_bytes: 8 << 20,
            ack_linger: Duration::from_millis(20),
            idle: Duration::from_millis(100),
            inline: false,
            notify: Arc::new(|| {}),
            fatal: Arc::new(|reason| {
                eprintln!(
                    "leveret store: {reason}; stopping, the log is replayed at the next start"
                );
                std::process::abort();
            }),
            damaged: Arc::new(|what| eprintln!("leveret store: {what}")),
        }
    }
}

/// What a directory held when it was opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The last checkpoint's topology, then the records logged since, in order.
    pub topology: Vec<Vec<u8>>,
    /// The durable lanes.
    pub lanes: Vec<RecoveredLane>,
    /// The store was closed and not touched since.
    pub clean: bool,
    /// Bytes of WAL that were replayed.
    pub replayed_bytes: u64,
    /// Bytes after the last complete frame: a write that a crash cut short. None of it was
    /// reported as synced.
    pub torn_bytes: u64,
    /// Chosen when the directory was made.
    pub node_id: u64,
}

/// A durable lane that was found again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecoveredLane {
    /// Its name.
    pub lane: LaneId,
    /// What the next message gets.
    pub next_seq: Seq,
    /// Messages below may have been delivered before; all of them after an unclean stop.
    pub mark: Seq,
    /// Waiting messages.
    pub live: u64,
}

/// Counts of one lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LaneStats {
    /// Waiting messages: appended and not settled.
    pub live: u64,
    /// Their body bytes.
    pub live_bytes: u64,
    /// What the next message gets.
    pub next_seq: Seq,
}

/// What [`Store::poll`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// [`Store::synced`] moved.
    pub synced_advanced: bool,
    /// [`Store::checkpoint`] should be called soon: log files wait to be reused.
    pub checkpoint_due: bool,
}

/// How a store is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// Bytes that are not yet where they must go: unsynced frames, and transient chunks on their
    /// way to disk. Publishers pause when it grows.
    pub backlog_bytes: usize,
    /// The disk is full; the store keeps what it has and tries again by itself.
    pub full: bool,
    /// Bytes of all files.
    pub disk_bytes: u64,
    /// Bytes of message memory: chunks and read windows.
    pub cache_bytes: usize,
    /// Damaged records met by reads.
    pub corrupt: u64,
    /// Sealed files.
    pub segments: usize,
    /// Group commits synced.
    pub fsyncs: u64,
    /// Bytes of group commits.
    pub written_bytes: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Lanes.
    pub lanes: usize,
    /// A write or sync failed; nothing is written any more.
    pub failed: bool,
}

/// The store. All calls are made from one thread and none blocks for a sync.
pub struct Store {
    layout: files::Layout,
    vfs: Arc<dyn vfs::Vfs>,
    options: Options,
    lanes: Lanes,
    files: Slab<files::DataFile>,
    chunks: files::Chunks,
    windows: window::Windows,
    blocks: window::IndexBlocks,
    wal: commit::WalFront,
    tlog: append::TransientLog,
    acks: settle::PendingAcks,
    retired: retire::Retired,
    merge: merge::MergeFront,
    checkpoints: snapshot::Checkpoints,
    workers: workers::Workers,
    /// Ids of files: never used twice.
    next_file: u64,
    /// Data files opened for reading since all were closed.
    handles: usize,
    corrupt: u64,
    failed: bool,
    /// A write found no room, and the ballast has not been restored since.
    full: bool,
    /// Bytes of the ballast file.
    ballast_held: u64,
    ballast_asked: bool,
    /// Held until the store is dropped.
    _lock: Box<dyn std::any::Any + Send>,
}

impl Store {
    fn path_of(&self, file: u32) -> PathBuf {
        let f = &self.files[file as usize];
        self.layout.data(f.home, f.id)
    }

    /// Stops for good: what was reported as synced stays true.
    fn fail(&mut self, reason: String) {
        if !self.failed {
            self.failed = true;
            (self.options.fatal)(reason);
        }
    }
}
