//! What can go wrong when a store is opened, read or closed.

use std::io;
use std::path::PathBuf;

/// Why a data directory was not opened. Nothing was changed on disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock file.
    #[error("data directory {} is in use by process {pid}", dir.display())]
    Locked {
        /// The directory that was asked for.
        dir: PathBuf,
        /// What the lock file says about its holder; 0 when it says nothing.
        pid: u32,
    },
    /// Bytes that were known to be durable are damaged or missing.
    #[error("{} is damaged at offset {offset}: {what}", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Offset in bytes of the smallest part that failed its check.
        offset: u64,
        /// What was expected there.
        what: String,
    },
    /// The directory was written by a version with another format.
    #[error("{} has format {found}, this version reads format {known}", file.display())]
    Format {
        /// The file that says so.
        file: PathBuf,
        /// The format found.
        found: u32,
        /// The format that this version reads and writes.
        known: u32,
    },
    /// The operating system refused.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file concerned.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(file: impl Into<PathBuf>, source: io::Error) -> OpenError {
        OpenError::Io { file: file.into(), source }
    }

    pub(crate) fn corrupt(
        file: impl Into<PathBuf>,
        offset: u64,
        what: impl Into<String>,
    ) -> OpenError {
        OpenError::Corrupt { file: file.into(), offset, what: what.into() }
    }
}

/// Why a message was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Settled, purged, its lane deleted, or never stored.
    #[error("message is gone")]
    Gone,
    /// The bytes on disk are not what was written; they are never returned.
    #[error("{} is damaged at offset {offset}", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Offset of the record or index block in bytes.
        offset: u64,
    },
    /// The operating system refused.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file concerned.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a clean stop was not recorded. What was synced before is safe.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The disk is full: the last batch could not be written.
    #[error("disk is full: {bytes} bytes were not written")]
    Full {
        /// Bytes that were waiting.
        bytes: usize,
    },
    /// The operating system refused; the `fatal` callback was told.
    #[error("store stopped after a failed write or sync")]
    Failed,
}
