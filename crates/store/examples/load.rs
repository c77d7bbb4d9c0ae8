//! Puts load on a store and prints what it costs.
//!
//! `load hot DIR`: append and settle at once, ns a message.
//! `load latency DIR`: one message in flight, microseconds until it is synced.
//! `load fill DIR COUNT SIZE`: so many waiting messages, then the process ends without closing.
//! `load lanes DIR COUNT`: so many empty durable lanes, closed.
//! `load drain DIR`: opens, reads and settles everything, closes.
//! `load open DIR`: opens and closes.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use store::vfs::disk::Disk;
use store::{LaneId, Options, Recovered, Store};

fn open(dir: &str) -> (Store, Recovered, Receiver<()>) {
    let (ring, bell) = channel();
    let options = Options {
        notify: Arc::new(move || {
            let _ = ring.send(());
        }),
        ..Options::default()
    };
    let begin = Instant::now();
    let opened = Store::open(Arc::new(Disk), Path::new(dir), options);
    let (store, recovered) = opened.unwrap_or_else(|e| panic!("{e}"));
    println!(
        "open: {:?}, clean {}, {} lanes, {} waiting, {} bytes replayed",
        begin.elapsed(),
        recovered.clean,
        recovered.lanes.len(),
        recovered.lanes.iter().map(|l| l.live).sum::<u64>(),
        recovered.replayed_bytes
    );
    (store, recovered, bell)
}

/// Resident memory and CPU time of this process, in MiB and seconds.
fn usage() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = status.lines().find(|l| l.starts_with("VmRSS")).unwrap_or("VmRSS: ?").to_owned();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.split(' ').collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    format!("{rss}, user {} ms, system {} ms", ticks(13) * 10, ticks(14) * 10)
}

/// Ends a turn: hands over the batch and takes what is done.
fn turn(store: &mut Store) {
    store.submit();
    if store.poll().checkpoint_due {
        store.checkpoint(Vec::new());
    }
}

/// Waits while too much is on its way to disk.
fn push_back(store: &mut Store, bell: &Receiver<()>) {
    while store.health().backlog_bytes > 32 << 20 {
        let _ = bell.recv_timeout(Duration::from_millis(100));
        turn(store);
    }
}

fn hot(dir: &str) {
    const COUNT: u32 = 2_000_000;
    let (mut store, _, bell) = open(dir);
    for (persistent, size) in [(false, 16), (false, 1024), (true, 16), (true, 1024)] {
        let lane = store.create_lane(true);
        let body = vec![7u8; size];
        let begin = Instant::now();
        for i in 0..COUNT {
            let mut seq = [0];
            let parts: [&[u8]; 2] = [&[1u8; 40], &body];
            store.append(&[lane], persistent, size as u32, &parts, &mut seq);
            let next = store.next(lane, seq[0]);
            assert_eq!(next, Some(seq[0]));
            store.settle(lane, seq[0]);
            if i % 64 == 63 {
                turn(&mut store);
                if i % 4096 == 4095 {
                    push_back(&mut store, &bell);
                }
            }
        }
        let each = begin.elapsed().as_nanos() / u128::from(COUNT);
        println!("persistent {persistent}, {size} B: {each} ns a message; {}", usage());
    }
    parts(&mut store);
    println!("{:?}", store.health());
    store.close(Vec::new()).unwrap_or_else(|e| panic!("{e}"));
}

/// The calls one by one, on messages in memory.
fn parts(store: &mut Store) {
    const COUNT: u64 = 5_000;
    while store.health().backlog_bytes > 0 {
        turn(store);
    }
    let lane = store.create_lane(true);
    for size in [16u32, 1024] {
        let body = vec![7u8; size as usize];
        let mut times = [Duration::ZERO; 4];
        for _ in 0..100 {
            let first = store.stats(lane).next_seq;
            let range = first..first + COUNT;
            let begin = Instant::now();
            for _ in range.clone() {
                store.append(&[lane], false, size, &[&[1u8; 40], &body], &mut [0]);
            }
            times[0] += begin.elapsed();
            let begin = Instant::now();
            range.clone().for_each(|seq| assert_eq!(store.next(lane, seq), Some(seq)));
            times[1] += begin.elapsed();
            let begin = Instant::now();
            range.clone().for_each(|seq| assert!(store.read(lane, seq).is_ok()));
            times[2] += begin.elapsed();
            let begin = Instant::now();
            range.clone().for_each(|seq| store.settle(lane, seq));
            times[3] += begin.elapsed();
        }
        let [append, next, read, settle] = times.map(|t| t.as_nanos() as u64 / (100 * COUNT));
        println!("{size} B: append {append}, next {next}, read {read}, settle {settle} ns");
    }
}

