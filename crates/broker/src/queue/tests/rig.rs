//! The test vocabulary: a queue on a store, a sink that writes down what happens, a clock that a script moves.
//!
//! A script line is `command words => effects`; no `=>` is no effects. It is a turn of the server: the queue is ticked at
//! its end if it is due. A message is named by its body.
//!
//! ```text
//! publish a b ttl=5 prio=3 size=9   => c<a, refused b, dead b maxlen
//! consume c no-ack prefetch=1 priority=2 exclusive
//! cancel c | close c (cancel and requeue what it holds) | block c | resume c
//! ack a b | reject a b | requeue a b | nack a b    what consumers or gets hold
//! get | get no-ack                            => a, +3 (so many still wait)
//! purge | delete | at 500 (the clock) | count | deadline
//! sync (the store's turn) | restart | crash | damage a (crash, and the bytes of a's body are not what they were)
//! ```
//!
//! `c<a` is a delivery, `c<a*` one with redelivered, `c<a*2/3` one whose headers say that it came back three times, twice
//! as a failure; `dead a reason` is a dead letter.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use amqp::content::Properties;
use amqp::value::{Table, Value};
use store::vfs::faulty::Faulty;
use store::vfs::{Open, Vfs};
use store::{Options, Recovered, Store};

use crate::message::Message;
use crate::queue::args::{ConsumerArgs, QueueArgs, QueueKind};
use crate::queue::{Admission, ConsumerSpec, Outbox, Queue, QueueSpec, Return};
use crate::{ConsumerKey, Cx, Delivery, Handle, Millis, QueueId, Sink};

/// Runs a script against a queue with these arguments (`name=value` words).
#[track_caller]
pub(super) fn check(arguments: &str, script: &str) {
    let mut rig = Rig::new(arguments);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, want) = line.split_once("=>").unwrap_or((line, ""));
        let got = rig.run(command);
        assert_eq!(got, want.trim(), "\nat `{command}` of:{script}");
    }
}

/// Arguments from `name=value` words: numbers are integers, `true` is a boolean.
pub(super) fn table(words: &str) -> Table {
    let mut table = Table::new();
    for (name, value) in words.split_whitespace().filter_map(|word| word.split_once('=')) {
        let value = match value.parse::<i64>() {
            Ok(n) => Value::I64(n),
            Err(_) if value == "true" => Value::Bool(true),
            Err(_) => Value::from(value),
        };
        table.insert(name, value);
    }
    table
}

/// Writes down deliveries; refuses for consumers that a script blocked.
#[derive(Default)]
struct Recorder {
    effects: Vec<String>,
    refusing: HashSet<ConsumerKey>,
    held: BTreeMap<String, (Handle, Option<ConsumerKey>)>,
}

impl Sink for Recorder {
    fn can_take(&mut self, to: ConsumerKey) -> bool {
        !self.refusing.contains(&to)
    }

    fn deliver(&mut self, to: ConsumerKey, d: Delivery<'_>) {
        let name = name_of(d.message.body);
        let again = again(d.redelivered, d.message);
        self.effects.push(format!("{}<{name}{again}", consumer_name(to)));
        if !d.no_ack {
            let before = self.held.insert(name, (d.handle, Some(to)));
            assert!(before.is_none(), "delivered twice without coming back");
        }
    }

    fn cancelled(&mut self, to: ConsumerKey) {
        self.effects.push(format!("cancelled {}", consumer_name(to)));
    }
}

/// How a delivery that is not the first one looks.
fn again(redelivered: bool, message: &Message<'_>) -> String {
    let headers = message.properties.headers().map(|headers| headers.decode().expect("sound"));
    let count = |name| headers.as_ref().and_then(|headers| headers.get(name)?.as_i64());
    match (count("x-delivery-count"), count("x-acquired-count")) {
        _ if !redelivered => String::new(),
        (None, None) => "*".to_owned(),
        (failed, acquired) => format!("*{}/{}", failed.unwrap_or(0), acquired.unwrap_or(0)),
    }
}

/// Bodies are names, filled up with dots.
fn name_of(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim_end_matches('.').to_owned()
}

/// Consumer names are up to four letters.
fn key(name: &str) -> ConsumerKey {
    let index = name.bytes().fold(0, |n, byte| n << 8 | u32::from(byte));
    ConsumerKey { conn: 1, generation: 1, channel: 1, index }
}

