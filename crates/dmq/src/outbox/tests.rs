//! Order, bounds and the tables' way, against a plain account of what is under way.

use proptest::prelude::*;

use super::*;
use crate::htable::{Limits, Tables};

const BOUNDS: Bounds = Bounds { busy_max: 2, waiting_max: 5 };

fn item(lane: u64, number: u64) -> Item {
    Item { cargo: Cargo::Request(number.to_be_bytes().to_vec().into()), lane, batch: Some(number) }
}

fn next(outbox: &mut Outbox) -> Option<(u64, u64)> {
    let item = outbox.next(BOUNDS, |_| None)?;
    Some((item.lane, item.batch.expect("an item of the test")))
}

#[test]
fn what_is_of_one_lane_goes_one_after_the_other_and_others_overtake_it() {
    let mut outbox = Outbox::default();
    for (number, lane) in [1, 1, 2, 3].into_iter().enumerate() {
        outbox.push(item(lane, number as u64), BOUNDS).unwrap();
    }
    assert_eq!(next(&mut outbox), Some((1, 0)));
    assert_eq!(next(&mut outbox), Some((2, 2)));
    assert_eq!(next(&mut outbox), None, "two are under way");
    outbox.done(Kind::Other, 2);
    assert_eq!(next(&mut outbox), Some((3, 3)));
    outbox.done(Kind::Other, 3);
    assert_eq!(next(&mut outbox), None, "lane 1 is still under way");
    outbox.done(Kind::Other, 1);
    assert_eq!(next(&mut outbox), Some((1, 1)));
    assert_eq!((outbox.waiting(), outbox.busy()), (0, 1));
}

#[test]
fn what_does_not_fit_comes_back_and_what_waits_can_be_given_up() {
    let mut outbox = Outbox::default();
    for number in 0..5 {
        outbox.push(item(number, number), BOUNDS).unwrap();
    }
    assert_eq!(outbox.push(item(9, 9), BOUNDS).unwrap_err().batch, Some(9));
    assert_eq!(next(&mut outbox), Some((0, 0)));
    let given_up: Vec<_> = outbox.clear().map(|item| item.batch).collect();
    assert_eq!(given_up, [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!((outbox.waiting(), outbox.busy()), (0, 1));
}

#[test]
fn tables_go_alone() {
    let limits =
        Limits { names: vec!["*".into()], bytes_max: 1 << 20, tables_max: 4, cell_bytes_max: 1000 };
    let tables = Tables::new(&limits).unwrap();
    let cells = |sync: &mut Sync| sync.body(&tables, 0);
    let mut outbox = Outbox::default();
    outbox.push(item(1, 1), BOUNDS).unwrap();
    outbox.push(item(2, 2), BOUNDS).unwrap();
    assert_eq!(outbox.next(BOUNDS, cells).unwrap().batch, Some(1));
    outbox.start_sync(Sync::new(None, 500));
    assert!(outbox.next(BOUNDS, cells).is_none(), "what is under way ends first");
    outbox.done(Kind::Other, 1);
    let part = outbox.next(BOUNDS, cells).unwrap();
    assert!(matches!(&part.cargo, Cargo::Cells(body) if body == br#"{"cells":[]}"#));
    assert!(outbox.next(BOUNDS, cells).is_none(), "nothing overtakes the tables");
    assert_eq!(outbox.busy(), 1);
    outbox.done(Kind::Cells, 0);
    assert_eq!(outbox.next(BOUNDS, cells).unwrap().batch, Some(2));
}

proptest! {
    #[test]
    fn no_lane_is_under_way_twice_and_none_loses_its_order(
        steps in prop::collection::vec((0..6_u64, any::<bool>()), 1..200)
    ) {
        let mut outbox = Outbox::default();
        let mut busy: Vec<(u64, u64)> = Vec::new();
        let mut last = [0_u64; 6];
        let mut waiting = 0;
        for (number, (lane, push)) in (1..).zip(steps) {
            if push {
                match outbox.push(item(lane, number), BOUNDS) {
                    Ok(()) => waiting += 1,
                    Err(_) => prop_assert_eq!(waiting, BOUNDS.waiting_max),
                }
            } else if !busy.is_empty() {
                let (lane, _) = busy.remove(lane as usize % busy.len());
                outbox.done(Kind::Other, lane);
            }
            while let Some((lane, number)) = next(&mut outbox) {
                waiting -= 1;
                prop_assert!(busy.iter().all(|(other, _)| *other != lane));
                prop_assert!(last[lane as usize] < number);
                last[lane as usize] = number;
                busy.push((lane, number));
            }
            prop_assert!(busy.len() <= BOUNDS.busy_max);
            prop_assert_eq!((outbox.waiting(), outbox.busy()), (waiting, busy.len()));
            // Whoever waits waits for a reason.
            prop_assert!(waiting == 0 || !busy.is_empty());
        }
    }
}
