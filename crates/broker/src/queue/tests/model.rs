//! Random scripts, against a queue that is a sorted `Vec`.
//!
//! The model knows no lanes, cursors, rings or deadlines: it sorts, scans and drops. Both run the same script lines and
//! must answer every one of them alike. A failure prints the seed and the script, which `check` can run.

use std::collections::HashSet;

use super::rig::{Rig, table};
use crate::queue::args::{Overflow, QueueArgs};

const SCRIPTS: u64 = 400;
const LINES: usize = 150;
/// One script in so many has crashes: a recovery takes longer than a script.
const CRASHING: u64 = 8;

#[derive(Clone)]
struct Msg {
    name: String,
    level: u8,
    number: usize,
    expires: Option<u64>,
    bytes: u64,
    redelivered: bool,
}

struct Taker {
    name: String,
    no_ack: bool,
    exclusive: bool,
    prefetch: usize,
    priority: i32,
    blocked: bool,
}

#[derive(Default)]
struct Model {
    args: QueueArgs,
    now: u64,
    used: u64,
    published: usize,
    ready: Vec<Msg>,
    held: Vec<(Msg, Option<String>)>,
    /// In the order they came.
    takers: Vec<Taker>,
    /// Names, in the order of their turn.
    turns: Vec<String>,
    active: Option<String>,
    refusing: HashSet<String>,
    effects: Vec<String>,
    dead: Vec<String>,
}

