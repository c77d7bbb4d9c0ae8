//! What the machine gives this process: memory, disk, open files. Reads small files of `/proc`
//! and `/sys` and asks the kernel; keeps nothing. Paths start at a root, so that tests bring theirs.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Scalar, Size, quoted};

/// Memory that the process may use, in bytes: the machine's, or less when a control group
/// (version 1 or 2, this process's own or one above it) says so. `root` is `/`.
pub fn total_memory(root: &Path) -> io::Result<u64> {
    let physical = meminfo_total(root)?;
    Ok(cgroup_limit(root).map_or(physical, |limit| limit.min(physical)))
}

fn meminfo_total(root: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo"))?;
    let kib = text.lines().find_map(|line| {
        let rest = line.strip_prefix("MemTotal:")?.trim();
        rest.strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other("no MemTotal in /proc/meminfo"))
}

/// The lowest limit on the way from the process's group up to the root of the hierarchy. In a
/// container the path of the group may be the host's and not exist here; then the root counts.
fn cgroup_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            c if c.split(',').any(|c| c == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let mount = root.join(mount);
        let group = mount.join(path.trim_start_matches('/'));
        let ancestors = group.ancestors().take_while(|a| a.starts_with(&mount));
        ancestors
            .filter_map(|a| fs::read_to_string(a.join(file)).ok()?.trim().parse::<u64>().ok())
            .min()
    });
    limits.min()
}

/// The process's resident memory in bytes. Cheap: one read of `/proc/self/statm`.
pub fn resident_memory(root: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(root.join("proc/self/statm"))?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| io::Error::other("no resident size in /proc/self/statm"))?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Bytes that this process may still write to the file system that holds `path`.
pub fn free_disk(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// How many files the process has open.
pub fn open_files(root: &Path) -> io::Result<u64> {
    Ok(fs::read_dir(root.join("proc/self/fd"))?.count() as u64)
}

/// How many files the process may have open.
pub fn open_files_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raises the soft limit on open files to the hard one, and says what it is now.
pub fn raise_open_files_max() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(e) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!("cannot raise the limit on open files: {e}");
        }
    }
    open_files_max()
}

/// Gives freed memory back to the system; `true`: at any price.
pub type ReleaseMemory = fn(bool);

static RELEASE_MEMORY: OnceLock<ReleaseMemory> = OnceLock::new();

/// Says how this process's allocator gives memory back: only the binary knows its allocator. The
/// first caller wins.
pub fn release_memory_by(release: ReleaseMemory) {
    let _ = RELEASE_MEMORY.set(release);
}

/// Gives freed memory back to the system, if the binary said how. An allocator may keep it until it
/// is called again, which an idle process never does.
pub fn release_memory(force: bool) {
    if let Some(release) = RELEASE_MEMORY.get() {
        release(force);
    }
}

/// The root of the real machine.
pub fn root() -> PathBuf {
    PathBuf::from("/")
}

/// How much memory may be used before publishers are blocked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Watermark {
    /// A part of the total memory, from 0 to 1.
    Fraction(f64),
    /// Bytes.
    Absolute(Size),
}

impl Watermark {
    /// The mark in bytes on a machine with `total` bytes of memory.
    pub fn bytes(self, total: u64) -> u64 {
        match self {
            Watermark::Fraction(part) => (total as f64 * part) as u64,
            Watermark::Absolute(size) => size.0,
        }
    }
}

impl Scalar for Watermark {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(part) = text.parse::<f64>()
            && (text.contains('.') || part <= 1.0)
        {
            if (0.0..=1.0).contains(&part) {
                return Ok(Watermark::Fraction(part));
            }
        } else if let Ok(size) = Size::parse(text) {
            return Ok(Watermark::Absolute(size));
        }
        Err(format!(
            "expected a fraction from 0 to 1 such as 0.4, or a size such as \"2GiB\", got {}",
            quoted(text)
        ))
    }

    fn toml(&self) -> String {
        match self {
            Watermark::Fraction(part) => format!("{part:?}"),
            Watermark::Absolute(size) => Scalar::toml(size),
        }
    }
}

/// How much disk must stay free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DiskLimit {
    /// This many times the total memory.
    Memory(f64),
    /// Bytes.
    Absolute(Size),
}

impl DiskLimit {
    /// The limit in bytes on a machine with `total` bytes of memory.
    pub fn bytes(self, total: u64) -> u64 {
        match self {
            DiskLimit::Memory(times) => (total as f64 * times) as u64,
            DiskLimit::Absolute(size) => size.0,
        }
    }
}

/// A number with a point is a multiple of the memory; any other is a size.
impl Scalar for DiskLimit {
    fn parse(text: &str) -> Result<Self, String> {
        let times = text.parse::<f64>().ok().filter(|times| times.is_finite() && *times >= 0.0);
        match (times, Size::parse(text)) {
            (_, Ok(size)) => Ok(DiskLimit::Absolute(size)),
            (Some(times), _) => Ok(DiskLimit::Memory(times)),
            (None, Err(_)) => Err(format!(
                "expected a size such as \"50MB\", or a multiple of the memory such as 1.5, got {}",
                quoted(text)
            )),
        }
    }

    fn toml(&self) -> String {
        match self {
            DiskLimit::Memory(times) => format!("{times:?}"),
            DiskLimit::Absolute(size) => Scalar::toml(size),
        }
    }
}
