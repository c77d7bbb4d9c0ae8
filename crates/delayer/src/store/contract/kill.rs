//! `kill -9` at any moment.
//!
//! The test starts its own program once more, with a variable that makes the same test the child:
//! it applies groups and says which ones it was told are durable.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::model::Random;
use super::{Place, all, apply, message, patiently};
use crate::message::{Key, NewMessage};
use crate::store::Store;

const CHILD: &str = "LEVERET_CONTRACT_CHILD";

/// Groups that the child leaves in the store: with each it removes an older one.
const GROUPS_HELD: usize = 5;

pub(crate) fn a_killed_process_keeps_what_it_acknowledged(place: &Place) {
    if let Ok(address) = std::env::var(CHILD) {
        child(&*patiently(|| (place.open)(&address)).unwrap());
    }
    let mut random = Random::seeded();
    let (rounds, groups) = if place.slow { (3, 6) } else { (16, 30) };
    for round in 0..rounds {
        let moment = Duration::from_micros(random.below(10_000));
        let last = story(place, 1 + random.below(groups), moment);
        let store = place.open();
        check(&*store, last, place.atomic, round);
    }
}

/// Runs a child until it has acknowledged so many groups, and for a moment longer, so that it ends
/// anywhere in the next ones; the last one that it acknowledged.
fn story(place: &Place, groups: u64, moment: Duration) -> u64 {
    let (_, test) = place.test.split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, &place.address)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut last = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test runner's first words have no end of line.
        let Some((_, number)) = line.split_once("durable ") else { continue };
        last = number.parse().unwrap();
        if last == groups {
            let from = Instant::now();
            while from.elapsed() < moment {
                std::thread::yield_now();
            }
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(last >= groups, "the child ended by itself: {status}");
    last
}

/// Never returns.
fn child(store: &dyn Store) -> ! {
    let mut groups: VecDeque<Vec<Key>> = VecDeque::new();
    groups.push_back(all(store).iter().map(|held| held.key).collect());
    for n in 1.. {
        let group = group(n);
        let old = if n == 1 || groups.len() >= GROUPS_HELD { groups.pop_front() } else { None };
        groups.push_back(apply(store, &group, &old.unwrap_or_default(), &[]).inserted);
        store.tidy(n).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "durable {n}").and_then(|()| out.flush()).unwrap();
    }
    unreachable!("there is always one more");
}

/// Between 1 and 30 messages, known by their number alone.
fn group(n: u64) -> Vec<NewMessage> {
    (0..1 + n * 7 % 30).map(|i| message(n * 1000 + i, n)).collect()
}

fn check(store: &dyn Store, last: u64, atomic: bool, round: u32) {
    let mut groups: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for held in all(store) {
        groups.entry(held.key.due_ms).or_default().push(held.message);
    }
    let whole = |n: u64| -> Vec<_> { group(n).into_iter().map(|new| new.message).collect() };
    let held = GROUPS_HELD as u64;
    // The group after the last acknowledged one may be there, and then another one is not.
    let extra = groups.contains_key(&(last + 1));
    for n in (last + 1).saturating_sub(held).max(1)..=last {
        let removed = n + held == last + 1 && (extra || !atomic);
        let there = groups.remove(&n);
        match there {
            Some(there) if atomic || !removed => {
                assert!(there == whole(n), "round {round}: group {n} of {last}");
                assert!(!(removed && atomic), "round {round}: group {n} was replaced");
            }
            Some(_) => {}
            None => assert!(removed, "round {round}: group {n} of {last} is lost"),
        }
    }
    if let Some(there) = groups.remove(&(last + 1)) {
        let whole = whole(last + 1);
        assert!(there.iter().all(|message| whole.contains(message)));
        assert!(!atomic || there == whole, "round {round}: half of group {}", last + 1);
    }
    assert!(groups.is_empty(), "round {round}: {:?} came back, {last} was last", groups.keys());
    let totals = store.totals().unwrap();
    assert_eq!(totals.held, store.list(Key::MIN, u64::MAX, usize::MAX).unwrap().len() as u64);
}
