//! Random callers against the model, on a disk that misbehaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::vfs::faulty::{Fault, Faulty};
use store::vfs::{Open, Vfs};
use store::{LaneId, OpenError, ReadError, Recovered, Store};

use crate::world::{World, for_seeds};

#[test]
fn running_store_agrees_with_the_model() {
    for_seeds(0..40, |seed| {
        let mut world = World::new(seed);
        for step in 0..600 {
            world.step();
            if step % 50 == 49 {
                world.check();
            }
        }
    });
}

#[test]
fn what_was_synced_survives_crashes() {
    for_seeds(1000..1040, |seed| {
        let mut world = World::new(seed);
        for _ in 0..8 {
            for _ in 0..100 {
                world.step();
            }
            match world.dice.below(4) {
                0 => world.close_and_open(),
                1 => world.restart(false),
                _ => world.restart(true),
            }
        }
    });
}

/// Runs the same story with one fault at each of many places, then restarts and looks.
fn with_fault_everywhere(seed: u64, fault: Fault) {
    let plain = story(seed, None);
    let operations = plain.vfs.operations();
    assert!(operations > 60, "the story has {operations} operations");
    for at in (0..operations).step_by(3) {
        let mut world = story(seed, Some((at, fault)));
        let unspent = world.vfs.pending() > 0;
        if unspent || world.store().health().failed || world.dice.below(2) == 0 {
            world.restart(true);
        } else {
            world.check();
            world.close_and_open();
        }
        // The store goes on from there.
        (0..30).for_each(|_| world.step());
        world.check();
    }
}

fn story(seed: u64, fault: Option<(u64, Fault)>) -> World {
    let mut world = World::new(seed);
    if let Some((at, fault)) = fault {
        world.vfs.inject(world.vfs.operations() + at, fault);
    }
    for _ in 0..220 {
        world.step();
        if world.store().health().failed {
            break;
        }
    }
    world
}

#[test]
fn crash_at_any_operation_loses_nothing_synced() {
    for_seeds(1..4, |seed| with_fault_everywhere(seed, Fault::Crash));
}

#[test]
fn failed_write_or_sync_stops_the_store_and_loses_nothing_synced() {
    for_seeds(4..6, |seed| with_fault_everywhere(seed, Fault::Io));
}

#[test]
fn short_write_is_completed() {
    for_seeds(6..7, |seed| with_fault_everywhere(seed, Fault::Short));
}

#[test]
fn moment_without_room_is_survived() {
    for_seeds(7..9, |seed| {
        let operations = story(seed, None).vfs.operations();
        for at in (0..operations).step_by(3) {
            let mut world = story(seed, Some((at, Fault::Full)));
            (0..20).for_each(|_| world.turn());
            let health = world.store().health();
            assert!(!health.full, "room is noticed after operation {at}");
            world.check();
            // Room that is missing at a sync is a failed sync.
            if health.failed || world.vfs.pending() > 0 {
                world.restart(true);
            } else {
                world.close_and_open();
            }
        }
    });
}

/// Everything that an image holds, opened once.
fn contents(world: &World, image: &Faulty) -> (Recovered, BTreeMap<(LaneId, u64), Vec<u8>>) {
    let opened = Store::open(Arc::new(image.clone()), Path::new("/data"), world.options.clone());
    let (mut store, recovered) = opened.unwrap();
    let mut messages = BTreeMap::new();
    for row in &recovered.lanes {
        let mut from = 0;
        while let Some(seq) = store.next(row.lane, from) {
            messages.insert((row.lane, seq), store.read(row.lane, seq).unwrap().to_vec());
            from = seq + 1;
        }
    }
    (recovered, messages)
}

#[test]
fn crash_during_recovery_changes_nothing() {
    for_seeds(20..26, |seed| {
        let mut world = story(seed, None);
        world.store = None;
        world.vfs.crash();
        let (expected, messages) = contents(&world, &world.vfs.copy());
        for at in 0.. {
            let image = world.vfs.copy();
            image.inject(at, Fault::Crash);
            let opened =
                Store::open(Arc::new(image.clone()), Path::new("/data"), world.options.clone());
            let done = opened.is_ok();
            drop(opened);
            image.crash();
            let (found, again) = contents(&world, &image);
            assert_eq!(found.topology, expected.topology);
            assert_eq!(found.lanes, expected.lanes);
            assert!(again == messages, "messages differ after a crash at {at}");
            if done {
                break;
            }
        }
    });
}

/// A store that filled its disk, and the lane that it did it with.
fn filled(seed: u64) -> (World, LaneId) {
    let vfs = Faulty::new(seed);
    vfs.set_total(1 << 20);
    let mut world = World::on(vfs, seed);
    let lane = world.create(true);
    world.turn();
    let mut appended = 0;
    while !world.store().health().full {
        world.append(&[lane], true, 1500);
        world.turn();
        appended += 1;
        assert!(appended < 1000, "the disk never became full");
    }
    (world, lane)
}

