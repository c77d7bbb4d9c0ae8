//! What is not seen from outside: memory. The rest is in `queue/tests`.

use store::LaneId;

use super::{RETURNED_KEPT, Ready};

#[test]
fn giving_back_one_after_the_other_allocates_once_and_many_leave_nothing() {
    let mut ready = Ready::new(0, LaneId(1));
    let capacity_after = |ready: &mut Ready, messages: u64| {
        (0..messages).for_each(|seq| ready.give_back(0, seq));
        (0..messages).for_each(|_| ready.forget_returned());
        ready.returned.capacity()
    };
    let kept = capacity_after(&mut ready, 1);
    assert!((1..=RETURNED_KEPT).contains(&kept), "{kept}");
    assert_eq!(capacity_after(&mut ready, 1), kept);
    assert_eq!(capacity_after(&mut ready, 1000), 0);
}
