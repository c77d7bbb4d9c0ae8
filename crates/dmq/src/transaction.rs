//! Non-INVITE transactions (RFC 3261 17.1.2, 17.2.2): which answer belongs to which request of
//! ours, when a request is sent again, and which request has been here before.
//!
//! No sockets, no clock, no randomness: what is sent is the caller's, `now` is the time since the
//! node started, seeds are given.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::sip::headers::Name;
use crate::sip::{Request, Response};

/// With what each branch starts (RFC 3261 8.1.1.7).
const MAGIC_COOKIE: &str = "z9hG4bK";

/// How long a request is remembered: 64 times the usual T1, after which no client sends it again
/// (timers F and J). Kamailio gives up after 30 s.
const REMEMBERED: Duration = Duration::from_secs(32);

/// How often requests are sent again (RFC 3261 17.1.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The time until the first time, which then doubles.
    pub t1: Duration,
    /// The longest time.
    pub t2: Duration,
}

/// Requests of ours that are under way. `T` is what each is for.
///
/// 1. Each that was started ends once: answered, timed out or aborted.
/// 2. `timers` has one entry of each.
#[derive(Debug)]
pub struct Clients<T> {
    timers: Timers,
    seed: u64,
    /// The number of the latest branch.
    latest: u64,
    under_way: HashMap<u64, Client<T>, FixedState>,
    /// What is due next with each, by time.
    due: BTreeSet<(Duration, u64)>,
}

/// Which of the [`Clients`] it is. Not [`Copy`], since it is started once.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientKey(u64);

#[derive(Debug)]
struct Client<T> {
    packet: Arc<[u8]>,
    started: Duration,
    /// When it is given up (timer F).
    ends: Duration,
    /// When it is sent again (timer E), after how long it was; `None` on a reliable transport.
    again: Option<(Duration, Duration)>,
    /// When its entry in `due` is.
    next: Duration,
    what: T,
}

/// A request that was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// What it was for.
    pub what: T,
    /// From its start to the answer.
    pub took: Duration,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Due<'a, T> {
    /// The request is to be sent again.
    Again {
        /// What was sent the first time.
        packet: Arc<[u8]>,
        /// What it is for.
        what: &'a T,
    },
    /// There was no answer in time; it is forgotten.
    TimedOut {
        /// What it was for.
        what: T,
    },
}

impl<T> Clients<T> {
    /// None is under way. Times are at least 1 ms, and T2 at least T1. The seed should be secret:
    /// who knows it can answer for others.
    pub fn new(timers: Timers, seed: u64) -> Clients<T> {
        let t1 = timers.t1.max(Duration::from_millis(1));
        let timers = Timers { t1, t2: timers.t2.max(t1) };
        let under_way = HashMap::default();
        Clients { timers, seed, latest: 0, under_way, due: BTreeSet::new() }
    }

    /// A new branch, by which the answer is found again.
    pub fn branch(&mut self) -> (ClientKey, String) {
        self.latest += 1;
        let (number, proof) = (self.latest, self.proof(self.latest));
        (ClientKey(number), format!("{MAGIC_COOKIE}{proof:016x}{number:x}"))
    }

