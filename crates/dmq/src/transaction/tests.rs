//! Transactions against naive models, by a clock that the tests turn.

use proptest::prelude::*;

use super::*;
use crate::sip::grammar::is_token;
use crate::sip::samples::{address, packet, request, response};

const TIMERS: Timers = Timers { t1: Duration::from_millis(500), t2: Duration::from_millis(4000) };

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A packet of a request; more than its method does not matter here.
fn asked() -> Arc<[u8]> {
    Arc::from(&b"KDMQ sip:peer@10.0.0.1:5060 SIP/2.0\r\n"[..])
}

fn answer(code: u16, branch: &str, method: &str) -> String {
    format!(
        "SIP/2.0 {code} Words\r\nVia: SIP/2.0/UDP 10.0.0.2;branch={branch}\r\nTo: <sip:p@h>\r\n\
         From: <sip:p@h>;tag=t\r\nCall-ID: c\r\nCSeq: 10 {method}\r\n\r\n"
    )
}

impl<T> Clients<T> {
    fn hears(&mut self, code: u16, branch: &str, now: Duration) -> Option<Answered<T>> {
        self.answered(&response(answer(code, branch, "KDMQ").as_bytes()), now)
    }
}

/// When a request is sent, and when it is given up: all deadlines are kept to the millisecond.
fn schedule(timers: Timers, reliable: bool, lifetime: Duration) -> (Vec<u128>, u128) {
    let mut clients = Clients::new(timers, 1);
    let (key, _) = clients.branch();
    clients.start(key, asked(), reliable, lifetime, (), ms(7));
    let mut sent = vec![0];
    loop {
        let now = clients.next_deadline().expect("it has not ended");
        assert_eq!(clients.due(now - Duration::from_nanos(1)), None);
        let after = (now - ms(7)).as_millis();
        match clients.due(now).expect("its time has come") {
            Due::Again { packet, what: () } => {
                assert_eq!(packet, asked());
                sent.push(after);
            }
            Due::TimedOut { what: () } => {
                assert_eq!(clients.next_deadline(), None);
                assert!(clients.under_way.is_empty());
                return (sent, after);
            }
        }
    }
}

#[test]
fn requests_are_sent_at_the_times_of_timer_e_and_given_up_at_timer_f() {
    let udp = [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500];
    assert_eq!(schedule(TIMERS, false, ms(30_000)), (udp.to_vec(), 30_000));
    assert_eq!(schedule(TIMERS, true, ms(30_000)), (vec![0], 30_000));
    assert_eq!(schedule(TIMERS, false, ms(300)), (vec![0], 300));
    assert_eq!(schedule(TIMERS, false, ms(500)), (vec![0], 500));
    let fast = Timers { t1: ms(10), t2: ms(25) };
    assert_eq!(schedule(fast, false, ms(90)), (vec![0, 10, 30, 55, 80], 90));
}

#[test]
fn timers_of_zero_do_not_spin() {
    let zero = Timers { t1: Duration::ZERO, t2: Duration::ZERO };
    assert_eq!(schedule(zero, false, ms(4)), (vec![0, 1, 2, 3], 4));
    assert_eq!(schedule(zero, false, Duration::ZERO), (vec![0], 0));
}

#[test]
fn a_standstill_costs_one_packet_for_each_request() {
    let mut clients = Clients::new(TIMERS, 1);
    for what in 0..3 {
        let (key, _) = clients.branch();
        clients.start(key, asked(), false, ms(30_000), what, ms(what));
    }
    let mut sent = Vec::new();
    while let Some(due) = clients.due(ms(20_000)) {
        match due {
            Due::Again { what, .. } => sent.push(*what),
            Due::TimedOut { what } => panic!("{what} timed out"),
        }
    }
    assert_eq!(sent, [0, 1, 2]);
    assert_eq!(clients.next_deadline(), Some(ms(21_000)));
}

