//! How fast the delayer's default store is, without brokers: `store_load WHAT DIR [COUNT]`.
//!
//! - `churn`: 1,000 messages of 2 KiB in and 1,000 out with each change, on top of 200,000.
//! - `hold`: COUNT messages of 2 KiB, then opened again, with the resident memory throughout.
//! - `spike`: COUNT messages of 5 KB, half of them out, then 40 KB ones in: must not get slower.
//!
//! - `groups`: COUNT messages of 2 KiB, 100 with each change.
//!
//! With `uniform` behind COUNT delays are spread over 48 hours instead of MailerQ's retry times,
//! with `ids` each message has a `message-id`, with `serial` files are synced one after the other.

use std::path::{Path, PathBuf};
use std::time::Instant;

use delayer::message::{Key, Message, NewMessage};
use delayer::store::log::{LogStore, Options};
use delayer::store::{Changes, Store};

const START_MS: u64 = 1_700_000_000_000;

/// MailerQ's default `retry-interval`, seconds.
const RETRIES: [u64; 7] = [600, 600, 1800, 1800, 3600, 3600, 7200];

struct Load {
    dir: PathBuf,
    uniform: bool,
    ids: bool,
    serial: bool,
    made: u64,
    now_ms: u64,
}

impl Load {
    /// The next messages; a millisecond passes with every fifty.
    fn messages(&mut self, count: usize, body: usize) -> Vec<NewMessage> {
        let mut messages = Vec::with_capacity(count);
        for _ in 0..count {
            self.made += 1;
            self.now_ms = START_MS + self.made / 50;
            let dice = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
            let delay_ms = match self.uniform {
                true => dice % (48 * 3_600_000),
                false => RETRIES[(dice % 7) as usize] * 1000,
            };
            messages.push(NewMessage {
                due_ms: self.now_ms + delay_ms,
                stored_ms: self.now_ms,
                message_id: if self.ids { format!("<{dice:x}@mx>").into_bytes() } else { vec![] },
                message: Message {
                    exchange: Vec::new(),
                    routing_key: b"retries".to_vec(),
                    properties: vec![7; 60],
                    body: vec![dice as u8; body],
                },
            });
        }
        messages
    }

    fn open(&self) -> LogStore {
        let mut options = Options::new(&self.dir);
        if self.serial {
            options.syncs_at_once = 1;
        }
        LogStore::open(&options).expect("the directory can be used")
    }
}

fn apply(store: &LogStore, insert: &[NewMessage], remove: &[Key]) {
    let changes = Changes { insert, remove, ..Changes::default() };
    store.apply(&changes).expect("there is room");
}

fn heads(store: &LogStore, count: usize) -> Vec<Key> {
    let batch = store.load(Key::MIN, u64::MAX, count, usize::MAX).expect("it can be read");
    batch.held.iter().map(|held| held.key).collect()
}