impl Model {
    fn run(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let has = |word| words.contains(&word);
        let number =
            |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.parse::<i64>().ok());
        match words[0] {
            "publish" => self.publish(words[1], number("ttl="), number("prio="), number("size=")),
            "consume" => self.consume(Taker {
                name: words[1].to_owned(),
                no_ack: has("no-ack"),
                exclusive: has("exclusive"),
                prefetch: number("prefetch=").unwrap_or(0) as usize,
                priority: number("priority=").unwrap_or(0) as i32,
                blocked: false,
            }),
            "cancel" => self.cancel(words[1]),
            "close" => {
                self.cancel(words[1]);
                let names = self.held.iter().filter(|(_, by)| by.as_deref() == Some(words[1]));
                let names: Vec<String> = names.map(|(m, _)| m.name.clone()).collect();
                self.requeue(names.iter().map(String::as_str));
            }
            "block" => drop(self.refusing.insert(words[1].to_owned())),
            "resume" => self.resume(words[1]),
            "ack" | "reject" => {
                for name in &words[1..] {
                    let m = self.release(name);
                    if words[0] == "reject" {
                        self.die(m, "rejected");
                    }
                    self.pump();
                }
            }
            "requeue" => self.requeue(words[1..].iter().copied()),
            "get" => self.get(has("no-ack")),
            "purge" => {
                self.effects.push(self.ready.len().to_string());
                self.ready.clear();
            }
            "at" => self.at(words[1].parse().expect("a time")),
            "crash" => self.crash(),
            "count" => {
                let counts = format!("{} ready, {} unacked", self.ready.len(), self.held.len());
                self.effects.push(counts);
            }
            other => panic!("{other}"),
        }
        self.effects.append(&mut self.dead);
        std::mem::take(&mut self.effects).join(", ")
    }

    fn publish(&mut self, name: &str, ttl: Option<i64>, prio: Option<i64>, size: Option<i64>) {
        let bytes = size.map_or(0, |size| size as u64).max(name.len() as u64);
        let ttls = [ttl.map(|ttl| ttl as u64), self.args.message_ttl];
        let m = Msg {
            name: name.to_owned(),
            level: (prio.unwrap_or(0) as u8).min(self.args.max_priority),
            number: self.published,
            expires: ttls.iter().flatten().min().map(|ttl| self.now + ttl),
            bytes,
            redelivered: false,
        };
        if self.args.overflow != Overflow::DropHead && self.too_long(1, bytes) {
            let dead = self.args.overflow == Overflow::RejectPublishDlx
                && self.args.dead_letter_exchange.is_some();
            let dead = if dead { " dead" } else { "" };
            self.effects.push(format!("refused{dead} {name}"));
            return;
        }
        self.published += 1;
        if self.ready.is_empty()
            && let Some(to) = self.taker()
        {
            return self.deliver(&to, m);
        }
        self.wait(m);
        self.drop_excess();
        self.expire();
    }

    fn wait(&mut self, m: Msg) {
        self.ready.push(m);
        self.ready.sort_by_key(|m| (std::cmp::Reverse(m.level), m.number));
    }

    fn too_long(&self, more: u64, more_bytes: u64) -> bool {
        let bytes: u64 = self.ready.iter().map(|m| m.bytes).sum::<u64>() + more_bytes;
        self.args.max_length.is_some_and(|max| self.ready.len() as u64 + more > max)
            || self.args.max_length_bytes.is_some_and(|max| bytes > max)
    }

    fn drop_excess(&mut self) {
        while self.args.overflow == Overflow::DropHead && self.too_long(0, 0) {
            let m = self.ready.remove(0);
            self.die(m, "maxlen");
        }
    }

    fn expire(&mut self) {
        while self.ready.first().is_some_and(|m| m.expires.is_some_and(|time| time <= self.now)) {
            let m = self.ready.remove(0);
            self.die(m, "expired");
        }
    }

    fn die(&mut self, m: Msg, reason: &str) {
        if self.args.dead_letter_exchange.is_some() {
            self.dead.push(format!("dead {} {reason}", m.name));
        }
    }

    fn find(&self, name: &str) -> Option<&Taker> {
        self.takers.iter().find(|taker| taker.name == name)
    }

    fn has_credit(&self, taker: &Taker) -> bool {
        let mine = self.held.iter().filter(|(_, by)| by.as_ref() == Some(&taker.name));
        taker.no_ack || taker.prefetch == 0 || mine.count() < taker.prefetch
    }

    /// The first of the highest priority; those that cannot when their turn comes lose it.
    fn taker(&mut self) -> Option<String> {
        loop {
            let priority = |name: &String| self.find(name).map(|taker| taker.priority);
            let highest = self.turns.iter().map(priority).max()?;
            let name = self.turns.iter().find(|name| priority(name) == highest)?.clone();
            let refused = self.refusing.contains(&name);
            let taker = self.find(&name)?;
            if self.has_credit(taker) && !refused {
                return Some(name);
            }
            let full = !self.has_credit(taker);
            self.turns.retain(|other| *other != name);
            let taker = self.takers.iter_mut().find(|taker| taker.name == name)?;
            taker.blocked = !full;
        }
    }

    fn stand_in_line(&mut self, name: &str) {
        let Some(taker) = self.find(name) else { return };
        let inactive = self.args.single_active_consumer && self.active.as_deref() != Some(name);
        let able = !taker.blocked && !inactive && self.has_credit(taker);
        if able && !self.turns.iter().any(|other| other == name) {
            self.turns.push(name.to_owned());
        }
    }

    fn deliver(&mut self, to: &str, mut m: Msg) {
        let again = if m.redelivered { "*" } else { "" };
        self.effects.push(format!("{to}<{}{again}", m.name));
        self.turns.retain(|other| other != to);
        self.turns.push(to.to_owned());
        if self.find(to).is_some_and(|taker| !taker.no_ack) {
            m.redelivered = true;
            self.held.push((m, Some(to.to_owned())));
        }
    }

    fn pump(&mut self) {
        while !self.ready.is_empty() {
            let Some(to) = self.taker() else { break };
            self.expire();
            if self.ready.is_empty() {
                break;
            }
            let m = self.ready.remove(0);
            self.deliver(&to, m);
        }
        self.expire();
    }

    fn consume(&mut self, taker: Taker) {
        let taken = self.takers.iter().any(|other| other.exclusive);
        let alone = self.takers.is_empty() && !self.args.single_active_consumer;
        if taken || (taker.exclusive && !alone) {
            return self.effects.push("in exclusive use".to_owned());
        }
        self.used = self.now;
        let name = taker.name.clone();
        self.takers.push(taker);
        self.active.get_or_insert(name.clone());
        self.stand_in_line(&name);
        self.pump();
    }

    fn cancel(&mut self, name: &str) {
        let before = self.takers.len();
        self.takers.retain(|taker| taker.name != name);
        self.turns.retain(|other| other != name);
        if self.takers.len() == before {
            return;
        }
        self.used = self.now;
        if self.active.as_deref() == Some(name) {
            let highest = self.takers.iter().map(|taker| taker.priority).max();
            let next = self.takers.iter().find(|taker| Some(taker.priority) == highest);
            self.active = next.map(|taker| taker.name.clone());
            if let Some(next) = self.active.clone() {
                self.stand_in_line(&next);
            }
        }
        self.pump();
        if self.takers.is_empty() {
            self.effects.push("last".to_owned());
        }
    }

    fn resume(&mut self, name: &str) {
        self.refusing.remove(name);
        let Some(taker) = self.takers.iter_mut().find(|taker| taker.name == name) else { return };
        if std::mem::take(&mut taker.blocked) {
            self.stand_in_line(name);
            self.pump();
        }
    }

    fn release(&mut self, name: &str) -> Msg {
        let at = self.held.iter().position(|(m, _)| m.name == name).expect("held");
        let (m, by) = self.held.remove(at);
        if let Some(by) = by {
            self.stand_in_line(&by);
        }
        m
    }

    fn requeue<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            let m = self.release(name);
            self.wait(Msg { redelivered: true, ..m });
        }
        self.drop_excess();
        self.pump();
    }

    fn get(&mut self, no_ack: bool) {
        self.used = self.now;
        self.expire();
        if self.ready.is_empty() {
            return self.effects.push("empty".to_owned());
        }
        let m = self.ready.remove(0);
        self.expire();
        let again = if m.redelivered { "*" } else { "" };
        self.effects.push(format!("{}{again}, +{}", m.name, self.ready.len()));
        if !no_ack {
            self.held.push((m, None));
        }
    }

    fn at(&mut self, time: u64) {
        self.now = time;
        let unused = self.takers.is_empty();
        if self.args.expires.is_some_and(|idle| unused && self.used + idle <= self.now) {
            return self.effects.push("queue expired".to_owned());
        }
        self.drop_excess();
        self.pump();
    }

    fn crash(&mut self) {
        for (m, _) in std::mem::take(&mut self.held) {
            self.wait(m);
        }
        self.ready.iter_mut().for_each(|m| m.redelivered = true);
        self.takers.clear();
        self.turns.clear();
        self.refusing.clear();
        self.active = None;
        self.used = self.now;
    }
}

