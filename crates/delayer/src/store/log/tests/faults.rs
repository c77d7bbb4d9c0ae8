//! The same life on a disk that fails at one of its operations. What was acknowledged stays, what
//! was refused did not happen.

use ::store::vfs::faulty::{Fault, Faulty};

use super::model::{Dice, Model};
use super::*;
use crate::store::{OpenError, StoreError};

/// Changes of one life.
const STEPS: u64 = 20;

/// One life; the index is on the real disk, whose bytes a crash of the other one does not touch.
struct World {
    dir: tempfile::TempDir,
    vfs: Faulty,
    seed: u64,
    /// What happens at which operation.
    fault: Option<(u64, Fault)>,
}

impl World {
    fn open(&self) -> Result<LogStore, OpenError> {
        LogStore::open(&Options {
            vfs: std::sync::Arc::new(self.vfs.clone()),
            segment_bytes: 30_000,
            ..options(self.dir.path())
        })
    }

    /// Opens it after what ended the life before, again when that happens while it opens.
    fn reopen(&self) -> LogStore {
        loop {
            match self.fault {
                Some((_, Fault::Crash)) => self.vfs.crash(),
                _ => self.vfs.kill(),
            }
            self.inject();
            match self.open() {
                Ok(store) => return store,
                Err(e) => assert!(matches!(e, OpenError::Refused { .. }), "{e}"),
            }
        }
    }

    /// A new life of the disk forgets what has not happened yet.
    fn inject(&self) {
        if let Some((at, fault)) = self.fault
            && !self.has_happened()
        {
            self.vfs.inject(at, fault);
        }
    }

    fn has_happened(&self) -> bool {
        self.fault.is_none_or(|(at, _)| self.vfs.operations() > at)
    }

    fn live(&self) {
        let mut dice = Dice(self.seed);
        self.inject();
        let mut model = Model::new();
        let mut store = self.open().unwrap_or_else(|_| self.reopen());
        for _ in 0..STEPS {
            let step = model.step(&mut dice, 4000);
            match store.apply(&step.changes()) {
                Ok(applied) => assert_eq!(applied, model.apply(&step)),
                Err(StoreError::Full(_)) => assert!(matches!(self.fault, Some((_, Fault::Full)))),
                Err(StoreError::Broken(why)) => {
                    let again = store.apply(&Changes::default()).unwrap_err();
                    assert!(again.to_string().contains(&why), "broken for ever, {again}");
                    store = self.end(store);
                }
                Err(other) => panic!("{other}"),
            }
            store = self.restart_if_stopped(store);
            let now_ms = NOW + dice.below(1 << 32);
            while dice.below(2) == 0 {
                match store.tidy(now_ms) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(_) => store = self.end(store),
                }
            }
            store = self.restart_if_stopped(store);
            model.check(&store);
            // A new life sees it as well.
            if dice.below(8) == 0 {
                store = self.end(store);
                model.check(&store);
            }
        }
    }

    /// The machine may stop after what it was asked is durable.
    fn restart_if_stopped(&self, store: LogStore) -> LogStore {
        match self.fault {
            Some((_, Fault::Crash)) if self.has_happened() => self.end(store),
            _ => store,
        }
    }

    fn end(&self, store: LogStore) -> LogStore {
        drop(store);
        self.reopen()
    }
}

fn every_operation_fails_with(fault: Fault) {
    for seed in 0..2 {
        let world = |fault| World {
            dir: tempfile::tempdir().unwrap(),
            vfs: Faulty::new(seed),
            seed,
            fault,
        };
        let well = world(None);
        well.live();
        let operations = well.vfs.operations();
        // A prime number, so that all kinds of operations are met.
        for at in (seed..operations).step_by(7) {
            println!("seed {seed}, {fault:?} at operation {at} of {operations}");
            let world = world(Some((at, fault)));
            world.live();
            assert!(world.has_happened());
        }
    }
}

#[test]
fn io_error_at_any_operation_loses_nothing() {
    every_operation_fails_with(Fault::Io);
}

#[test]
fn full_disk_at_any_operation_loses_nothing() {
    every_operation_fails_with(Fault::Full);
}

#[test]
fn short_write_at_any_operation_is_completed() {
    every_operation_fails_with(Fault::Short);
}

#[test]
fn crash_at_any_operation_loses_nothing() {
    every_operation_fails_with(Fault::Crash);
}

#[test]
fn full_disk_refuses_messages_and_lets_them_out() {
    let vfs = Faulty::new(1);
    let dir = tempfile::tempdir().unwrap();
    let world = World { dir, vfs: vfs.clone(), seed: 0, fault: None };
    let store = world.open().unwrap();
    vfs.set_total(200_000);
    let group: Vec<_> = (0..20).map(|_| message(MINUTE, 1000)).collect();
    let mut keys = Vec::new();
    let full = loop {
        match store.apply(&Changes { insert: &group, ..Changes::default() }) {
            Ok(applied) => keys.extend(applied.inserted),
            Err(e) => break e,
        }
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    assert_eq!(store.totals().unwrap().held, keys.len() as u64);
    assert_eq!(remove(&store, &keys[..100]).removed, 100);
    assert_eq!(insert(&store, &group).len(), 20, "there is room again");
    let left = store.load(Key::MIN, u64::MAX, usize::MAX, usize::MAX).unwrap();
    assert_eq!((left.held.len(), left.damaged), (keys.len() - 80, vec![]));
}
