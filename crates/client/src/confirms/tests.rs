//! Confirms against a model broker that knows the truth: whatever comes in whichever order, no
//! message that came back or was nacked may count as safe.

use proptest::prelude::*;

use super::*;

fn identity(message: &[u8]) -> Identity {
    Identity::of(b"", b"queue", b"", message)
}

fn confirms(messages: &[&[u8]]) -> Confirms<u64> {
    let mut confirms = Confirms::new();
    for (seq, message) in (1..).zip(messages) {
        confirms.push(seq, identity(message), seq);
    }
    confirms
}

#[track_caller]
fn check(settled: Settled<'_, u64>, expected: &[(u64, bool)]) {
    assert_eq!(settled.collect::<Vec<_>>(), expected);
}

#[test]
fn acks_settle_one_or_all_up_to_it() {
    let mut confirms = confirms(&[b"a", b"b", b"c", b"d", b"e"]);
    check(confirms.ack(2, false), &[(2, false)]);
    check(confirms.ack(2, false), &[]);
    check(confirms.ack(3, true), &[(1, false), (3, false)]);
    check(confirms.ack(9, false), &[]);
    assert_eq!(confirms.len(), 2);
    check(confirms.nack(0, true), &[(4, false), (5, false)]);
    assert!(confirms.is_empty());
    check(confirms.ack(0, true), &[]);
    check(confirms.ack(0, false), &[]);
}

#[test]
fn what_is_not_looked_at_is_settled_too() {
    let mut confirms = confirms(&[b"a", b"b", b"c"]);
    drop(confirms.ack(1, false));
    assert_eq!(confirms.ack(2, true).next(), Some((2, false)));
    confirms.ack(3, true);
    assert!(confirms.is_empty());
}

#[test]
fn numbers_may_be_left_out() {
    let mut confirms = Confirms::new();
    for seq in [3, 7, 8, 20] {
        confirms.push(seq, identity(b""), seq);
    }
    check(confirms.ack(7, false), &[(7, false)]);
    check(confirms.ack(5, false), &[]);
    check(confirms.ack(19, true), &[(3, false), (8, false)]);
    assert_eq!(confirms.drain().collect::<Vec<_>>(), [20]);
    assert!(confirms.is_empty());
}

#[test]
fn a_return_is_found_by_what_the_message_is() {
    let mut confirms = confirms(&[b"a", b"b", b"c"]);
    assert_eq!(confirms.returned(identity(b"b")), 1);
    check(confirms.ack(3, true), &[(1, false), (2, true), (3, false)]);
    assert_eq!(confirms.returned(identity(b"b")), 0);
}

#[test]
fn another_ack_may_come_between_a_return_and_its_ack() {
    let mut confirms = confirms(&[b"a", b"b"]);
    assert_eq!(confirms.returned(identity(b"b")), 1);
    check(confirms.ack(1, false), &[(1, false)]);
    check(confirms.ack(2, false), &[(2, true)]);
}

#[test]
fn of_identical_messages_as_many_are_kept_as_came_back() {
    let mut confirms = confirms(&[b"x", b"x", b"x"]);
    assert_eq!(confirms.returned(identity(b"x")), 3);
    assert_eq!(confirms.returned(identity(b"x")), 3);
    check(confirms.ack(3, false), &[(3, true)]);
    check(confirms.ack(2, true), &[(1, true), (2, false)]);
    // Nothing is left of the returns for messages to come.
    confirms.push(4, identity(b"x"), 4);
    check(confirms.ack(4, false), &[(4, false)]);
}

/// The first of two identical messages was nacked, the second came back and was acked: both have
/// to be kept, although the return could have been the first one's.
#[test]
fn a_nack_uses_up_no_return() {
    let mut confirms = confirms(&[b"x", b"x"]);
    assert_eq!(confirms.returned(identity(b"x")), 2);
    check(confirms.nack(1, false), &[(1, false)]);
    check(confirms.ack(2, false), &[(2, true)]);
    confirms.push(3, identity(b"x"), 3);
    assert_eq!(confirms.returned(identity(b"x")), 1);
    check(confirms.nack(3, false), &[(3, false)]);
    confirms.push(4, identity(b"x"), 4);
    check(confirms.ack(4, false), &[(4, false)]);
}