#[test]
fn only_who_got_a_request_can_answer_it() {
    let mut clients = Clients::new(TIMERS, 1);
    let (first, branch) = clients.branch();
    let (second, other) = clients.branch();
    assert!(is_token(&branch) && branch.starts_with("z9hG4bK") && branch.len() < 50);
    clients.start(first, asked(), false, ms(30_000), "first", ms(0));
    clients.start(second, asked(), false, ms(30_000), "second", ms(0));
    // The number of the second request with what only the first one's receiver knows.
    let guessed = branch[..23].to_owned() + &other[23..];
    let foreign = Clients::<()>::new(TIMERS, 2).branch().1;
    for unknown in ["z9hG4bK", "x", "z9hG4bK0123456789abcdef1", "z9hG4bK\u{e4}", &guessed, &foreign]
    {
        if is_token(unknown) {
            assert_eq!(clients.hears(200, unknown, ms(1)), None, "{unknown}");
        }
        assert_eq!(clients.number(unknown), None, "{unknown}");
    }
    let wrong = answer(200, &branch, "KDM");
    assert_eq!(clients.answered(&response(wrong.as_bytes()), ms(1)), None);
    let wrong = answer(200, &branch, "KDMQQ");
    assert_eq!(clients.answered(&response(wrong.as_bytes()), ms(1)), None);
    let answered = Answered { what: "second", took: ms(3) };
    assert_eq!(clients.hears(404, &other, ms(3)), Some(answered));
    assert_eq!(clients.hears(404, &other, ms(3)), None);
    assert_eq!(clients.under_way.len(), 1);
}

#[test]
fn what_went_over_a_lost_connection_ends_at_once() {
    let mut clients = Clients::new(TIMERS, 1);
    let branches: Vec<String> = (0..6)
        .map(|what| {
            let (key, branch) = clients.branch();
            clients.start(key, asked(), what == 5, ms(30_000), what, ms(0));
            branch
        })
        .collect();
    assert_eq!(clients.abort_all(|what| what % 2 == 1), [1, 3, 5]);
    assert_eq!(clients.abort_all(|what| what % 2 == 1), Vec::<i32>::new());
    assert_eq!(clients.hears(200, &branches[3], ms(1)), None);
    assert_eq!((clients.under_way.len(), clients.due.len()), (3, 3));
}

/// What happens to one request: all times in milliseconds after it was started.
#[derive(Clone, Debug)]
struct Fate {
    starts: u64,
    lifetime: u64,
    reliable: bool,
    /// When provisional answers come.
    provisional: Vec<u64>,
    /// When final answers come: none when all are lost, several when the network doubles them.
    answers: Vec<u64>,
}

impl Fate {
    /// When it is sent, and when it ends in which way.
    fn expected(&self, timers: Timers) -> (Vec<u64>, (u64, bool)) {
        let (t1, t2) = (timers.t1.as_millis() as u64, timers.t2.as_millis() as u64);
        let answer = self.answers.iter().copied().min().filter(|at| *at <= self.lifetime);
        let end = answer.unwrap_or(self.lifetime);
        let mut sent = vec![0];
        let (mut at, mut interval) = (t1, t1);
        while !self.reliable && at < end {
            sent.push(at);
            let proceeds = self.provisional.iter().any(|heard| *heard <= at);
            interval = if proceeds { t2 } else { (interval * 2).min(t2) };
            at += interval;
        }
        (sent, (end, answer.is_some()))
    }
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let times = |count| prop::collection::vec(0..400_u64, count);
    let fate = (0..500_u64, 1..300_u64, any::<bool>(), times(0..3), times(0..4)).prop_map(
        |(starts, lifetime, reliable, provisional, answers)| Fate {
            starts,
            lifetime,
            reliable,
            provisional,
            answers,
        },
    );
    prop::collection::vec(fate, 1..30)
}

/// When a request was sent, and its ends: when, and whether by an answer.
type Life = (Vec<u64>, Vec<(u64, bool)>);

/// Lets all happen in the order of time, answers before what is due at the same time.
fn play(timers: Timers, fates: &[Fate]) -> Vec<Life> {
    let mut events: Vec<(u64, usize, u16)> = Vec::new();
    for (what, fate) in fates.iter().enumerate() {
        events.push((fate.starts, what, 0));
        events.extend(fate.provisional.iter().map(|after| (fate.starts + after, what, 100)));
        events.extend(fate.answers.iter().map(|after| (fate.starts + after, what, 200)));
    }
    events.sort_by_key(|(at, _, code)| (*at, *code));
    let mut events = events.into_iter().peekable();
    let mut clients = Clients::new(timers, 99);
    let mut branches = vec![String::new(); fates.len()];
    let mut seen: Vec<Life> = vec![Life::default(); fates.len()];
    loop {
        let deadline = clients.next_deadline();
        let is_next = |event: &(u64, usize, u16)| deadline.is_none_or(|due| ms(event.0) <= due);
        let after = |at: u64, what: usize| at - fates[what].starts;
        if let Some((at, what, code)) = events.next_if(is_next) {
            if code == 0 {
                let (key, branch) = clients.branch();
                let Fate { reliable, lifetime, .. } = fates[what];
                clients.start(key, asked(), reliable, ms(lifetime), what, ms(at));
                branches[what] = branch;
                seen[what].0.push(0);
            } else if let Some(answered) = clients.hears(code, &branches[what], ms(at)) {
                assert_eq!((answered.what, answered.took), (what, ms(after(at, what))));
                seen[what].1.push((after(at, what), true));
            }
            continue;
        }
        let Some(now) = deadline else { return seen };
        let at = now.as_millis() as u64;
        while let Some(due) = clients.due(now) {
            match due {
                Due::Again { what, .. } => seen[*what].0.push(after(at, *what)),
                Due::TimedOut { what } => seen[what].1.push((after(at, what), false)),
            }
        }
        assert_eq!(clients.under_way.len(), clients.due.len());
    }
}