#[test]
fn full_disk_keeps_everything_and_recovers() {
    for_seeds(30..34, |seed| {
        let (mut world, lane) = filled(seed);
        let synced = world.synced;
        for _ in 0..20 {
            world.append(&[lane], true, 1500);
            world.turn();
        }
        // Consumers go on, and their acks make room.
        world.check();
        let waiting: Vec<u64> = world.lanes[&lane].waiting.keys().copied().collect();
        for seq in waiting {
            world.settle(lane, seq);
            world.turn();
        }
        assert!(world.synced > synced, "acks are synced on a full disk");
        world.vfs.set_total(1 << 40);
        (0..6).for_each(|_| world.turn());
        assert!(!world.store().health().full, "the room was noticed");
        world.append(&[lane], true, 1500);
        world.turn();
        world.turn();
        world.restart(true);
    });
}

#[test]
fn what_is_settled_on_a_full_disk_makes_room() {
    for_seeds(34..60, |seed| {
        let (mut world, lane) = filled(seed);
        world.restart(true);
        assert!(world.store().health().full, "a start on a full disk says so");
        // Half of every segment at first: to merge them needs room that is not there.
        let waiting: Vec<u64> = world.lanes[&lane].waiting.keys().copied().collect();
        for offset in 0..2 {
            for seq in waiting.iter().skip(offset).step_by(2) {
                world.settle(lane, *seq);
            }
            (0..4).for_each(|_| world.turn());
        }
        (0..6).for_each(|_| world.turn());
        assert!(!world.store().health().full, "nothing waits, and there is no room");
        world.append(&[lane], true, 1500);
        world.turn();
        world.restart(true);
    });
}

#[test]
fn flipped_bit_is_reported_and_never_delivered() {
    for_seeds(40..46, |seed| {
        let mut world = story(seed, None);
        (0..3).for_each(|_| world.turn());
        let synced = world.synced;
        let lanes: BTreeMap<LaneId, BTreeMap<u64, Vec<u8>>> = (world.lanes.iter())
            .filter(|(_, l)| l.durable && !l.deleted)
            .map(|(id, l)| {
                let owed = l.waiting.iter().filter(|(_, m)| m.pos != 0 && m.pos <= synced);
                (*id, owed.map(|(seq, m)| (*seq, m.bytes.clone())).collect())
            })
            .collect();
        world.store = None;
        world.vfs.kill();
        let files: Vec<_> = (world.vfs.files().into_iter())
            .filter(|(path, len)| *len > 0 && !path.ends_with("ballast"))
            .collect();
        let mut reported = 0;
        for (path, len) in &files {
            for _ in 0..12 {
                let (offset, bit) = (world.dice.below(*len), world.dice.below(8) as u8);
                let image = world.vfs.copy();
                image.flip(path, offset, bit);
                reported += u32::from(is_reported(&world, &image, path, &lanes));
            }
        }
        assert!(reported > 10, "only {reported} flips were reported");
    });
}

/// Opens a damaged image and reads everything that is owed. Whether damage was reported.
fn is_reported(
    world: &World,
    image: &Faulty,
    path: &Path,
    lanes: &BTreeMap<LaneId, BTreeMap<u64, Vec<u8>>>,
) -> bool {
    let opened = Store::open(Arc::new(image.clone()), Path::new("/data"), world.options.clone());
    let mut store = match opened {
        Ok((store, _)) => store,
        Err(OpenError::Corrupt { file, .. }) => {
            assert_eq!(file, path, "the damaged file is named");
            return true;
        }
        Err(e) => panic!("damage of {} gave {e}", path.display()),
    };
    let mut reported = false;
    for (&lane, messages) in lanes {
        for (&seq, bytes) in messages {
            assert_eq!(store.next(lane, seq), Some(seq), "a message vanished");
            match store.read(lane, seq) {
                Ok(read) => assert_eq!(&read[..], &bytes[..]),
                Err(ReadError::Corrupt { file, .. }) => {
                    let same = file.file_stem() == path.file_stem();
                    assert!(same, "{} is damaged, not {}", path.display(), file.display());
                    reported = true;
                }
                Err(e) => panic!("damage of {} gave {e}", path.display()),
            }
        }
    }
    assert_eq!(store.health().corrupt > 0, reported);
    reported
}

#[test]
fn mostly_settled_segments_are_merged() {
    for_seeds(50..54, |seed| {
        let mut world = World::new(seed);
        let lanes = [world.create(true), world.create(true)];
        let persistent = seed % 2 == 0;
        for i in 0..1000 {
            // Some messages are shared by both lanes.
            let targets = if i % 7 == 0 { &lanes[..] } else { &lanes[i % 2..i % 2 + 1] };
            world.append(targets, persistent, 700);
            world.turn();
        }
        (0..4).for_each(|_| world.turn());
        let before = world.store().health();
        assert!(before.segments >= 8, "{before:?}");
        for lane in lanes {
            let waiting: Vec<u64> = world.lanes[&lane].waiting.keys().copied().collect();
            for seq in waiting.into_iter().filter(|seq| seq % 10 != 3) {
                world.settle(lane, seq);
            }
        }
        (0..12).for_each(|_| world.turn());
        let after = world.store().health();
        assert!(after.segments * 3 <= before.segments, "{before:?} {after:?}");
        assert!(after.disk_bytes + (300 << 10) < before.disk_bytes, "{before:?} {after:?}");
        world.check();
        if persistent {
            world.restart(true);
        }
        world.close_and_open();
    });
}

