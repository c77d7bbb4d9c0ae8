//! One file as it is seen and as it is durable, and the dice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a disk writes or does not write.
pub(super) const PAGE: usize = 4096;
/// What a disk writes in one piece.
const SECTOR: u64 = 512;

type Pages = BTreeMap<u64, Box<[u8]>>;

/// A file's contents; pages that are missing are zeros.
#[derive(Default)]
pub(super) struct Inode {
    pub(super) len: u64,
    durable_len: u64,
    pages: Pages,
    durable: Pages,
    dirty: BTreeSet<u64>,
    /// Pages reserved by `allocate`.
    reserved: u64,
}

impl Inode {
    pub(super) fn blocks(&self) -> u64 {
        self.reserved.max(self.pages.len() as u64)
    }

    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let end = self.len.min(offset + buf.len() as u64);
        let mut at = offset;
        while at < end {
            let within = at as usize % PAGE;
            let n = (PAGE - within).min((end - at) as usize);
            let out = &mut buf[(at - offset) as usize..][..n];
            match self.pages.get(&(at / PAGE as u64)) {
                Some(page) => out.copy_from_slice(&page[within..within + n]),
                None => out.fill(0),
            }
            at += n as u64;
        }
        end.saturating_sub(offset) as usize
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let within = at as usize % PAGE;
            let n = (PAGE - within).min(bytes.len() - done);
            let number = at / PAGE as u64;
            let page = self.pages.entry(number).or_insert_with(|| vec![0; PAGE].into());
            page[within..within + n].copy_from_slice(&bytes[done..done + n]);
            self.dirty.insert(number);
            done += n;
        }
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let kept = len.div_ceil(PAGE as u64);
        self.pages.retain(|&number, _| number < kept);
        if len < self.len
            && !len.is_multiple_of(PAGE as u64)
            && let Some(page) = self.pages.get_mut(&(len / PAGE as u64))
        {
            page[len as usize % PAGE..].fill(0);
            self.dirty.insert(len / PAGE as u64);
        }
        self.dirty.retain(|&number| number < kept);
        self.reserved = self.reserved.min(kept);
        self.len = len;
    }

    pub(super) fn allocate(&mut self, len: u64) {
        self.reserved = self.reserved.max(len.div_ceil(PAGE as u64));
        self.len = self.len.max(len);
    }

    pub(super) fn sync(&mut self) {
        for number in std::mem::take(&mut self.dirty) {
            if let Some(page) = self.pages.get(&number) {
                self.durable.insert(number, page.clone());
            }
        }
        self.cut_durable();
        self.durable_len = self.len;
    }

    fn cut_durable(&mut self) {
        let kept = self.len.div_ceil(PAGE as u64);
        self.durable.retain(|&number, _| number < kept);
    }

    /// A sync failed: the system calls the pages clean all the same.
    pub(super) fn lose_dirty(&mut self) {
        self.dirty.clear();
    }

    pub(super) fn crash(&mut self, random: &mut Random) {
        let torn = random.below(self.dirty.len() as u64 + 1);
        for (i, number) in std::mem::take(&mut self.dirty).into_iter().enumerate() {
            let Some(page) = self.pages.get(&number) else { continue };
            let old = self.durable.entry(number).or_insert_with(|| vec![0; PAGE].into());
            if i as u64 == torn {
                let cut = (random.below(PAGE as u64 / SECTOR) * SECTOR) as usize;
                old[..cut].copy_from_slice(&page[..cut]);
            } else if random.below(2) == 0 {
                old.copy_from_slice(page);
            }
        }
        // The length is metadata of its own: the old one, or the new one.
        if random.below(2) == 0 {
            self.len = self.durable_len;
        }
        self.cut_durable();
        self.durable_len = self.len;
        self.reserved = self.reserved.min(self.len.div_ceil(PAGE as u64));
        self.pages = self.durable.clone();
    }

    /// The contents as programs see them, all of it durable.
    pub(super) fn copy(&self) -> Inode {
        Inode {
            len: self.len,
            durable_len: self.len,
            pages: self.pages.clone(),
            durable: self.pages.clone(),
            dirty: BTreeSet::new(),
            reserved: self.reserved,
        }
    }

    pub(super) fn flip(&mut self, offset: u64, bit: u8) {
        assert!(offset < self.len, "offset {offset} is behind the end");
        let number = offset / PAGE as u64;
        for pages in [&mut self.pages, &mut self.durable] {
            let page = pages.entry(number).or_insert_with(|| vec![0; PAGE].into());
            page[offset as usize % PAGE] ^= 1 << bit;
        }
    }
}

/// A change of names that is not durable yet.
pub(super) enum DirChange {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl DirChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            DirChange::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            DirChange::Unlink(name) => {
                names.remove(name);
            }
            DirChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }

    pub(super) fn is_in(&self, dir: &Path) -> bool {
        match self {
            DirChange::Link(name, _) | DirChange::Unlink(name) => name.parent() == Some(dir),
            DirChange::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }
}

/// SplitMix64: small, seeded, good enough for dice.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}
