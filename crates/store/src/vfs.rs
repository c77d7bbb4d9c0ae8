//! All file access of the store goes through this trait, so that tests can lose, tear and refuse
//! what a real disk may lose, tear and refuse.
//!
//! Two implementations: [`disk`] for a machine, [`faulty`] for tests and simulation.

use std::any::Any;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

pub mod disk;
pub mod faulty;

/// How a file is opened. All handles can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Open {
    /// It must exist; only read.
    Read,
    /// It must exist; read and write.
    Write,
    /// It must exist; written only, past the page cache where the system can: in whole 4 KiB
    /// blocks from memory on such a boundary.
    Log,
    /// It must exist; only read, past the page cache where the system can: whole 4 KiB blocks into
    /// memory on such a boundary.
    Stream,
    /// It is created empty; an existing one is cut to nothing.
    Create,
}

/// The outcome of [`Vfs::lock`].
pub enum Lock {
    /// Held until the value is dropped or the process ends.
    Held(Box<dyn Any + Send>),
    /// Somebody else holds it; the pid that the file names, 0 when it names none.
    Busy(u32),
}

/// Size of a file system in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What this process may still use.
    pub available: u64,
}

/// A file system.
pub trait Vfs: Send + Sync + 'static {
    /// Creates a directory and its parents; no error when it exists.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// Renames a file over whatever has the new name. Durable after `sync_dir`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Durable after `sync_dir`.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names of the files in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes an exclusive lock and writes this process's pid into the file.
    fn lock(&self, path: &Path) -> io::Result<Lock>;
    /// The room of the file system that holds `dir`.
    fn space(&self, dir: &Path) -> io::Result<Space>;
}

/// An open file.
pub trait File: Send + Sync {
    /// Reads at an offset; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at an offset; may write fewer bytes than given.
    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Makes everything written durable, and the length when it grew.
    fn sync(&self) -> io::Result<()>;
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Cuts or extends with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves blocks up to `len` and extends the file to it.
    fn allocate(&self, len: u64) -> io::Result<()>;
}

/// Reads exactly `buf.len()` bytes or fails with `UnexpectedEof`.
pub(crate) fn read_exact_at(file: &dyn File, mut buf: &mut [u8], mut at: u64) -> io::Result<()> {
    while !buf.is_empty() {
        let n = file.read_at(buf, at)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf = &mut buf[n..];
        at += n as u64;
    }
    Ok(())
}

/// Writes all of `bufs` at consecutive offsets, at most 1,024 at a time (`IOV_MAX`).
pub(crate) fn write_all_at(file: &dyn File, bufs: &[&[u8]], mut at: u64) -> io::Result<()> {
    for group in bufs.chunks(1024) {
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|b| IoSlice::new(b)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            if rest[0].is_empty() {
                rest = &mut rest[1..];
                continue;
            }
            let n = file.write_at(rest, at)?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            at += n as u64;
            IoSlice::advance_slices(&mut rest, n);
        }
    }
    Ok(())
}

/// Whether an error means that the disk (or the user's share of it) is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
