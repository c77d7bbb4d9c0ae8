//! The order, and that nothing stands here twice.

use super::{Deadlines, NEVER};

#[test]
fn things_come_in_the_order_of_their_times_and_each_once() {
    let mut deadlines = Deadlines::default();
    let mut noted = [NEVER; 3];
    for (id, time) in [(0, 30), (1, 20), (2, 40), (0, 50), (2, 10)] {
        deadlines.note(id, &mut noted[id], time);
    }
    assert_eq!(noted, [30, 20, 10]);
    assert_eq!(deadlines.first(), Some(10));
    deadlines.forget(1, noted[1]);
    assert_eq!(deadlines.take(9), None);
    assert_eq!((deadlines.take(30), deadlines.take(30)), (Some(2), Some(0)));
    assert_eq!((deadlines.take(NEVER), deadlines.first()), (None, None));
}

/// A queue with a TTL that also has something to do at once, again and again.
#[test]
fn what_is_noted_for_earlier_and_later_in_turns_takes_no_more_room() {
    let mut deadlines = Deadlines::default();
    let mut noted = NEVER;
    for time in 0..1000 {
        deadlines.note((), &mut noted, 10_000);
        deadlines.note((), &mut noted, time);
        assert_eq!(deadlines.take(time), Some(()));
        noted = NEVER;
    }
    assert_eq!(deadlines.0.len(), 0);
    deadlines.note((), &mut noted, 10_000);
    assert_eq!(deadlines.0.len(), 1);
}
