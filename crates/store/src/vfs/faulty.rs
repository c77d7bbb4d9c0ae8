//! A file system in memory that does to its caller what real ones may do.
//!
//! It keeps two images: what programs see (the page cache) and what is durable. A crash keeps a
//! random but legal part of the difference: any subset of the unsynced 4 KiB pages, one page torn
//! between two sectors, a prefix of the unsynced directory changes, the old or the new length.
//! Faults happen at the n-th changing operation. Everything is decided by the seed.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, Lock, Open, Space, Vfs};

mod image;

use image::{DirChange, Inode, PAGE, Random};

/// A disk that is never full in a test: 1 TiB.
const UNLIMITED: u64 = 1 << 40;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The operation fails with EIO; a sync that fails this way loses the unsynced pages.
    Io,
    /// The operation fails with ENOSPC; a write may have written a part.
    Full,
    /// A write writes only a part; other operations work.
    Short,
    /// The machine stops during the operation: it and all later ones fail until
    /// [`Faulty::crash`].
    Crash,
}

/// The file system. Cheap to clone: all clones are the same one.
#[derive(Clone)]
pub struct Faulty(Arc<Mutex<State>>);

struct State {
    random: Random,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// Names as programs see them.
    names: BTreeMap<PathBuf, u64>,
    /// Names as they are durable.
    durable: BTreeMap<PathBuf, u64>,
    /// Directory changes since, oldest first.
    changes: Vec<DirChange>,
    /// Number of the next changing operation.
    operation: u64,
    faults: BTreeMap<u64, Fault>,
    /// Crashes so far; handles of an earlier life are dead.
    life: u64,
    stopped: bool,
    total: u64,
    locked: Option<u64>,
}

struct FaultyFile {
    vfs: Faulty,
    inode: u64,
    life: u64,
}

struct Guard {
    vfs: Faulty,
    life: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.vfs.state();
        if state.locked == Some(self.life) {
            state.locked = None;
        }
    }
}

