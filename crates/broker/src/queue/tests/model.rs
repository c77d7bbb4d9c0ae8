//! Random scripts, against a queue that is a sorted `Vec`.
//!
//! The model knows no lanes, cursors, rings or deadlines: it sorts, scans and drops. Both run the same script lines and
//! must answer every one of them alike. A failure prints the seed and the script, which `check` can run.

use std::collections::HashSet;

use super::rig::{Rig, table};
use crate::queue::args::{Overflow, QueueArgs, QueueKind, RetryOf};

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
    /// Of a quorum queue: how often it came back, as a failure and at all.
    failed: u32,
    acquired: u32,
    /// Of a quorum queue: came back as the n-th and is before all that did not.
    returned: Option<usize>,
}

impl Msg {
    fn again(&self) -> String {
        match (self.redelivered, self.acquired) {
            (false, _) => String::new(),
            (true, 0) => "*".to_owned(),
            (true, acquired) => format!("*{}/{acquired}", self.failed),
        }
    }
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
    /// The active one gives way to one of higher priority when all that it has is settled.
    fading: bool,
    /// Waits for its retry: until when, and as the how manieth.
    delayed: Vec<(u64, usize, Msg)>,
    returns: usize,
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
                let mut names: Vec<String> = names.map(|(m, _)| m.name.clone()).collect();
                // In the order in which the script's channel gives them back.
                names.sort_unstable();
                self.requeue(names.iter().map(String::as_str), true);
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
            "requeue" | "nack" => {
                self.requeue(words[1..].iter().copied(), words[0] == "requeue");
            }
            "get" => self.get(has("no-ack")),
            "purge" => {
                self.effects.push((self.ready.len() + self.delayed.len()).to_string());
                self.ready.clear();
                self.delayed.clear();
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
            level: prio
                .map_or(self.args.default_priority, |prio| prio as u8)
                .min(self.args.max_priority),
            number: self.published,
            expires: ttls.iter().flatten().min().map(|ttl| self.now + ttl),
            bytes,
            redelivered: false,
            failed: 0,
            acquired: 0,
            returned: None,
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
        self.ready.sort_by_key(|m| match m.returned {
            Some(order) => (false, order, std::cmp::Reverse(0), 0),
            None => (true, 0, std::cmp::Reverse(m.level), m.number),
        });
    }

    fn too_long(&self, more: u64, more_bytes: u64) -> bool {
        let delayed = self.delayed.iter().map(|(_, _, m)| m);
        let bytes: u64 = self.ready.iter().chain(delayed).map(|m| m.bytes).sum();
        let (bytes, count) = (bytes + more_bytes, (self.ready.len() + self.delayed.len()) as u64);
        self.args.max_length.is_some_and(|max| count + more > max)
            || self.args.max_length_bytes.is_some_and(|max| bytes > max)
    }

    fn drop_excess(&mut self) {
        while self.args.overflow == Overflow::DropHead
            && !self.ready.is_empty()
            && self.too_long(0, 0)
        {
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
        let passive = self.active.as_deref() != Some(name) || self.fading;
        let inactive = self.args.single_active_consumer && passive;
        let able = !taker.blocked && !inactive && self.has_credit(taker);
        if able && !self.turns.iter().any(|other| other == name) {
            self.turns.push(name.to_owned());
        }
    }

    fn deliver(&mut self, to: &str, mut m: Msg) {
        let again = m.again();
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
        let (name, priority) = (taker.name.clone(), taker.priority);
        self.takers.push(taker);
        if let Some(active) = self.active.clone()
            && self.args.single_active_consumer
            && self.args.kind == QueueKind::Quorum
            && self.find(&active).is_some_and(|active| active.priority < priority)
        {
            self.turns.retain(|other| *other != active);
            self.fading = self.holds(&active);
            if !self.fading {
                self.active = Some(name.clone());
            }
        }
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
            self.succeed();
        }
        self.pump();
        if self.takers.is_empty() {
            self.effects.push("last".to_owned());
        }
    }

    fn holds(&self, name: &str) -> bool {
        self.held.iter().any(|(_, by)| by.as_deref() == Some(name))
    }

    fn succeed(&mut self) {
        self.fading = false;
        let highest = self.takers.iter().map(|taker| taker.priority).max();
        let next = self.takers.iter().find(|taker| Some(taker.priority) == highest);
        self.active = next.map(|taker| taker.name.clone());
        if let Some(next) = self.active.clone() {
            self.stand_in_line(&next);
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
            if self.fading && self.active.as_ref() == Some(&by) && !self.holds(&by) {
                self.succeed();
            }
            self.stand_in_line(&by);
        }
        m
    }