fn consumer_name(key: ConsumerKey) -> String {
    key.index.to_be_bytes().iter().filter(|byte| **byte > 0).map(|byte| *byte as char).collect()
}

fn option<T: std::str::FromStr>(words: &[&str], name: &str) -> Option<T> {
    let value = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}

fn names<'a>(words: &[&'a str]) -> Vec<&'a str> {
    words.iter().filter(|word| !word.contains('=')).copied().collect()
}

fn open(vfs: &Faulty) -> (Store, Recovered) {
    let options = Options {
        inline: true,
        wal_file_bytes: 1 << 20,
        chunk_bytes: 1 << 16,
        ..Options::default()
    };
    Store::open(Arc::new(vfs.clone()), Path::new("/data"), options).expect("a sound disk")
}

fn spec(arguments: &Table, now: Millis) -> QueueSpec {
    QueueSpec {
        id: QueueId(7, 1),
        name: Rc::from("q"),
        vhost: Rc::from("/"),
        durable: true,
        exclusive: None,
        auto_delete: false,
        server_named: false,
        args: QueueArgs::parse(arguments).expect("valid arguments"),
        arguments: arguments.clone(),
        now,
    }
}

/// See the module.
pub(super) struct Rig {
    pub(super) queue: Queue,
    pub(super) store: Option<Store>,
    sink: Recorder,
    out: Outbox,
    pub(super) now: Millis,
    /// How many ticks the last command needed.
    pub(super) ticks: u32,
    arguments: Table,
    vfs: Faulty,
}

impl Rig {
    pub(super) fn new(arguments: &str) -> Rig {
        let arguments = table(arguments);
        let vfs = Faulty::new(1);
        let (mut store, _) = open(&vfs);
        let now = 1_000_000;
        let queue = Queue::new(spec(&arguments, now), &mut store);
        let sink = Recorder::default();
        Rig {
            queue,
            store: Some(store),
            sink,
            out: Outbox::default(),
            now,
            ticks: 0,
            arguments,
            vfs,
        }
    }

    /// Another queue in the same store, at time 0.
    pub(super) fn renew(&mut self, arguments: &str) {
        self.run("delete");
        self.arguments = table(arguments);
        self.now = 1_000_000;
        let store = self.store.as_mut().expect("open");
        self.queue.lanes().for_each(|(_, lane)| store.delete_lane(lane));
        self.queue = Queue::new(spec(&self.arguments, self.now), store);
        self.sink = Recorder::default();
    }

    /// One line of a script; gives back the effects.
    pub(super) fn run(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (&command, rest) = words.split_first().expect("a command");
        match command {
            "publish" => {
                let options: Vec<&str> =
                    rest.iter().filter(|word| word.contains('=')).copied().collect();
                names(rest).iter().for_each(|name| self.publish(name, &options));
            }
            "consume" => self.consume(rest),
            "get" => self.get(rest.contains(&"no-ack")),
            "restart" | "crash" => self.restart(command == "restart"),
            "sync" => self.sync(),
            "damage" => self.damage(rest[0]),
            "at" => self.now = 1_000_000 + rest[0].parse::<Millis>().expect("a time"),
            "close" => {
                self.simple("cancel", rest);
                self.tick();
                let by = Some(key(rest[0]));
                let held = self.sink.held.iter().filter(|(_, h)| h.1 == by);
                let held: Vec<String> = held.map(|(name, _)| name.clone()).collect();
                self.simple("requeue", &held.iter().map(String::as_str).collect::<Vec<_>>());
            }
            "block" => {
                self.sink.refusing.insert(key(rest[0]));
            }
            "count" => {
                let (ready, unacked) = (self.queue.ready(), self.queue.unacked());
                self.sink.effects.push(format!("{ready} ready, {unacked} unacked"));
            }
            "deadline" => {
                let text = match self.queue.deadline() {
                    None => "never".to_owned(),
                    Some(0) => "now".to_owned(),
                    Some(time) => (time as i64 - 1_000_000).to_string(),
                };
                self.sink.effects.push(text);
            }
            _ => self.simple(command, rest),
        }
        self.bury();
        // The broker does not tick before the restart is over, so that a script can look at what came back.
        if !["restart", "crash", "damage", "deadline"].contains(&command) {
            self.tick();
        }
        self.audit();
        std::mem::take(&mut self.sink.effects).join(", ")
    }