impl Faulty {
    /// An empty file system of 1 TiB.
    pub fn new(seed: u64) -> Faulty {
        Faulty(Arc::new(Mutex::new(State {
            random: Random(seed),
            inodes: BTreeMap::new(),
            next_inode: 0,
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            changes: Vec::new(),
            operation: 0,
            faults: BTreeMap::new(),
            life: 0,
            stopped: false,
            total: UNLIMITED,
            locked: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic of a test thread leaves the state as the operation before left it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changing operations so far: create, write, sync, allocate, cut, rename, remove.
    pub fn operations(&self) -> u64 {
        self.state().operation
    }

    /// Lets operation number `at` fail.
    pub fn inject(&self, at: u64, fault: Fault) {
        self.state().faults.insert(at, fault);
    }

    /// Faults that have not happened yet.
    pub fn pending(&self) -> usize {
        self.state().faults.len()
    }

    /// The size of the disk in bytes.
    pub fn set_total(&self, bytes: u64) {
        self.state().total = bytes;
    }

    /// The machine loses power and starts again. Open handles and the lock are gone; faults that
    /// have not happened are forgotten.
    pub fn crash(&self) {
        let mut state = self.state();
        let state = &mut *state;
        state.life += 1;
        state.stopped = false;
        state.locked = None;
        state.faults.clear();
        let kept = state.random.below(state.changes.len() as u64 + 1) as usize;
        for change in state.changes.drain(..).take(kept) {
            change.apply(&mut state.durable);
        }
        state.names = state.durable.clone();
        let random = &mut state.random;
        let names = &state.names;
        state.inodes.retain(|id, _| names.values().any(|inode| inode == id));
        state.inodes.values_mut().for_each(|inode| inode.crash(random));
    }

    /// The process ends; what the system has is kept. Open handles and the lock are gone.
    pub fn kill(&self) {
        let mut state = self.state();
        state.life += 1;
        state.stopped = false;
        state.locked = None;
        state.faults.clear();
    }

    /// Flips one bit of a file, durably. Panics when the file is shorter.
    pub fn flip(&self, path: &Path, offset: u64, bit: u8) {
        let mut state = self.state();
        let inode = state.names[path];
        let inode = state.inodes.get_mut(&inode).expect("names refer to inodes");
        inode.flip(offset, bit);
    }

    /// Another file system with the same contents, as after a start of the machine.
    pub fn copy(&self) -> Faulty {
        let state = self.state();
        let copy = Faulty::new(state.random.0);
        let mut new = copy.state();
        new.names = state.names.clone();
        new.durable = state.names.clone();
        new.next_inode = state.next_inode;
        new.total = state.total;
        new.inodes = state.inodes.iter().map(|(id, inode)| (*id, inode.copy())).collect();
        drop(new);
        copy
    }

    /// The files and their lengths.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        state.names.iter().map(|(name, id)| (name.clone(), state.inodes[id].len)).collect()
    }

    fn change<T>(
        &self,
        life: Option<u64>,
        act: impl FnOnce(&mut State, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        if state.stopped || life.is_some_and(|life| life != state.life) {
            return Err(eio());
        }
        let number = state.operation;
        state.operation += 1;
        let fault = state.faults.remove(&number);
        if fault == Some(Fault::Crash) {
            state.stopped = true;
        }
        act(&mut state, fault)
    }

    /// An operation that either happens or does not.
    fn simple<T>(
        &self,
        life: Option<u64>,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        self.change(life, |state, fault| match fault {
            Some(Fault::Io) => Err(eio()),
            Some(Fault::Full) => Err(enospc()),
            // Whether it happened before the power went is for the dice.
            Some(Fault::Crash) if state.random.below(2) == 0 => Err(eio()),
            Some(Fault::Crash) => act(state).and(Err(eio())),
            Some(Fault::Short) | None => act(state),
        })
    }
}

impl State {
    fn record(&mut self, change: DirChange) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn used(&self) -> u64 {
        self.names.values().map(|id| self.inodes[id].blocks() * PAGE as u64).sum()
    }

    /// Whether an inode may grow to this many pages.
    fn has_room(&self, inode: u64, pages: u64) -> bool {
        let more = pages.saturating_sub(self.inodes[&inode].blocks()) * PAGE as u64;
        more == 0 || self.total == UNLIMITED || self.used() + more <= self.total
    }
}

impl Vfs for Faulty {
    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let existing = {
            let state = self.state();
            if state.stopped {
                return Err(eio());
            }
            state.names.get(path).copied()
        };
        let inode = match (how, existing) {
            (Open::Create, Some(inode)) => self.simple(None, |state| {
                let inode_state = state.inodes.get_mut(&inode).ok_or_else(eio)?;
                inode_state.set_len(0);
                Ok(inode)
            })?,
            (Open::Create, None) => self.simple(None, |state| {
                state.next_inode += 1;
                let inode = state.next_inode;
                state.inodes.insert(inode, Inode::default());
                state.record(DirChange::Link(path.to_owned(), inode));
                Ok(inode)
            })?,
            (_, Some(inode)) => inode,
            (_, None) => return Err(io::ErrorKind::NotFound.into()),
        };
        let life = self.state().life;
        Ok(Arc::new(FaultyFile { vfs: self.clone(), inode, life }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.simple(None, |state| {
            if !state.names.contains_key(from) {
                return Err(io::ErrorKind::NotFound.into());
            }
            state.record(DirChange::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.simple(None, |state| {
            if !state.names.contains_key(path) {
                return Err(io::ErrorKind::NotFound.into());
            }
            state.record(DirChange::Unlink(path.to_owned()));
            Ok(())
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let here = state.names.keys().filter(|name| name.parent() == Some(dir));
        let names = here.filter_map(|name| name.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.simple(None, |state| {
            let (here, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut state.changes).into_iter().partition(|c| c.is_in(dir));
            here.into_iter().for_each(|change| change.apply(&mut state.durable));
            state.changes = rest;
            Ok(())
        })
    }

    fn lock(&self, _path: &Path) -> io::Result<Lock> {
        let mut state = self.state();
        if state.locked.is_some() {
            return Ok(Lock::Busy(1));
        }
        state.locked = Some(state.life);
        let life = state.life;
        drop(state);
        Ok(Lock::Held(Box::new(Guard { vfs: self.clone(), life })))
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let state = self.state();
        Ok(Space { total: state.total, available: state.total.saturating_sub(state.used()) })
    }
}

impl FaultyFile {
    fn look<T>(&self, act: impl FnOnce(&Inode) -> T) -> io::Result<T> {
        let state = self.vfs.state();
        if state.stopped || self.life != state.life {
            return Err(eio());
        }
        state.inodes.get(&self.inode).map(act).ok_or_else(eio)
    }
}

impl File for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.look(|inode| inode.read(buf, offset))
    }

    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let bytes: Vec<u8> = bufs.iter().flat_map(|b| b.iter().copied()).collect();
        self.vfs.change(Some(self.life), |state, fault| {
            let end = offset + bytes.len() as u64;
            let fault = match fault {
                None if !state.has_room(self.inode, end.div_ceil(PAGE as u64)) => Some(Fault::Full),
                other => other,
            };
            let part = match fault {
                None => bytes.len(),
                Some(Fault::Io) => 0,
                Some(Fault::Full) if !state.has_room(self.inode, end.div_ceil(PAGE as u64)) => 0,
                Some(Fault::Short) => 1 + state.random.below(bytes.len() as u64) as usize,
                Some(_) => state.random.below(bytes.len() as u64 + 1) as usize,
            };
            let inode = state.inodes.get_mut(&self.inode).ok_or_else(eio)?;
            inode.write(&bytes[..part], offset);
            match fault {
                None | Some(Fault::Short) => Ok(part),
                Some(Fault::Full) => Err(enospc()),
                Some(Fault::Io | Fault::Crash) => Err(eio()),
            }
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.vfs.change(Some(self.life), |state, fault| {
            let inode = state.inodes.get_mut(&self.inode).ok_or_else(eio)?;
            match fault {
                None | Some(Fault::Short) => {
                    inode.sync();
                    Ok(())
                }
                Some(Fault::Io | Fault::Full) => {
                    inode.lose_dirty();
                    Err(eio())
                }
                Some(Fault::Crash) => Err(eio()),
            }
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.look(|inode| inode.len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.vfs.simple(Some(self.life), |state| {
            state.inodes.get_mut(&self.inode).ok_or_else(eio)?.set_len(len);
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.vfs.simple(Some(self.life), |state| {
            if !state.has_room(self.inode, len.div_ceil(PAGE as u64)) {
                return Err(enospc());
            }
            state.inodes.get_mut(&self.inode).ok_or_else(eio)?.allocate(len);
            Ok(())
        })
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

fn enospc() -> io::Error {
    io::Error::from_raw_os_error(28)
}

#[cfg(test)]
mod tests;