    fn requeue<'a>(&mut self, names: impl Iterator<Item = &'a str>, failed: bool) {
        for name in names {
            let m = self.release(name);
            let m = Msg { redelivered: true, ..m };
            match self.args.kind {
                QueueKind::Classic => self.wait(m),
                QueueKind::Quorum => self.came_back(m, failed),
            }
        }
        self.drop_excess();
        self.pump();
    }

    fn came_back(&mut self, mut m: Msg, failed: bool) {
        let retry = self.args.retry;
        let enabled = retry.which != RetryOf::Disabled;
        m.acquired += 1;
        m.failed += u32::from(failed || !enabled);
        if self.args.delivery_limit.is_some_and(|limit| m.failed > limit) {
            return self.die(m, "delivery_limit");
        }
        self.returns += 1;
        let delayed = retry.which == RetryOf::All
            || retry.which == if failed { RetryOf::Failed } else { RetryOf::Returned };
        if delayed {
            let wait = retry.min * u64::from(m.failed.max(1));
            let until = self.now + wait.min(retry.max.unwrap_or(retry.min));
            self.delayed.push((until, self.returns, m));
        } else {
            m.returned = Some(self.returns);
            self.wait(m);
        }
    }

    fn retry(&mut self) {
        self.delayed.sort_by_key(|(until, order, _)| (*until, *order));
        while self.delayed.first().is_some_and(|(until, _, _)| *until <= self.now) {
            let (_, _, m) = self.delayed.remove(0);
            self.returns += 1;
            self.wait(Msg { returned: Some(self.returns), ..m });
        }
    }

    fn get(&mut self, no_ack: bool) {
        self.used = self.now;
        self.expire();
        if self.ready.is_empty() {
            return self.effects.push("empty".to_owned());
        }
        let m = self.ready.remove(0);
        self.expire();
        let again = m.again();
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
        self.retry();
        self.drop_excess();
        self.pump();
    }

    fn crash(&mut self) {
        let held = std::mem::take(&mut self.held).into_iter().map(|(m, _)| m);
        let delayed = std::mem::take(&mut self.delayed).into_iter().map(|(_, _, m)| m);
        let ready = std::mem::take(&mut self.ready).into_iter();
        for m in ready.chain(held).chain(delayed) {
            self.wait(Msg { redelivered: true, returned: None, ..m });
        }
        self.takers.clear();
        self.turns.clear();
        self.refusing.clear();
        self.active = None;
        self.fading = false;
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
    let own: [&[&str]; 3] = match dice.roll(2) {
        0 => [&["", "", "x-max-priority=3", "x-max-priority=255"], &[""], &[""]],
        _ => [
            &["x-queue-type=quorum"],
            &["", "x-delivery-limit=0", "x-delivery-limit=2"],
            &[
                "",
                "",
                "x-delayed-retry-type=all x-delayed-retry-min=10 x-delayed-retry-max=25",
                "x-delayed-retry-type=failed x-delayed-retry-min=20",
                "x-delayed-retry-type=returned x-delayed-retry-min=20",
            ],
        ],
    };
    let choices: [&[&str]; 6] = [
        &["", "", "x-max-length=3", "x-max-length=0", "x-max-length=8"],
        &["", "", "", "x-max-length-bytes=20"],
        &["", "x-overflow=reject-publish", "x-overflow=reject-publish-dlx", "x-overflow=drop-head"],
        &["", "x-dead-letter-exchange=d"],
        &["", "", "x-message-ttl=30", "x-message-ttl=0"],
        &["", "", "x-single-active-consumer=true", "x-expires=60"],
    ];
    let own = own.map(|words| dice.one_of(words)).join(" ");
    format!("{own} {}", choices.map(|words| dice.one_of(words)).join(" "))
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
            let command = dice.one_of(&["ack", "ack", "reject", "requeue", "nack"]);
            let mut names = Vec::new();
            // Between two acks of one turn the model expires and the queue does not yet, which may change whose turn is next.
            let most = if ["requeue", "nack"].contains(&command) { 3 } else { 1 };
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
        // The highest are levels that a quorum queue keeps for itself.
        let priority = dice.one_of(&["0", "1", "2", "3", "4", "5", "252", "254", "255"]);
        for (name, value) in [
            ("ttl", dice.roll(40).to_string()),
            ("prio", priority.to_owned()),
            ("size", dice.roll(12).to_string()),
        ] {
            if dice.roll(3) == 0 {
                text += &format!(" {name}={value}");
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
