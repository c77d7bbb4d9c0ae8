//! A store on a faulty disk beside a model of what it must hold.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use store::vfs::faulty::Faulty;
use store::{LaneId, OpenError, Options, Pos, ReadError, Recovered, Seq, Store};

/// SplitMix64, so that a seed tells the whole story.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: u32,
    /// 0: transient.
    pub(crate) pos: Pos,
}

pub(crate) struct ModelLane {
    pub(crate) durable: bool,
    pub(crate) created: Pos,
    pub(crate) waiting: BTreeMap<Seq, Message>,
    /// Settled, but perhaps not durably.
    pub(crate) settled: BTreeMap<Seq, Message>,
    pub(crate) deleted: bool,
}

pub(crate) struct World {
    pub(crate) vfs: Faulty,
    pub(crate) options: Options,
    pub(crate) store: Option<Store>,
    pub(crate) lanes: BTreeMap<LaneId, ModelLane>,
    /// Logged topology records and their positions.
    pub(crate) topology: Vec<(Vec<u8>, Pos)>,
    pub(crate) dice: Dice,
    pub(crate) synced: Pos,
    number: u64,
}

/// Small files, so that everything happens within a few hundred messages.
pub(crate) fn small() -> Options {
    Options {
        cache_bytes: 32 << 10,
        chunk_bytes: 8 << 10,
        wal_file_bytes: 64 << 10,
        window_bytes: 256 << 10,
        inline: true,
        fatal: Arc::new(|reason| eprintln!("the store stopped: {reason}")),
        ..Options::default()
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World::on(Faulty::new(seed), seed)
    }

    pub(crate) fn on(vfs: Faulty, seed: u64) -> World {
        let mut world = World {
            vfs,
            options: small(),
            store: None,
            lanes: BTreeMap::new(),
            topology: Vec::new(),
            dice: Dice(seed ^ 0x5eed),
            synced: 0,
            number: 0,
        };
        world.open();
        world
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("the world has an open store")
    }

    pub(crate) fn try_open(&self) -> Result<(Store, Recovered), OpenError> {
        Store::open(Arc::new(self.vfs.clone()), Path::new("/data"), self.options.clone())
    }

    pub(crate) fn open(&mut self) -> Recovered {
        let (store, recovered) = self.try_open().unwrap();
        self.synced = store.synced();
        self.store = Some(store);
        recovered
    }

    pub(crate) fn create(&mut self, durable: bool) -> LaneId {
        let id = self.store().create_lane(durable);
        // Whatever is logged next has the position of the creation, or a later one.
        let created = if durable { self.log() } else { 0 };
        let lane = ModelLane {
            durable,
            created,
            waiting: BTreeMap::new(),
            settled: BTreeMap::new(),
            deleted: false,
        };
        assert!(self.lanes.insert(id, lane).is_none(), "a lane id was used twice");
        id
    }

    pub(crate) fn log(&mut self) -> Pos {
        self.number += 1;
        let record = format!("record {}", self.number).into_bytes();
        let pos = self.store().log(&record);
        self.topology.push((record, pos));
        pos
    }

    pub(crate) fn append(&mut self, targets: &[LaneId], persistent: bool, size: usize) -> Pos {
        self.number += 1;
        let body: Vec<u8> = (0..size).map(|i| (self.number as usize * 31 + i) as u8).collect();
        let head = self.number.to_le_bytes();
        let mut seqs = vec![0; targets.len()];
        let size = size as u32;
        let pos = self.store().append(targets, persistent, size, &[&head, &body], &mut seqs);
        let bytes = [&head[..], &body].concat();
        for (id, seq) in targets.iter().zip(seqs) {
            let lane = self.lanes.get_mut(id).expect("tests append to known lanes");
            let pos = if persistent && lane.durable { pos } else { 0 };
            let message = Message { bytes: bytes.clone(), body: size, pos };
            assert!(lane.waiting.insert(seq, message).is_none(), "a seq was used twice");
        }
        pos
    }

    pub(crate) fn settle(&mut self, id: LaneId, seq: Seq) {
        self.store().settle(id, seq);
        let lane = self.lanes.get_mut(&id).expect("tests settle in known lanes");
        if let Some(message) = lane.waiting.remove(&seq) {
            lane.settled.insert(seq, message);
        }
    }

    pub(crate) fn settle_from(&mut self, id: LaneId, from: Seq) {
        let settled = self.store().settle_from(id, from);
        let lane = self.lanes.get_mut(&id).expect("tests settle in known lanes");
        let gone = lane.waiting.split_off(&from);
        assert_eq!(settled, gone.len() as u64);
        lane.settled.extend(gone);
    }

    pub(crate) fn delete(&mut self, id: LaneId) {
        self.store().delete_lane(id);
        let lane = self.lanes.get_mut(&id).expect("tests delete known lanes");
        lane.deleted = true;
    }

    pub(crate) fn turn(&mut self) {
        let store = self.store.as_mut().expect("the world has an open store");
        store.submit();
        let progress = store.poll();
        if progress.checkpoint_due {
            let topology = self.topology.iter().map(|(record, _)| record.clone()).collect();
            store.checkpoint(topology);
            store.poll();
        }
        self.synced = store.synced();
    }

    /// Compares every lane of the running store with the model.
    pub(crate) fn check(&mut self) {
        let store = self.store.as_mut().expect("the world has an open store");
        for (&id, lane) in self.lanes.iter().filter(|(_, l)| !l.deleted) {
            let mut from = 0;
            for (&seq, message) in &lane.waiting {
                assert_eq!(store.next(id, from), Some(seq), "next of {id:?} from {from}");
                let read = match seq % 2 {
                    0 => store.read(id, seq),
                    _ => store.read_alone(id, seq),
                };
                match read {
                    Ok(bytes) => assert_eq!(&bytes[..], &message.bytes[..], "{id:?} {seq}"),
                    Err(e) => panic!("reading {id:?} {seq}: {e}"),
                }
                from = seq + 1;
            }
            assert_eq!(store.next(id, from), None, "nothing waits in {id:?} from {from}");
            let (first, last) = (from / 3, from / 3 * 2);
            let mut live = Vec::new();
            store.live_between(id, first, last, &mut live);
            let expected: Vec<Seq> =
                lane.waiting.range(first..=last).map(|(seq, _)| *seq).collect();
            assert_eq!(live, expected, "{id:?} from {first} to {last}");
            let stats = store.stats(id);
            assert_eq!(stats.live, lane.waiting.len() as u64, "count of {id:?}");
            let bytes: u64 = lane.waiting.values().map(|m| u64::from(m.body)).sum();
            assert_eq!(stats.live_bytes, bytes, "bytes of {id:?}");
            if let Some((&seq, _)) = lane.settled.iter().next() {
                assert!(matches!(store.read(id, seq), Err(ReadError::Gone)));
            }
        }
    }

    /// The process ends without warning, or the machine does; then the store is opened again.
    pub(crate) fn restart(&mut self, power_lost: bool) {
        self.store = None;
        if power_lost {
            self.vfs.crash()
        } else {
            self.vfs.kill()
        }
        let synced = self.synced;
        let recovered = self.open();
        assert!(!recovered.clean);
        self.settle_model(&recovered, synced);
        self.check();
    }

    /// What must be there is there, and what is there was put there; the model becomes that.
    pub(crate) fn settle_model(&mut self, recovered: &Recovered, synced: Pos) {
        let found = recovered.topology.len();
        let logged: Vec<&Vec<u8>> = self.topology.iter().map(|(record, _)| record).collect();
        assert!(found <= logged.len(), "topology records appeared");
        assert!(recovered.topology.iter().eq(logged[..found].iter().copied()), "topology differs");
        let durable = self.topology.iter().filter(|(_, pos)| *pos <= synced).count();
        assert!(found >= durable, "{found} of {durable} synced topology records are left");
        self.topology.truncate(found);
        self.topology.iter_mut().for_each(|(_, pos)| *pos = 0);
        let store = self.store.as_mut().expect("the world has an open store");
        for row in &recovered.lanes {
            let lane = self.lanes.get(&row.lane).expect("a lane appeared");
            assert!(lane.durable, "a transient lane survived");
            assert_eq!(store.stats(row.lane).live, row.live);
        }
        let lanes = std::mem::take(&mut self.lanes);
        for (id, mut lane) in lanes {
            let row = recovered.lanes.iter().find(|r| r.lane == id);
            let Some(row) = row else {
                let may_be_gone = !lane.durable || lane.deleted || lane.created > synced;
                assert!(may_be_gone, "lane {id:?} is lost");
                continue;
            };
            let mut found = BTreeMap::new();
            let mut from = 0;
            while let Some(seq) = store.next(id, from) {
                let known = lane.waiting.get(&seq).or_else(|| lane.settled.get(&seq));
                let known = known.unwrap_or_else(|| panic!("{id:?} {seq} was never appended"));
                assert_ne!(known.pos, 0, "transient {id:?} {seq} survived");
                assert!(seq < row.next_seq);
                found.insert(seq, Message { pos: 1, ..known.clone() });
                from = seq + 1;
            }
            for (seq, message) in &lane.waiting {
                let owed = message.pos != 0 && message.pos <= synced && !lane.deleted;
                assert!(!owed || found.contains_key(seq), "{id:?} {seq} is lost");
            }
            lane.waiting = found;
            lane.settled.clear();
            lane.created = 0;
            lane.deleted = false;
            self.lanes.insert(id, lane);
        }
    }

    /// A clean stop and start: exactly the persistent part is left.
    pub(crate) fn close_and_open(&mut self) {
        let store = self.store.take().expect("the world has an open store");
        let topology = self.topology.iter().map(|(record, _)| record.clone()).collect();
        store.close(topology).unwrap();
        self.vfs.crash();
        let recovered = self.open();
        assert!(recovered.clean);
        for lane in self.lanes.values_mut() {
            lane.waiting.retain(|_, m| m.pos != 0);
            lane.settled.clear();
        }
        self.lanes.retain(|_, l| l.durable && !l.deleted);
        self.settle_model(&recovered, Pos::MAX);
        self.check();
    }

    /// One random step of a caller.
    pub(crate) fn step(&mut self) {
        let ids: Vec<LaneId> =
            self.lanes.iter().filter(|(_, l)| !l.deleted).map(|(id, _)| *id).collect();
        let any = |dice: &mut Dice| ids[dice.below(ids.len() as u64) as usize];
        match self.dice.below(100) {
            _ if ids.is_empty() => {
                self.create(true);
            }
            0..=1 if ids.len() < 8 => {
                let durable = self.dice.below(4) > 0;
                self.create(durable);
            }
            2 if ids.len() > 2 => {
                let id = any(&mut self.dice);
                self.delete(id);
            }
            3 => {
                self.log();
            }
            4 => {
                let id = any(&mut self.dice);
                let most = self.store().stats(id).next_seq + 1;
                let from = self.dice.below(most);
                self.settle_from(id, from);
            }
            5..=8 => {
                let size = self.dice.below(600) as usize;
                let persistent = self.dice.below(3) > 0;
                self.append(&ids, persistent, size);
            }
            9 => {
                let id = any(&mut self.dice);
                let size = self.dice.below(90_000) as usize;
                self.append(&[id], true, size);
            }
            10..=49 => {
                let id = any(&mut self.dice);
                let size = self.dice.below(2000) as usize;
                let persistent = self.dice.below(3) > 0;
                self.append(&[id], persistent, size);
            }
            50..=84 => {
                let id = any(&mut self.dice);
                // Mostly the oldest, as consumers do.
                let skip = if self.dice.below(3) == 0 { self.dice.below(40) } else { 0 };
                let seq = self.lanes[&id].waiting.keys().nth(skip as usize).copied();
                if let Some(seq) = seq {
                    self.settle(id, seq);
                }
            }
            _ => self.turn(),
        }
    }
}

/// Runs a story for each seed; a failing one is named. `STORE_SEEDS=n` runs n times as many.
pub(crate) fn for_seeds(seeds: std::ops::Range<u64>, story: impl Fn(u64)) {
    struct Name(u64);
    impl Drop for Name {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failing seed: {}", self.0);
            }
        }
    }
    let times = std::env::var("STORE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1u64);
    let end = seeds.start + (seeds.end - seeds.start) * times;
    for seed in seeds.start..end {
        let name = Name(seed);
        story(seed);
        drop(name);
    }
}