    /// Only who got the request knows this part of its branch, so that no node can answer for
    /// another one.
    fn proof(&self, number: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, number).hash(&mut hasher);
        hasher.finish()
    }

    /// The number of a branch of ours.
    fn number(&self, branch: &str) -> Option<u64> {
        let (proof, number) = branch.strip_prefix(MAGIC_COOKIE)?.split_at_checked(16)?;
        let number = u64::from_str_radix(number, 16).ok()?;
        (u64::from_str_radix(proof, 16) == Ok(self.proof(number))).then_some(number)
    }

    /// A request was sent. It is sent again until it is answered, unless the transport is reliable,
    /// and given up after `lifetime`.
    pub fn start(
        &mut self,
        key: ClientKey,
        packet: Arc<[u8]>,
        reliable: bool,
        lifetime: Duration,
        what: T,
        now: Duration,
    ) {
        let ends = now.saturating_add(lifetime);
        let t1 = self.timers.t1;
        let again = (!reliable).then(|| (now.saturating_add(t1), t1));
        let next = again.map_or(ends, |(at, _)| at.min(ends));
        let client = Client { packet, started: now, ends, again, next, what };
        self.under_way.insert(key.0, client);
        self.due.insert((next, key.0));
    }

    /// A response came. What it answers is returned and over, unless it is provisional: then the
    /// request is sent on every T2 (RFC 3261 17.1.2.2). Answers to what is over, or to others'
    /// requests, are dropped.
    pub fn answered(&mut self, response: &Response<'_>, now: Duration) -> Option<Answered<T>> {
        let number = self.number(response.headers.via().branch?)?;
        let client = self.under_way.get_mut(&number)?;
        let (_, method) = response.headers.cseq()?;
        let is_its = client.packet.strip_prefix(method.as_bytes());
        if is_its.is_none_or(|rest| rest.first() != Some(&b' ')) {
            return None;
        }
        if response.code < 200 {
            if let Some((_, interval)) = &mut client.again {
                *interval = self.timers.t2;
            }
            return None;
        }
        let client = self.end(number)?;
        Some(Answered { what: client.what, took: now.saturating_sub(client.started) })
    }

    /// Ends those whose connection broke.
    pub fn abort_all(&mut self, mut is_lost: impl FnMut(&T) -> bool) -> Vec<T> {
        let under_way = self.under_way.iter();
        let mut lost: Vec<u64> =
            under_way.filter(|(_, client)| is_lost(&client.what)).map(|(key, _)| *key).collect();
        lost.sort_unstable();
        lost.into_iter().filter_map(|number| Some(self.end(number)?.what)).collect()
    }

    fn end(&mut self, number: u64) -> Option<Client<T>> {
        let client = self.under_way.remove(&number)?;
        self.due.remove(&(client.next, number));
        Some(client)
    }

    /// When something is due next.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next thing that is due; to be called until there is none.
    pub fn due(&mut self, now: Duration) -> Option<Due<'_, T>> {
        let &(_, number) = self.due.first().filter(|(at, _)| *at <= now)?;
        let has_ended = |client: &Client<T>| client.ends <= now;
        if self.under_way.get(&number).is_none_or(has_ended) {
            return self.end(number).map(|client| Due::TimedOut { what: client.what });
        }
        self.due.pop_first();
        let client = self.under_way.get_mut(&number)?;
        if let Some((at, interval)) = &mut client.again {
            *interval = (*interval * 2).min(self.timers.t2);
            // After a standstill it is sent once, not once for each time that was missed.
            let next = *at + *interval;
            *at = if next > now { next } else { now + *interval };
            client.next = (*at).min(client.ends);
        }
        self.due.insert((client.next, number));
        Some(Due::Again { packet: Arc::clone(&client.packet), what: &client.what })
    }
}

/// Requests of others that came in the last 32 s, and what they were answered. No
/// replies: a reply is written again when its request comes again.
#[derive(Debug)]
pub struct Servers {
    seed: u64,
    entries_max: usize,
    /// The code of the answer; `None` while there is none.
    answers: HashMap<u64, Option<u16>, FixedState>,
    /// When each is forgotten, the first to be forgotten first.
    expiries: VecDeque<(Duration, u64)>,
}

/// Whether a request has been here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It has not, and counts as running from now on.
    New,
    /// It has, and is not answered yet.
    Running,
    /// It has, and was answered with this code.
    Answered(u16),
}

impl Servers {
    /// Remembers so many, and forgets the oldest when more come. The seed should be secret.
    pub fn new(seed: u64, entries_max: usize) -> Servers {
        let entries_max = entries_max.max(1);
        Servers { seed, entries_max, answers: HashMap::default(), expiries: VecDeque::new() }
    }

    /// What is equal for a request and its retransmissions (RFC 3261 17.2.3), and else different,
    /// also when the branch is none of RFC 3261. The source is part of it, so that no node's
    /// request can pass for another's.
    pub fn key(&self, request: &Request<'_>, source: SocketAddr) -> u64 {
        let headers = &request.headers;
        let via = headers.via();
        let tag = headers.party(Name::From).and_then(|from| from.tag);
        let sender = (source.ip(), via.host, via.port, via.branch);
        let asked = (request.method, headers.call_id(), headers.get(Name::CSeq), tag);
        let mut hasher = DefaultHasher::new();
        (self.seed, sender, asked).hash(&mut hasher);
        hasher.finish()
    }

    /// A request came.
    pub fn seen(&mut self, key: u64, now: Duration) -> Seen {
        while let Some((_, old)) = self.expiries.pop_front_if(|(at, _)| *at <= now) {
            self.answers.remove(&old);
        }
        match self.answers.get(&key) {
            Some(None) => return Seen::Running,
            Some(Some(code)) => return Seen::Answered(*code),
            None => {}
        }
        if self.expiries.len() == self.entries_max
            && let Some((_, oldest)) = self.expiries.pop_front()
        {
            self.answers.remove(&oldest);
        }
        self.answers.insert(key, None);
        self.expiries.push_back((now + REMEMBERED, key));
        Seen::New
    }

    /// A request was answered. Nothing happens when it is forgotten already.
    pub fn answered(&mut self, key: u64, code: u16) {
        if let Some(answer) = self.answers.get_mut(&key) {
            *answer = Some(code);
        }
    }
}