#[test]
fn changed_properties_count_for_all_that_it_may_have_been() {
    let message = |properties: &[u8], key: &[u8]| Identity::of(b"e", key, properties, b"body");
    let mut confirms = Confirms::new();
    confirms.push(1, message(b"1", b"k"), 1);
    confirms.push(2, message(b"2", b"k"), 2);
    confirms.push(3, message(b"1", b"other"), 3);
    assert_eq!(confirms.returned(message(b"changed", b"k")), 2);
    // The second one came back as well: there is nobody else it may have been.
    assert_eq!(confirms.returned(message(b"changed", b"k")), 2);
    check(confirms.ack(0, true), &[(1, true), (2, true), (3, false)]);
    confirms.push(4, message(b"1", b"k"), 4);
    confirms.push(5, message(b"1", b"k"), 5);
    assert_eq!(confirms.returned(message(b"changed", b"k")), 2);
    check(confirms.ack(0, true), &[(4, true), (5, false)]);
    confirms.push(6, message(b"1", b"k"), 6);
    assert_eq!(confirms.returned(Identity::of(b"e", b"k", b"1", b"changed")), 1);
    assert_eq!(confirms.returned(message(b"1", b"nowhere")), 0);
    check(confirms.ack(6, false), &[(6, true)]);
}

#[test]
fn no_properties_are_the_same_as_an_empty_list() {
    assert_eq!(Identity::of(b"", b"k", b"", b"b"), Identity::of(b"", b"k", &[0, 0], b"b"));
    assert_ne!(Identity::of(b"a", b"b", b"", b""), Identity::of(b"", b"ab", b"", b""));
    assert_ne!(Identity::of(b"", b"", b"", b""), Identity::of(b"", b"", b"", &[0]));
}

#[test]
fn settled_messages_take_no_room_behind_one_that_is_not() {
    let mut confirms = Confirms::new();
    confirms.push(1, identity(b""), 1);
    for seq in 2..100_000 {
        confirms.push(seq, identity(b""), seq);
        check(confirms.ack(seq, false), &[(seq, false)]);
        assert!(confirms.entries.len() < 64);
    }
    check(confirms.ack(0, true), &[(1, false)]);
}

/// What happens to a model broker.
#[derive(Clone, Debug)]
enum Step {
    /// Publishes one of a few messages, so that many are identical, and whether there is a route.
    Publish { message: u8, routed: bool },
    /// Acks or nacks one of the unconfirmed, or all up to it.
    Settle { at: prop::sample::Index, multiple: bool, nack: bool },
    /// The broker says what it has not said yet about messages without a route, and may change
    /// their properties.
    Return { changed: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8, any::<bool>()).prop_map(|(message, routed)| Step::Publish { message, routed }),
        3 => (any::<prop::sample::Index>(), prop::bool::weighted(0.3), prop::bool::weighted(0.2))
            .prop_map(|(at, multiple, nack)| Step::Settle { at, multiple, nack }),
        2 => prop::bool::weighted(0.2).prop_map(|changed| Step::Return { changed }),
    ]
}

/// Two bodies with three sorts of properties each.
fn published(message: u8) -> Identity {
    Identity::of(b"e", b"k", &[0, message % 3], &[message / 3])
}

#[derive(Clone, Copy)]
struct Published {
    seq: u64,
    message: u8,
    /// Has no route, and whether the return went out.
    unrouted: Option<bool>,
}

#[derive(Default)]
struct Broker {
    unconfirmed: Vec<Published>,
    next: u64,
    /// By message: copies that reached a queue, and copies that the publisher takes for safe.
    /// Identical messages are interchangeable, so that only the counts matter.
    routed: [i64; 6],
    safe: [i64; 6],
}

