//! Keeps the index's pages from filling the process's memory.
//!
//! LMDB maps its file. Every page that a search visits becomes resident, with its neighbours, and
//! stays until the system wants memory: with ten million messages that is most of a gigabyte that
//! users see as the delayer's. Given back here, a page is still in the page cache, and the next
//! visit maps it again in about a microsecond.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Mapped pages of files that may be resident above what there was after they were given back last.
const PAGES_MAX: u64 = (48 << 20) / 4096;

/// A visit maps at most 16 pages (the kernel's fault-around) of each level that is not resident, so
/// this many cannot go far past the limit.
const VISITS_PER_LOOK: u64 = 128;

/// Counts visits, and looks at the process now and then, in the middle of a large change as well.
#[derive(Default)]
pub(super) struct Resident {
    /// Where the file is mapped, when the system says so.
    map: Option<Map>,
    visits: AtomicU64,
    /// Resident pages of files when they were given back last.
    base: AtomicU64,
}

impl Resident {
    /// For the map of a file.
    pub(super) fn of(file: &File) -> Resident {
        Resident { map: Map::of(file), ..Resident::default() }
    }

    /// Says that so many keys were searched in a file of `bytes`, and gives pages back when too many
    /// are resident.
    pub(super) fn visited(&self, visits: u64, bytes: impl Fn() -> u64) {
        if self.visits.fetch_add(visits, Ordering::Relaxed) + visits < VISITS_PER_LOOK {
            return;
        }
        self.visits.store(0, Ordering::Relaxed);
        let Some(pages) = file_pages() else { return };
        if pages > self.base.load(Ordering::Relaxed) + PAGES_MAX {
            self.give_back(bytes());
            self.base.store(file_pages().unwrap_or(pages), Ordering::Relaxed);
        }
    }

    /// Gives the mapped pages of the index back. They are read again from the page cache when
    /// needed.
    pub(super) fn give_back(&self, bytes: u64) {
        let Some(map) = self.map else { return };
        let bytes = (bytes as usize).min(map.bytes);
        let address = std::ptr::with_exposed_provenance_mut(map.address);
        // SAFETY: the range is the map of the index's file, looked up when it was opened; the index
        // that owns this keeps the environment, and so the map, alive. It is shared and only read
        // (no WRITE_MAP): its contents are the file's, so dropping pages loses nothing, also while
        // another thread reads or a transaction is under way.
        let result =
            unsafe { rustix::mm::madvise(address, bytes, rustix::mm::Advice::LinuxDontNeed) };
        if let Err(e) = result {
            tracing::debug!("cannot give the index's pages back: {e}");
        }
    }
}

/// Resident pages of this process that belong to files.
fn file_pages() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split(' ').nth(2)?.parse().ok()
}

/// Where a file is mapped.
#[derive(Clone, Copy)]
struct Map {
    address: usize,
    bytes: usize,
}

impl Map {
    /// The one map of a file in this process; LMDB does not tell where it is.
    fn of(file: &File) -> Option<Map> {
        let inode = file.metadata().ok()?.ino();
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        maps.lines().find_map(|line| Map::parse(line, inode))
    }

    /// A line is `from-to permissions offset device inode path`.
    fn parse(line: &str, inode: u64) -> Option<Map> {
        let mut fields = line.split_ascii_whitespace();
        let (from, to) = fields.next()?.split_once('-')?;
        let shared = fields.next()?.ends_with('s');
        let offset = fields.next()?;
        let same = fields.nth(1)?.parse() == Ok(inode);
        if !shared || !same || offset.bytes().any(|digit| digit != b'0') {
            return None;
        }
        let address = usize::from_str_radix(from, 16).ok()?;
        Some(Map { address, bytes: usize::from_str_radix(to, 16).ok()? - address })
    }
}