/// xorshift64*: scripts depend on nothing but the seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len() as u64) as usize]
    }
}

fn arguments(dice: &mut Dice) -> String {
    let choices: [&[&str]; 7] = [
        &["", "", "x-max-priority=3", "x-max-priority=255"],
        &["", "", "x-max-length=3", "x-max-length=0", "x-max-length=8"],
        &["", "", "", "x-max-length-bytes=20"],
        &["", "x-overflow=reject-publish", "x-overflow=reject-publish-dlx", "x-overflow=drop-head"],
        &["", "x-dead-letter-exchange=d"],
        &["", "", "x-message-ttl=30", "x-message-ttl=0"],
        &["", "", "x-single-active-consumer=true", "x-expires=60"],
    ];
    choices.map(|words| dice.one_of(words)).join(" ")
}

/// The next line, given who consumes and what is held.
fn line(dice: &mut Dice, model: &Model, number: usize, crashing: bool) -> String {
    let some = |dice: &mut Dice, names: Vec<&str>| match names.len() as u64 {
        0 => None,
        n => Some(names[dice.roll(n) as usize].to_owned()),
    };
    let takers: Vec<&str> = model.takers.iter().map(|taker| taker.name.as_str()).collect();
    let held: Vec<&str> = model.held.iter().map(|(m, _)| m.name.as_str()).collect();
    let chosen = match dice.roll(100) {
        0..40 => None,
        40..48 => {
            let no_ack = dice.one_of(&["", "", "no-ack"]);
            let exclusive = dice.one_of(&["", "", "", "", "", "", "exclusive"]);
            let (prefetch, priority) = (dice.roll(4), dice.roll(3) as i64 - 1);
            let options = format!("prefetch={prefetch} priority={priority} {no_ack} {exclusive}");
            Some(format!("consume c{number} {options}"))
        }
        48..51 => some(dice, takers).map(|name| format!("cancel {name}")),
        51..53 => some(dice, takers).map(|name| format!("close {name}")),
        53..56 => some(dice, takers).map(|name| format!("block {name}")),
        56..60 => some(dice, takers).map(|name| format!("resume {name}")),
        60..78 => {
            let command = dice.one_of(&["ack", "ack", "reject", "requeue"]);
            let mut names = Vec::new();
            // Between two acks of one turn the model expires and the queue does not yet, which may change whose turn is next.
            let most = if command == "requeue" { 3 } else { 1 };
            for _ in 0..=dice.roll(most) {
                names.extend(some(dice, held.clone()).filter(|name| !names.contains(name)));
            }
            (!names.is_empty()).then(|| format!("{command} {}", names.join(" ")))
        }
        78..86 => Some(dice.one_of(&["get", "get", "get no-ack"]).to_owned()),
        86..88 => Some(dice.one_of(&["purge", "count", "count"]).to_owned()),
        88..99 => Some(format!("at {}", model.now + dice.roll(25))),
        _ => crashing.then(|| "crash".to_owned()),
    };
    chosen.unwrap_or_else(|| {
        let mut text = format!("publish m{number}");
        for (name, sides) in [("ttl", 40), ("prio", 6), ("size", 12)] {
            if dice.roll(3) == 0 {
                text += &format!(" {name}={}", dice.roll(sides));
            }
        }
        text
    })
}

