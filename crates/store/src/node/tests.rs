//! A directory keeps its identity through crashes and damage of one copy.

use std::path::Path;

use super::*;
use crate::vfs::faulty::{Fault, Faulty};

fn dir() -> &'static Path {
    Path::new("/data")
}

#[test]
fn identity_survives_damage_of_one_copy() {
    let vfs = Faulty::new(1);
    let node = open(&vfs, dir(), false).unwrap();
    for offset in [9, BLOCK as u64 + 9] {
        vfs.flip(&dir().join("node.meta"), offset, 3);
        assert_eq!(open(&vfs, dir(), false).unwrap(), node);
    }
    vfs.flip(&dir().join("node.meta"), 9, 3);
    vfs.flip(&dir().join("node.meta"), BLOCK as u64 + 9, 3);
    let damaged = open(&vfs, dir(), false);
    assert!(matches!(damaged, Err(OpenError::Corrupt { offset: 0, .. })));
}

#[test]
fn crash_while_it_is_made_leaves_none_or_a_whole_one() {
    for seed in 0..8 {
        for at in 0..8 {
            let vfs = Faulty::new(seed);
            vfs.inject(at, Fault::Crash);
            let made = open(&vfs, dir(), false);
            vfs.crash();
            let found = open(&vfs, dir(), false).unwrap();
            assert!(made.is_err() || made.unwrap() == found);
        }
    }
}

#[test]
fn other_format_is_refused_by_name() {
    let vfs = Faulty::new(1);
    let mut copy = encode(7);
    copy[4] = 9;
    let crc = crc32c::crc32c(&copy[..28]) ^ signature(0);
    copy[28..32].copy_from_slice(&crc.to_le_bytes());
    let file = vfs.open(&dir().join("node.meta"), Open::Create).unwrap();
    vfs::write_all_at(&*file, &[&copy], 0).unwrap();
    let refused = open(&vfs, dir(), false);
    assert!(matches!(refused, Err(OpenError::Format { found: 9, known: 1, .. })));
}