/// A field of a file of `/proc/self`.
fn proc_field(file: &str, field: usize) -> u64 {
    let text = std::fs::read_to_string(Path::new("/proc/self").join(file)).unwrap_or_default();
    // Nothing before the fields wanted here holds a space: this program's name has none.
    text.split_whitespace().nth(field).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// CPU time of the process, user and system, in microseconds (in ticks of 10 ms).
fn cpu_us() -> (u64, u64) {
    (proc_field("stat", 13) * 10_000, proc_field("stat", 14) * 10_000)
}

fn resident_mb() -> u64 {
    proc_field("statm", 1) * 4096 / 1_000_000
}

/// Runs something over so many messages and prints what it took.
fn measured(what: &str, messages: u64, run: impl FnOnce()) {
    let (cpu, start) = (cpu_us(), Instant::now());
    run();
    let (wall, end) = (start.elapsed(), cpu_us());
    println!(
        "{what}: {:.0} messages/s, {:.2} us user + {:.2} us system each, {} MB resident",
        messages as f64 / wall.as_secs_f64(),
        (end.0 - cpu.0) as f64 / messages as f64,
        (end.1 - cpu.1) as f64 / messages as f64,
        resident_mb(),
    );
}

fn churn(load: &mut Load, count: u64) {
    const HELD: u64 = 200_000;
    let store = load.open();
    for _ in 0..HELD / 1000 {
        apply(&store, &load.messages(1000, 2048), &[]);
    }
    let mut loading = 0.0;
    let rounds = count / 1000;
    // What is not the store's own is taken out before.
    let made = Instant::now();
    drop(load.messages(1000, 2048));
    println!("making 1000 messages takes {:.0} us", made.elapsed().as_secs_f64() * 1e6);
    let mut applying = 0.0;
    measured("in and out", rounds * 1000, || {
        for _ in 0..rounds {
            let start = Instant::now();
            let keys = heads(&store, 1000);
            loading += start.elapsed().as_secs_f64();
            let messages = load.messages(1000, 2048);
            let start = Instant::now();
            apply(&store, &messages, &keys);
            applying += start.elapsed().as_secs_f64();
        }
    });
    println!("load of 1000: {:.2} ms", loading / rounds as f64 * 1e3);
    println!("apply of 1000 + 1000: {:.2} ms", applying / rounds as f64 * 1e3);
    let start = Instant::now();
    heads(&store, 500);
    println!("load of 500 from the page cache: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
}

fn hold(load: &mut Load, count: u64) {
    let start = Instant::now();
    let store = load.open();
    let held = store.totals().expect("it can be counted").held;
    let first = heads(&store, 1000).len();
    println!(
        "opened with {held} messages and loaded the first {first} in {:.0} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    let mut peak = 0;
    measured("in", count, || {
        for _ in 0..count / 1000 {
            apply(&store, &load.messages(1000, 2048), &[]);
            peak = peak.max(resident_mb());
        }
    });
    println!("{peak} MB resident at most; {:?}", store.totals().expect("it can be counted"));
    drop(store);
    let start = Instant::now();
    let store = load.open();
    let keys = heads(&store, 1000);
    println!(
        "opened and loaded the first 1000 in {:.0} ms, {} MB resident",
        start.elapsed().as_secs_f64() * 1e3,
        resident_mb()
    );
    apply(&store, &[], &keys);
    let mut peak = 0;
    let out = (count / 10).min(1_000_000);
    measured("out", out, || {
        for _ in 0..out / 1000 {
            let keys = heads(&store, 1000);
            apply(&store, &[], &keys);
            peak = peak.max(resident_mb());
        }
    });
    println!("{peak} MB resident at most; {:?}", store.totals().expect("it can be counted"));
}

fn spike(load: &mut Load, count: u64) {
    let store = load.open();
    let insert = |load: &mut Load, what: &str, count: u64, body: usize| {
        let mut worst: f64 = 0.0;
        measured(what, count, || {
            for _ in 0..count / 100 {
                let messages = load.messages(100, body);
                let start = Instant::now();
                apply(&store, &messages, &[]);
                worst = worst.max(start.elapsed().as_secs_f64());
            }
        });
        println!("  the slowest change: {:.1} ms", worst * 1e3);
    };
    insert(load, "5 KB in", count, 5000);
    insert(load, "40 KB in before", 20_000, 40_000);
    let mut left = count / 2;
    measured("5 KB out", count / 2, || {
        while left > 0 {
            let keys = heads(&store, left.min(500) as usize);
            left -= keys.len() as u64;
            apply(&store, &[], &keys);
            while store.tidy(load.now_ms).expect("it can be tidied") {}
        }
    });
    insert(load, "40 KB in after", 20_000, 40_000);
    println!("{:?}", store.totals().expect("it can be counted"));
}

fn groups(load: &mut Load, count: u64) {
    let store = load.open();
    measured("in by groups of 100", count, || {
        for _ in 0..count / 100 {
            apply(&store, &load.messages(100, 2048), &[]);
        }
    });
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let dir = PathBuf::from(arguments.next().expect("the second argument is a directory"));
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let rest: Vec<String> = arguments.collect();
    let has = |word: &str| rest.iter().any(|other| other == word);
    let mut load = Load {
        dir,
        uniform: has("uniform"),
        ids: has("ids"),
        serial: has("serial"),
        made: 0,
        now_ms: START_MS,
    };
    match what.as_str() {
        "churn" => churn(&mut load, count),
        "hold" => hold(&mut load, count),
        "spike" => spike(&mut load, count),
        "groups" => groups(&mut load, count),
        other => eprintln!("churn, hold, spike or groups, not {other:?}"),
    }
}