/// One message in flight: append, sync, again.
fn latency(dir: &str) {
    let (mut store, _, bell) = open(dir);
    let lane = store.create_lane(true);
    let body = vec![7u8; 1024];
    for round in 0..5 {
        let mut times: Vec<u128> = (0..2000)
            .map(|_| {
                let begin = Instant::now();
                let mut seq = [0];
                let pos = store.append(&[lane], true, 1024, &[&body], &mut seq);
                store.settle(lane, seq[0]);
                store.submit();
                while store.synced() < pos {
                    let _ = bell.recv_timeout(Duration::from_millis(100));
                    turn(&mut store);
                }
                begin.elapsed().as_micros()
            })
            .collect();
        times.sort_unstable();
        println!("round {round}: p50 {} us, p99 {} us; {}", times[1000], times[1980], usage());
    }
}

/// So many empty durable lanes.
fn lanes(dir: &str, count: u64) {
    let (mut store, _, bell) = open(dir);
    println!("{}", usage());
    let begin = Instant::now();
    for i in 0..count {
        store.create_lane(true);
        if i % 64 == 63 {
            turn(&mut store);
            push_back(&mut store, &bell);
        }
    }
    println!("{count} lanes in {:?}; {}", begin.elapsed(), usage());
    store.close(Vec::new()).unwrap_or_else(|e| panic!("{e}"));
    println!("closed after {:?}; {}", begin.elapsed(), usage());
}

fn fill(dir: &str, count: u64, size: usize) {
    let (mut store, _, bell) = open(dir);
    println!("{}", usage());
    let lane = store.create_lane(true);
    let body = vec![7u8; size];
    let begin = Instant::now();
    let mut pos = 0;
    for i in 0..count {
        let parts: [&[u8]; 2] = [&[1u8; 40], &body];
        pos = store.append(&[lane], true, size as u32, &parts, &mut [0]);
        if i % 64 == 63 {
            turn(&mut store);
            push_back(&mut store, &bell);
        }
    }
    while store.synced() < pos {
        turn(&mut store);
        let _ = bell.recv_timeout(Duration::from_millis(100));
    }
    println!("filled in {:?}; {}", begin.elapsed(), usage());
    println!("{:?}", store.health());
    std::process::exit(0);
}

fn drain(dir: &str) {
    let (mut store, recovered, _bell) = open(dir);
    let lanes: Vec<LaneId> = recovered.lanes.iter().map(|l| l.lane).collect();
    let begin = Instant::now();
    let mut count = 0u64;
    for lane in lanes {
        let mut from = 0;
        while let Some(seq) = store.next(lane, from) {
            let bytes = store.read(lane, seq).unwrap_or_else(|e| panic!("{e}"));
            assert!(!bytes.is_empty());
            store.settle(lane, seq);
            from = seq + 1;
            count += 1;
            if count.is_multiple_of(64) {
                turn(&mut store);
            }
        }
    }
    println!("drained {count} in {:?}; {}", begin.elapsed(), usage());
    store.close(Vec::new()).unwrap_or_else(|e| panic!("{e}"));
    println!("closed after {:?}", begin.elapsed());
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    match args[1..] {
        ["hot", dir] => hot(dir),
        ["latency", dir] => latency(dir),
        ["lanes", dir, count] => lanes(dir, number(count)),
        ["fill", dir, count, size] => {
            fill(dir, number(count), number(size) as usize);
        }
        ["drain", dir] => drain(dir),
        ["open", dir] => {
            let begin = Instant::now();
            let (store, _, _bell) = open(dir);
            store.close(Vec::new()).unwrap_or_else(|e| panic!("{e}"));
            println!("closed after {:?}; {}", begin.elapsed(), usage());
        }
        _ => eprintln!("usage: load hot|latency|drain|open DIR, load fill DIR COUNT SIZE"),
    }
}
