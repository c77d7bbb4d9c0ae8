//! The wall clock jumps; the delayer goes by it, and loses nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::world::{Place, World, at};
use crate::server::now_ms;

stories! {
    everywhere: [],
    stores: [a_clock_that_jumps_forward_makes_messages_due],
    brokers: [],
    disks: [],
    home: [
        a_clock_that_jumps_back_makes_messages_wait,
        the_clock_of_the_delayer_decides,
        x_delay_goes_by_the_clock_of_the_delayer
    ],
}

const HOUR: Duration = Duration::from_secs(3600);

/// Debian's libfaketime, whatever the machine.
fn library() -> PathBuf {
    let dirs = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    let path = dirs.map(|dir| dir.path().join("faketime/libfaketime.so.1"));
    path.into_iter().find(|path| path.exists()).expect("needs the Debian package libfaketime")
}

/// A clock of its own for the delayer, which is `offset` ahead of ours.
fn with_clock(w: &mut World, offset: &str) {
    set_clock(w, offset);
    w.delayer.set_variable("LD_PRELOAD", library().display());
    w.delayer.set_variable("FAKETIME_TIMESTAMP_FILE", clock_file(w).display());
    w.delayer.set_variable("FAKETIME_DONT_FAKE_MONOTONIC", 1);
    w.delayer.set_variable("FAKETIME_NO_CACHE", 1);
    w.delayer.launch();
}

fn clock_file(w: &World) -> PathBuf {
    w.delayer.storage().with_file_name("clock")
}

/// From now on the clock is this much ahead, such as `+3600` seconds.
fn set_clock(w: &World, offset: &str) {
    // By a rename, so that nobody reads half of it.
    let new = clock_file(w).with_extension("new");
    std::fs::write(&new, format!("{offset}\n")).unwrap();
    std::fs::rename(new, clock_file(w)).unwrap();
}

fn a_clock_that_jumps_forward_makes_messages_due(place: Place) {
    let mut w = at(place).prepare();
    with_clock(&mut w, "+0");
    let from = now_ms() + 3_600_000;
    let messages = (0..20_u64).map(|n| w.message(n.to_string()).due_at(from + n));
    let parcels: Vec<_> =
        w.publish_all(messages).into_iter().map(|parcel| parcel.due_at(0)).collect();
    let later = w.publish(w.message("later").due_in(3 * HOUR));
    w.expect_held(21);
    w.expect_nothing();
    set_clock(&w, "+3660");
    w.expect_in_order(&parcels);
    w.expect_held(1);
    w.expect_nothing();
    set_clock(&w, "+20000");
    w.expect(&later.due_at(0));
}

fn a_clock_that_jumps_back_makes_messages_wait(place: Place) {
    let mut w = at(place).prepare();
    with_clock(&mut w, "+3600");
    // Due in 2 s by the delayer's clock, which then goes back by 3.
    let ours = now_ms() + 2000;
    let parcel = w.publish(w.message("m").due_at(ours + 3_600_000)).due_at(ours + 3000);
    w.expect_held(1);
    set_clock(&w, "+3597");
    w.expect(&parcel);
    // Back by hours: nothing is lost, and new messages work by the new clock.
    let parcel = w.publish(w.message("far").due_in(HOUR)).due_at(0);
    w.expect_held(1);
    set_clock(&w, "-36000");
    w.delayer.restart();
    w.expect_held(1);
    let soon = now_ms() + 600;
    let other = w.publish(w.message("soon").due_at(soon - 36_000_000)).due_at(soon);
    w.expect(&other);
    w.expect_held(1);
    set_clock(&w, "+7200");
    w.expect(&parcel);
}

fn the_clock_of_the_delayer_decides(place: Place) {
    let mut w = at(place).prepare();
    with_clock(&mut w, "-3");
    let from = now_ms();
    let parcel = w.publish(w.message("m").due_at(from + 300)).due_at(from + 3300);
    w.expect(&parcel);
    let from = now_ms();
    // Long past for us, not for the delayer.
    let past = w.publish(w.message("past").due_at(from - 1000)).due_at(from + 2000);
    w.expect(&past);
}

fn x_delay_goes_by_the_clock_of_the_delayer(place: Place) {
    let mut w = at(place).option("due-sources", "x-delay").prepare();
    with_clock(&mut w, "+1000000");
    let from = now_ms();
    w.publish(w.message("m").header("x-delay", 400));
    let delivery = w.sink.delivery();
    assert_eq!(delivery.text(), "m");
    assert!(now_ms() >= from + 400);
}
