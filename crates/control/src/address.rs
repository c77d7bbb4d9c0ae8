//! Where a node's socket is, for the calls that take at most a hundred bytes of path.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Longer paths do not fit into `sockaddr_un` (108 bytes, and a name for the time of binding).
const PATH_BYTES_MAX: usize = 96;

/// A path that can be connected and bound to, as long as this is there.
#[derive(Debug)]
pub struct Address {
    path: PathBuf,
    /// The directory that a short path goes through.
    _dir: Option<File>,
}

impl Address {
    /// The address of the socket at `path`, however long that is.
    pub fn of(path: &Path) -> io::Result<Address> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Address { path: path.to_owned(), _dir: None });
        }
        let dir = File::open(dir)?;
        let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
        Ok(Address { path, _dir: Some(dir) })
    }

    /// What to give to the system.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