proptest! {
    #[test]
    fn each_request_ends_once_whatever_the_network_does(
        fates in fates(),
        t1 in 1..60_u64,
        doubled in 1..8_u64,
    ) {
        let timers = Timers { t1: ms(t1), t2: ms(t1 * doubled) };
        let seen = play(timers, &fates);
        for (fate, (sent, ends)) in fates.iter().zip(seen) {
            let (expected, end) = fate.expected(timers);
            prop_assert_eq!((sent, ends), (expected, vec![end]), "{:?}", fate);
        }
    }

    #[test]
    fn requests_are_remembered_as_a_list_would(
        steps in prop::collection::vec((0..12_u64, 0..3_u8, 0..9_000_u64), 1..200),
        entries_max in 1..12_usize,
    ) {
        let mut servers = Servers::new(5, entries_max);
        let mut list: Vec<(u64, Duration, Option<u16>)> = Vec::new();
        let mut now = Duration::ZERO;
        for (key, step, passes) in steps {
            now += ms(passes);
            let known = list.iter_mut().find(|(of, ..)| *of == key);
            if step == 0 {
                servers.answered(key, 200);
                if let Some((.., answer)) = known {
                    *answer = Some(200);
                }
                continue;
            }
            list.retain(|(_, came, _)| now < *came + REMEMBERED);
            let expected = match list.iter().find(|(of, ..)| *of == key) {
                Some((.., Some(code))) => Seen::Answered(*code),
                Some((.., None)) => Seen::Running,
                None => {
                    list.push((key, now, None));
                    list.drain(..list.len().saturating_sub(entries_max));
                    Seen::New
                }
            };
            prop_assert_eq!(servers.seen(key, now), expected);
            prop_assert_eq!((servers.answers.len(), servers.expiries.len()), (list.len(), list.len()));
            prop_assert!(servers.answers.len() <= entries_max);
        }
    }
}

#[test]
fn a_retransmission_is_told_from_another_request() {
    let servers = Servers::new(5, 10);
    let text = String::from_utf8(packet("02.01.raw")).expect("text");
    let key = |text: &str, source: &str| servers.key(&request(text.as_bytes()), address(source));
    let first = key(&text, "127.0.0.2:5060");
    for (from, to) in [
        ("", ""),
        ("To: <sip:notification_peer@127.0.0.1:5060>", "To: <sip:other@127.0.0.1:5060>"),
        ("Max-Forwards: 2", "Max-Forwards: 1"),
        ("User-Agent: k", "User-Agent: K"),
        ("Call-ID:", "i:"),
    ] {
        assert_eq!(key(&text.replace(from, to), "127.0.0.2:6000"), first, "{from:?} -> {to:?}");
    }
    for (from, to) in [
        (".0\r\nTo", ".1\r\nTo"),
        (";branch=z9hG4bKa168.742d5310000000000000000000000000.0", ""),
        ("UDP 127.0.0.2", "UDP 127.0.0.2:5061"),
        ("UDP 127.0.0.2", "UDP 127.0.0.3"),
        ("KDMQ", "OPTIONS"),
        ("CSeq: 10", "CSeq: 11"),
        ("Call-ID: 1", "Call-ID: 2"),
        (";tag=2", ";tag=3"),
    ] {
        assert!(text.contains(from), "{from:?}");
        assert_ne!(key(&text.replace(from, to), "127.0.0.2:5060"), first, "{from:?} -> {to:?}");
    }
    assert_ne!(key(&text, "127.0.0.3:5060"), first);
    assert_ne!(
        Servers::new(6, 10).key(&request(text.as_bytes()), address("127.0.0.2:5060")),
        first
    );
}