    fn simple(&mut self, command: &str, rest: &[&str]) {
        let Rig { queue, store, sink, out, now, .. } = self;
        let store = store.as_mut().expect("open");
        let held: Vec<_> = rest.iter().filter_map(|name| sink.held.get(*name).copied()).collect();
        match command {
            "ack" | "reject" | "requeue" | "nack" => {
                assert_eq!(held.len(), rest.len(), "nobody holds one of {rest:?}");
                sink.held.retain(|name, _| !rest.contains(&name.as_str()));
            }
            _ => {}
        }
        let mut cx = Cx { store, sink, now: *now };
        match command {
            "ack" => held.iter().for_each(|(h, by)| queue.settle(&mut cx, *h, *by, out)),
            "reject" => held.iter().for_each(|(h, by)| queue.discard(&mut cx, *h, *by, out)),
            "requeue" => queue.requeue(&mut cx, &held, Return::Failed, out),
            "nack" => queue.requeue(&mut cx, &held, Return::Nacked, out),
            "resume" => {
                cx.sink.refusing.remove(&key(rest[0]));
                queue.resume(&mut cx, key(rest[0]), out);
            }
            "cancel" => {
                let found = queue.cancel(&mut cx, key(rest[0]), out);
                if found.was_last {
                    cx.sink.effects.push("last".to_owned());
                }
            }
            "purge" => {
                let purged = queue.purge(cx.store);
                cx.sink.effects.push(purged.to_string());
            }
            "delete" => {
                let deleted = queue.delete(&mut cx);
                cx.sink.effects.push(deleted.to_string());
                *queue = Queue::new(spec(&self.arguments, *now), cx.store);
                cx.sink.held.clear();
            }
            _ => panic!("no such command: {command}"),
        }
    }

    fn publish(&mut self, name: &str, words: &[&str]) {
        let Rig { queue, store, sink, out, now, .. } = self;
        let store = store.as_mut().expect("open");
        let mut body = name.to_owned();
        let size: usize = option(words, "size").unwrap_or(0);
        body.extend(std::iter::repeat_n('.', size.saturating_sub(name.len())));
        let m = Message {
            exchange: b"",
            routing_key: b"q",
            properties: Properties::EMPTY,
            body: body.as_bytes(),
            enqueued: *now,
            expires: option::<u64>(words, "ttl").map(|ttl| *now + ttl),
            backing: None,
            persistent: true,
            priority: option(words, "prio"),
            bcc: b"",
        };
        let mut cx = Cx { store, sink, now: *now };
        match queue.admit(&mut cx, &m) {
            Admission::Direct => {}
            Admission::Refuse { dead_letter } => {
                let dead = if dead_letter { " dead" } else { "" };
                cx.sink.effects.push(format!("refused{dead} {name}"));
            }
            Admission::Store => {
                let found = queue.lane_for(m.priority);
                let (level, lane) = found.unwrap_or_else(|| queue.add_lane(m.priority, cx.store));
                let mut seqs = [0];
                let len = m.body.len() as u32;
                cx.store.append(&[lane], true, len, &m.parts(&m.head()), &mut seqs);
                queue.enqueue(&mut cx, level, seqs[0], &m, out);
            }
        }
        self.bury();
    }

    fn consume(&mut self, words: &[&str]) {
        let Rig { queue, store, sink, out, now, .. } = self;
        let mut cx = Cx { store: store.as_mut().expect("open"), sink, now: *now };
        let mut arguments = Table::new();
        if let Some(priority) = option::<i64>(words, "priority") {
            arguments.insert("x-priority", Value::I64(priority));
        }
        let spec = ConsumerSpec {
            key: key(words[0]),
            tag: Rc::from(words[0].as_bytes()),
            no_ack: words.contains(&"no-ack"),
            exclusive: words.contains(&"exclusive"),
            priority: ConsumerArgs::parse(&arguments, QueueKind::Classic).expect("valid").priority,
            prefetch: option(words, "prefetch").unwrap_or(0),
            arguments,
        };
        match queue.checkout(spec, cx.now) {
            Ok(()) => queue.pump(&mut cx, out),
            Err(error) => cx.sink.effects.push(error.to_string()),
        }
    }

    fn get(&mut self, no_ack: bool) {
        let Rig { queue, store, sink, out, now, .. } = self;
        let mut cx = Cx { store: store.as_mut().expect("open"), sink, now: *now };
        let effect = match queue.get(&mut cx, no_ack, out) {
            None => "empty".to_owned(),
            Some(got) => {
                let message = Message::parse(&got.slice).expect("whole");
                let (name, again) = (name_of(message.body), again(got.redelivered, &message));
                if !no_ack {
                    cx.sink.held.insert(name.clone(), (got.handle, None));
                }
                format!("{name}{again}, +{}", got.remaining)
            }
        };
        cx.sink.effects.push(effect);
    }

