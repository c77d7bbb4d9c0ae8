//! What a caller sees: order, bytes, counts, and what is there after a restart.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use store::vfs::disk::Disk;
use store::{OpenError, Options, Pos, ReadError, Recovered, Store};

/// A store and the bell that its threads ring.
struct Fixture {
    store: Store,
    bell: Receiver<()>,
    recovered: Recovered,
}

fn open_with(dir: &Path, mut options: Options) -> Fixture {
    let (ring, bell) = channel();
    options.notify = Arc::new(move || {
        let _ = ring.send(());
    });
    options.fatal = Arc::new(|reason| panic!("store stopped: {reason}"));
    let (store, recovered) = Store::open(Arc::new(Disk), dir, options).unwrap();
    Fixture { store, bell, recovered }
}

fn open(dir: &Path) -> Fixture {
    open_with(dir, Options::default())
}

impl Fixture {
    fn wait(&mut self, pos: Pos) {
        self.store.submit();
        while self.store.synced() < pos {
            self.bell.recv_timeout(Duration::from_secs(30)).unwrap();
            self.store.poll();
        }
    }

    fn put(&mut self, lane: store::LaneId, persistent: bool, body: &[u8]) -> (u64, Pos) {
        let mut seq = [0];
        let pos =
            self.store.append(&[lane], persistent, body.len() as u32, &[b"h:", body], &mut seq);
        (seq[0], pos)
    }
}

#[test]
fn messages_come_back_in_order_and_intact_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut f = open(dir.path());
    let lane = f.store.create_lane(true);
    let mut pos = 0;
    for i in 0..1000u32 {
        let (seq, p) = f.put(lane, true, format!("message {i}").as_bytes());
        assert_eq!(seq, u64::from(i));
        pos = p;
    }
    let pos = pos.max(f.store.log(b"topology"));
    f.wait(pos);
    for seq in (0..1000).step_by(2) {
        f.store.settle(lane, seq);
    }
    let (_, pos) = f.put(lane, true, b"last");
    f.wait(pos);
    drop(f);

    let mut f = open(dir.path());
    assert_eq!(f.recovered.topology, [b"topology"]);
    assert!(!f.recovered.clean);
    assert_eq!(f.recovered.lanes.len(), 1);
    let found = f.recovered.lanes[0];
    assert_eq!((found.lane, found.next_seq, found.live), (lane, 1001, 501));
    let mut from = 0;
    let mut count = 0;
    while let Some(seq) = f.store.next(lane, from) {
        let bytes = f.store.read(lane, seq).unwrap();
        let expected = if seq == 1000 { "h:last".to_owned() } else { format!("h:message {seq}") };
        assert_eq!(&bytes[..], expected.as_bytes());
        assert!(seq % 2 == 1 || seq == 1000);
        from = seq + 1;
        count += 1;
    }
    assert_eq!(count, 501);
}

#[test]
fn persistent_and_transient_messages_of_a_lane_share_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut f = open(dir.path());
    let durable = f.store.create_lane(true);
    let transient = f.store.create_lane(false);
    for i in 0..100u32 {
        f.put(durable, i % 3 == 0, &i.to_le_bytes());
    }
    let mut seqs = [0; 2];
    let pos = f.store.append(&[durable, transient], true, 4, &[b"h:", b"both"], &mut seqs);
    assert_eq!(seqs, [100, 0]);
    f.wait(pos);
    let mut from = 0;
    for i in 0..100u64 {
        let seq = f.store.next(durable, from).unwrap();
        assert_eq!(seq, i);
        assert_eq!(&f.store.read(durable, seq).unwrap()[2..], (i as u32).to_le_bytes());
        from = seq + 1;
    }
    assert_eq!(&f.store.read(transient, 0).unwrap()[..], b"h:both");
    assert_eq!(f.store.settle_from(durable, 50), 51);
    assert_eq!(f.store.stats(durable).live, 50);
    assert!(matches!(f.store.read(durable, 70), Err(ReadError::Gone)));
    drop(f);

    let f = open(dir.path());
    let survivors: Vec<u64> =
        std::iter::successors(f.store.next(durable, 0), |&s| f.store.next(durable, s + 1))
            .collect();
    let expected: Vec<u64> = (0..=100).filter(|i| i % 3 == 0 || *i == 100).collect();
    // The purge was not synced before the process ended, so nothing of it has to be there.
    assert!(survivors == expected || survivors == expected[..17]);
    assert_eq!(f.recovered.lanes.len(), 1, "a transient lane is forgotten");
}