impl Broker {
    fn step(&mut self, step: Step, confirms: &mut Confirms<(u64, u8)>) {
        match step {
            Step::Publish { message, routed } => {
                self.next += 1;
                let seq = self.next;
                confirms.push(seq, published(message), (seq, message));
                let unrouted = (!routed).then_some(false);
                self.unconfirmed.push(Published { seq, message, unrouted });
            }
            Step::Return { changed } => self.say_returns(u64::MAX, changed, confirms),
            Step::Settle { at, multiple, nack } if !self.unconfirmed.is_empty() => {
                let tag = self.unconfirmed[at.index(self.unconfirmed.len())].seq;
                self.say_returns(tag, false, confirms);
                self.settle(tag, multiple, nack, confirms);
            }
            Step::Settle { .. } => {}
        }
    }

    /// Returns go out in the order of publishing, and before the ack.
    fn say_returns(&mut self, to: u64, changed: bool, confirms: &mut Confirms<(u64, u8)>) {
        for one in self.unconfirmed.iter_mut().filter(|one| one.seq <= to) {
            if one.unrouted == Some(false) {
                one.unrouted = Some(true);
                let came_back = match changed {
                    true => Identity::of(b"e", b"k", b"changed", &[one.message / 3]),
                    false => published(one.message),
                };
                assert_ne!(confirms.returned(came_back), 0, "{} is unconfirmed", one.seq);
            }
        }
    }

    fn settle(&mut self, tag: u64, multiple: bool, nack: bool, confirms: &mut Confirms<(u64, u8)>) {
        let hit = |one: &Published| one.seq == tag || (multiple && one.seq < tag);
        let expected: Vec<Published> =
            self.unconfirmed.iter().filter(|o| hit(o)).copied().collect();
        self.unconfirmed.retain(|one| !hit(one));
        let settled: Vec<_> = match nack {
            true => confirms.nack(tag, multiple).collect(),
            false => confirms.ack(tag, multiple).collect(),
        };
        assert_eq!(settled.len(), expected.len());
        for (one, ((seq, message), returned)) in expected.iter().zip(settled) {
            assert_eq!((one.seq, one.message), (seq, message));
            let message = usize::from(message);
            self.routed[message] += i64::from(!nack && one.unrouted.is_none());
            self.safe[message] += i64::from(!nack && !returned);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn nothing_that_came_back_counts_as_safe(steps in prop::collection::vec(step(), 0..120)) {
        let mut confirms = Confirms::new();
        let mut broker = Broker::default();
        for step in steps {
            broker.step(step, &mut confirms);
            prop_assert_eq!(confirms.len(), broker.unconfirmed.len());
            let pending: usize = confirms.pending.iter().map(|(_, count)| count).sum();
            prop_assert!(pending <= confirms.len());
            prop_assert!(confirms.entries.len() <= 2 * confirms.len() + 33);
            for message in 0..6 {
                prop_assert!(broker.safe[message] <= broker.routed[message]);
            }
        }
        broker.say_returns(u64::MAX, false, &mut confirms);
        broker.settle(u64::MAX, true, false, &mut confirms);
        for message in 0..6 {
            prop_assert!(broker.safe[message] <= broker.routed[message]);
        }
        prop_assert!(confirms.is_empty());
        prop_assert!(confirms.pending.is_empty() && confirms.entries.is_empty());
    }

    #[test]
    fn nothing_is_repeated_without_need(
        steps in prop::collection::vec(step().prop_filter_map("exact and acked", |step| match step {
            Step::Settle { at, multiple, .. } => Some(Step::Settle { at, multiple, nack: false }),
            Step::Return { .. } => Some(Step::Return { changed: false }),
            publish => Some(publish),
        }), 0..120),
    ) {
        let mut confirms = Confirms::new();
        let mut broker = Broker::default();
        for step in steps {
            broker.step(step, &mut confirms);
        }
        broker.say_returns(u64::MAX, false, &mut confirms);
        broker.settle(u64::MAX, true, false, &mut confirms);
        prop_assert_eq!(broker.safe, broker.routed);
    }
}