/// Deliveries have an order; the dead of one turn only have to be the same.
fn dead_sorted(effects: &str) -> Vec<&str> {
    let (mut dead, mut rest): (Vec<&str>, Vec<&str>) =
        effects.split(", ").partition(|effect| effect.starts_with("dead "));
    dead.sort_unstable();
    rest.append(&mut dead);
    rest
}

#[test]
fn queue_does_what_the_model_does() {
    let mut rig = Rig::new("");
    for seed in 1..=SCRIPTS {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let arguments = arguments(&mut dice);
        rig.renew(&arguments);
        let args = QueueArgs::parse(&table(&arguments)).unwrap();
        let mut model = Model { args, ..Model::default() };
        let mut script = Vec::new();
        let mut next = None;
        for number in 0..LINES {
            let line = next
                .take()
                .unwrap_or_else(|| line(&mut dice, &model, number, seed % CRASHING == 0));
            if line == "crash" {
                next = Some(format!("at {}", model.now));
            }
            script.push(line.clone());
            let told = || format!("seed {seed}, {arguments:?}:\n{}", script.join("\n"));
            let want = model.run(&line);
            let run = std::panic::AssertUnwindSafe(|| rig.run(&line));
            let got = std::panic::catch_unwind(run).unwrap_or_else(|_| panic!("{}", told()));
            assert_eq!(dead_sorted(&got), dead_sorted(&want), "{}", told());
            if got.contains("queue expired") {
                break;
            }
        }
    }
}