/// Half a segment was left on a full disk, and took the room of the checkpoint that would have made
/// more.
#[test]
fn merge_without_room_leaves_nothing_behind_and_is_done_later() {
    for_seeds(54..58, |seed| {
        for pages in (0..16).step_by(3) {
            let mut world = World::new(seed);
            let lane = world.create(true);
            for _ in 0..400 {
                world.append(&[lane], true, 700);
                world.turn();
            }
            (0..4).for_each(|_| world.turn());
            let before = world.store().health();
            let waiting: Vec<u64> = world.lanes[&lane].waiting.keys().copied().collect();
            for seq in waiting.into_iter().filter(|seq| seq % 10 != 3) {
                world.settle(lane, seq);
            }
            let used: u64 = world.vfs.files().iter().map(|(_, size)| size.div_ceil(4096)).sum();
            world.vfs.set_total((used + pages) * 4096);
            (0..6).for_each(|_| world.turn());
            let files = world.vfs.files();
            let segments =
                files.iter().filter(|(path, _)| path.extension() == Some("dat".as_ref()));
            let (there, known) = (segments.count(), world.store().health().segments);
            assert!(there <= known, "{known} segments of {files:?}");
            world.vfs.set_total(1 << 40);
            (0..12).for_each(|_| world.turn());
            let after = world.store().health();
            assert!(!after.full && after.segments * 3 <= before.segments, "{before:?} {after:?}");
            world.check();
            world.restart(true);
        }
    });
}

/// A flipped bit was carried along by a merge, and then reported in a file that no copy of the data
/// has.
#[test]
fn damage_is_named_where_it_was_though_its_segment_is_due_for_a_merge() {
    for_seeds(60..63, |seed| {
        let mut world = World::new(seed);
        let lane = world.create(true);
        for _ in 0..1000 {
            world.append(&[lane], true, 700);
            world.turn();
        }
        (0..4).for_each(|_| world.turn());
        let victim = 13;
        let body = world.lanes[&lane].waiting[&victim].bytes.clone();
        let (path, offset) = place_of(&world.vfs, &body).expect("the message is in a segment");
        world.vfs.flip(&path, offset, 3);
        let waiting: Vec<u64> = world.lanes[&lane].waiting.keys().copied().collect();
        for seq in waiting.into_iter().filter(|seq| seq % 10 != 3) {
            world.settle(lane, seq);
        }
        (0..12).for_each(|_| world.turn());
        for (seq, message) in world.lanes[&lane].waiting.clone() {
            match world.store().read(lane, seq) {
                Ok(read) if seq != victim => assert_eq!(&read[..], &message.bytes[..]),
                Err(ReadError::Corrupt { file, .. }) if seq == victim => assert_eq!(file, path),
                other => panic!("message {seq}: {:?}", other.map(|read| read.len())),
            }
        }
    });
}

/// The segment in which these bytes are, and where in it.
fn place_of(vfs: &Faulty, bytes: &[u8]) -> Option<(PathBuf, u64)> {
    let segments = vfs.files().into_iter().filter(|(path, _)| path.starts_with("/data/seg"));
    segments.into_iter().find_map(|(path, len)| {
        let mut held = vec![0; len as usize];
        vfs.open(&path, Open::Read).unwrap().read_at(&mut held, 0).unwrap();
        let at = held.windows(bytes.len()).position(|window| window == bytes)?;
        Some((path, at as u64))
    })
}

#[test]
fn faults_of_all_kinds_together_lose_nothing_synced() {
    for_seeds(100..112, |seed| {
        let mut world = World::new(seed);
        for _ in 0..12 {
            for _ in 0..world.dice.below(3) {
                let at = world.vfs.operations() + world.dice.below(60);
                let kinds = [Fault::Full, Fault::Full, Fault::Short, Fault::Io, Fault::Crash];
                world.vfs.inject(at, kinds[world.dice.below(5) as usize]);
            }
            for _ in 0..60 {
                world.step();
                if world.store().health().failed {
                    break;
                }
            }
            // What has failed is noticed by the next turns.
            (0..4).for_each(|_| world.turn());
            match world.dice.below(4) {
                0 if world.vfs.pending() == 0 && !world.store().health().failed => {
                    world.close_and_open();
                }
                1 => world.restart(false),
                2 => world.restart(true),
                _ if world.store().health().failed => world.restart(true),
                _ => world.check(),
            }
        }
    });
}