    /// Ticks as the server does at the end of a turn and when the time has come.
    fn tick(&mut self) {
        self.ticks = 0;
        while self.queue.deadline().is_some_and(|due| due <= self.now) {
            self.ticks += 1;
            assert!(self.ticks < 10_000, "a tick must get on");
            let Rig { queue, store, sink, out, now, .. } = self;
            let mut cx = Cx { store: store.as_mut().expect("open"), sink, now: *now };
            if queue.tick(&mut cx, out).delete {
                self.sink.effects.push("queue expired".to_owned());
                break;
            }
            self.bury();
        }
    }

    /// What the broker does with dead letters, but for the routing.
    fn bury(&mut self) {
        while let Some(dead) = self.out.dead.pop_front() {
            let mut text = String::from("dead ");
            let m = Message::parse(&dead.slice).expect("whole");
            let _ = write!(text, "{} {}", name_of(m.body), dead.reason.as_str());
            self.sink.effects.push(text);
            self.queue.bury(self.store.as_mut().expect("open"), dead.handle);
        }
    }

    fn restart(&mut self, clean: bool) {
        let mut store = self.store.take().expect("open");
        let lanes: Vec<_> = self.queue.lanes().collect();
        if clean {
            self.queue.save_marks(&mut store);
            store.close(Vec::new()).expect("closes");
        } else {
            store.submit();
            store.poll();
            drop(store);
            self.vfs.kill();
        }
        let (mut store, recovered) = open(&self.vfs);
        assert_eq!(recovered.clean, clean);
        // As the broker logs it.
        let mut counts: Vec<_> = self.queue.all_counts().collect();
        let found = lanes.iter().map(|(level, id)| {
            let lane = recovered.lanes.iter().find(|lane| lane.lane == *id);
            (*level, lane.expect("a durable lane comes back"))
        });
        self.queue = Queue::recover(spec(&self.arguments, self.now), found, &mut store);
        self.queue.restore_counts(&store, |lane| {
            let known = counts.iter_mut().find(|(other, _)| *other == lane);
            known.map_or_else(Vec::new, |(_, counts)| std::mem::take(counts))
        });
        self.store = Some(store);
        self.sink.held.clear();
        self.sink.refusing.clear();
    }

    /// The end of a turn: what the server does with the store.
    fn sync(&mut self) {
        let store = self.store.as_mut().expect("open");
        store.submit();
        if store.poll().checkpoint_due {
            store.checkpoint(Vec::new());
        }
    }

    /// Changes a message on disk, after the recovery that would have met it.
    fn damage(&mut self, name: &str) {
        self.restart(false);
        let mut found = 0;
        for (path, len) in self.vfs.files() {
            if path.parent() == Some(Path::new("/data")) {
                continue;
            }
            let mut bytes = vec![0; len as usize];
            let file = self.vfs.open(&path, Open::Read).expect("opens");
            file.read_at(&mut bytes, 0).expect("reads");
            let hits = bytes.windows(name.len()).enumerate();
            for (at, _) in hits.filter(|(_, window)| *window == name.as_bytes()) {
                self.vfs.flip(&path, at as u64, 0);
                found += 1;
            }
        }
        assert!(found > 0, "the message is in a file");
    }

    /// The queue's counts against the store's.
    fn audit(&self) {
        let store = self.store.as_ref().expect("open");
        let stats = self.queue.lanes().map(|(_, lane)| store.stats(lane));
        let (live, bytes) = stats.fold((0, 0), |(n, b), lane| (n + lane.live, b + lane.live_bytes));
        let kept = self.queue.stats.corrupt;
        let waiting = self.queue.ready() + self.queue.delayed();
        assert_eq!(waiting + self.queue.unacked() + kept, live, "messages");
        assert_eq!(self.sink.held.len() as u64, self.queue.unacked(), "unacked");
        if kept == 0 {
            let held = self.queue.unacked_bytes();
            assert_eq!(self.queue.ready_bytes(store) + held, bytes, "bytes");
            let unacked: u64 = self.sink.held.values().map(|(h, _)| u64::from(h.bytes)).sum();
            assert_eq!(held, unacked, "unacked bytes");
        }
    }
}