#[test]
fn second_process_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let _held = open(dir.path());
    match Store::open(Arc::new(Disk), dir.path(), Options::default()) {
        Err(OpenError::Locked { dir: named, pid }) => {
            assert_eq!((named.as_path(), pid), (dir.path(), std::process::id()));
        }
        other => panic!("expected Locked, got {:?}", other.map(|(_, r)| r)),
    }
}

/// Small files, so that they are sealed, recycled and removed within a test.
fn small() -> Options {
    Options {
        cache_bytes: 256 << 10,
        chunk_bytes: 64 << 10,
        wal_file_bytes: 1 << 20,
        idle: Duration::from_millis(5),
        ..Options::default()
    }
}

impl Fixture {
    fn turn(&mut self) {
        self.store.submit();
        if self.store.poll().checkpoint_due {
            self.store.checkpoint(vec![b"all of it".to_vec()]);
        }
    }

    /// Works until nothing is under way and a condition holds.
    fn until(&mut self, done: impl Fn(&Store) -> bool) {
        for _ in 0..10_000 {
            self.turn();
            if done(&self.store) {
                return;
            }
            // The bell also rings for things taken already.
            let _ = self.bell.recv_timeout(Duration::from_millis(5));
        }
        panic!("still waiting: {:?}", self.store.health());
    }
}

#[test]
fn backlog_goes_to_segments_and_its_space_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut f = open_with(dir.path(), small());
    let lanes: Vec<_> = (0..3).map(|_| f.store.create_lane(true)).collect();
    let body = vec![3u8; 700];
    for i in 0..20_000usize {
        // The first lane is a queue whose consumer keeps up; of the others nearly all waits.
        let (seq, _) = f.put(lanes[i % 3], i % 5 != 4, &body);
        if i % 3 == 0 {
            f.store.settle(lanes[0], seq);
        }
        if i % 32 == 0 {
            f.turn();
        }
    }
    f.until(|s| s.health().backlog_bytes == 0 && s.health().segments > 5);
    for &lane in &lanes[1..] {
        let mut from = 0;
        while let Some(seq) = f.store.next(lane, from) {
            assert_eq!(f.store.read(lane, seq).unwrap().len(), 702);
            from = seq + 1;
        }
        assert_eq!(f.store.stats(lane).live, 20_000 / 3 + u64::from(lane == lanes[1]));
    }
    let persistent: Vec<u64> = lanes.iter().map(|&l| f.store.stats(l).live * 4 / 5).collect();
    f.store.close(vec![b"all of it".to_vec()]).unwrap();

    let mut f = open_with(dir.path(), small());
    assert!(f.recovered.clean);
    assert_eq!(f.recovered.topology, [b"all of it"]);
    for (&lane, expected) in lanes.iter().zip(persistent) {
        assert!(f.store.stats(lane).live.abs_diff(expected) < 5);
        while let Some(seq) = f.store.next(lane, 0) {
            assert_eq!(f.store.read(lane, seq).unwrap().len(), 702);
            f.store.settle(lane, seq);
        }
        f.turn();
    }
    f.until(|s| s.health().segments == 0);
    f.store.close(Vec::new()).unwrap();
    let left = std::fs::read_dir(dir.path().join("seg")).unwrap().count();
    assert_eq!(left, 0, "files of the drained backlog are removed");
}

#[test]
fn waiting_message_costs_less_than_a_byte_of_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut f = open_with(dir.path(), small());
    let lane = f.store.create_lane(true);
    let mut pos = 0;
    for i in 0..150_000u32 {
        pos = f.put(lane, true, &i.to_le_bytes()).1;
        if i % 256 == 0 {
            f.turn();
        }
    }
    // All but the last two complete files, however far behind the thread that seals them is.
    f.until(|s| {
        let health = s.health();
        s.synced() >= pos && health.segments as u64 + 2 >= health.written_bytes >> 20
    });
    let stats = f.store.stats(lane);
    assert_eq!(stats.live, 150_000);
    // Two files of 1 MiB may not be sealed yet: 24 bytes for each of their 19,000 messages.
    let tail = 3 * (1 << 20) / 54 * 24;
    let bytes = f.store.lane_bytes();
    assert!(bytes < 150_000 + tail, "{bytes} bytes for {} messages", stats.live);
    f.store.close(Vec::new()).unwrap();
    let f = open_with(dir.path(), small());
    let bytes = f.store.lane_bytes();
    assert!(bytes < 150_000 / 4, "{bytes} bytes for 150,000 messages in segments");
}
