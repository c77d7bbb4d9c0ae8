//! A storage that is full stops reading and nothing else; one that fails ends the process.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::parcel::{Parcel, Sorted};
use super::world::{Place, StoreKind, World, at};
use crate::client::message::Message;
use crate::server::{eventually, now_ms};

stories! {
    everywhere: [],
    stores: [],
    brokers: [],
    disks: [
        a_full_map_stops_reading_until_there_is_room,
        a_full_disk_stops_reading_until_there_is_room,
        a_failing_disk_ends_the_process,
        a_failing_sync_ends_the_process,
        two_delayers_cannot_share_a_directory
    ],
    home: [a_larger_map_makes_room, a_full_storage_outlives_its_connection],
}

const HOUR: Duration = Duration::from_secs(3600);

/// Waits until reading has stopped because the storage is full, and says so everywhere.
fn expect_full(w: &World) {
    eventually("the storage is full", || w.delayer.metric("amqpdelayer_storage_full") == 1.0);
    w.delayer.expect_log(&["WARN", "full", "storage-mapsize"]);
    let health = w.delayer.expect_health(503);
    assert!(health.contains("storage_full"), "{health}");
}

/// Releases what is held, time after time, until everything has come: each message makes room for
/// one that waits in the queue.
#[track_caller]
fn release_all(w: &World, parcels: &[Parcel]) {
    let mut sorted = Sorted::new(parcels);
    while sorted.missing() > 0 {
        let before = sorted.missing();
        eventually("more has come", || {
            w.delayer.http("POST", "/api/messages/release?message_id=full", "");
            w.sink.arrived().iter().for_each(|event| sorted.check_event(event));
            sorted.missing() < before
        });
    }
    assert_eq!(sorted.duplicates(), 0);
    w.delayer.expect_metric("amqpdelayer_storage_full", 0.0);
    w.delayer.expect_health(200);
    w.delayer.expect_idle();
}

/// Publishes messages that are due in an hour.
fn publish(w: &World, bodies: impl IntoIterator<Item = String>) -> Vec<Parcel> {
    let messages = bodies.into_iter().map(|body| w.message(body).id("full").due_in(HOUR));
    let parcels = w.publish_all(messages.collect::<Vec<Message>>());
    parcels.into_iter().map(|parcel| parcel.due_at(0)).collect()
}

fn a_full_map_stops_reading_until_there_is_room(place: Place) {
    // The default store keeps bodies elsewhere: its map holds many more messages.
    let Place(_, store) = place;
    let (mapsize, count, filler) =
        if store == StoreKind::Lmdb { ("4MiB", 600, 4000) } else { ("1MiB", 20_000, 1) };
    let mut w = at(place)
        .option("storage-mapsize", mapsize)
        .option("storage-groupsize", 20)
        .option("rabbitmq-qos", 80)
        .start();
    let filler = "x".repeat(filler);
    let due_ms = now_ms() + 9000;
    let messages = (0..count).map(|n| w.message(format!("{n} {filler}")).due_at(due_ms));
    let parcels = w.publish_all(messages.collect::<Vec<Message>>());
    expect_full(&w);
    let held = w.delayer.metric("amqpdelayer_held_messages");
    assert!(held >= f64::from(count) / 20.0, "only {held} fit");
    // What is stored and not yet acknowledged at a crash would come twice.
    eventually("what is stored is acknowledged", || {
        let [received, held, unacked] = ["received_total", "held_messages", "unacked_messages"]
            .map(|name| w.delayer.metric(&format!("amqpdelayer_{name}")));
        received == held + unacked
    });
    // A start on a full storage is one as well.
    w.delayer.crash();
    expect_full(&w);
    assert!(now_ms() < due_ms, "the machine is too slow for this story");
    // What is due goes out, which makes room for the others, all by itself.
    assert_eq!(w.expect_at_least(&parcels), 0);
    w.delayer.expect_metric("amqpdelayer_storage_full", 0.0);
    w.delayer.expect_health(200);
}

fn a_full_storage_outlives_its_connection(place: Place) {
    let w = at(place).proxied().option("storage-mapsize", "1MiB").start();
    let due_ms = now_ms() + 6000;
    let messages = (0..20_000).map(|n| w.message(n.to_string()).due_at(due_ms));
    let parcels = w.publish_all(messages.collect::<Vec<Message>>());
    expect_full(&w);
    // The group that had no room goes with the connection that brought it.
    w.proxy().cut();
    expect_full(&w);
    assert!(now_ms() < due_ms, "the machine is too slow for this story");
    w.expect_at_least(&parcels);
    w.delayer.expect_metric("amqpdelayer_storage_full", 0.0);
}

fn a_larger_map_makes_room(place: Place) {
    let mut w = at(place).option("storage-mapsize", "1MiB").option("rabbitmq-qos", 500).start();
    let messages: Vec<Message> =
        (0..20_000).map(|n| w.message(n.to_string()).due_in(Duration::from_secs(3600))).collect();
    w.publish_all(messages);
    expect_full(&w);
    w.delayer.stop();
    w.delayer.set("storage-mapsize", "256MiB");
    w.delayer.launch();
    w.expect_held(20_000);
    w.delayer.expect_health(200);
}

/// A disk of its own for the process and for nobody else: it goes with it.
fn on_small_disk(w: &mut World, size: &str) {
    let storage = w.delayer.storage();
    std::fs::create_dir_all(&storage).unwrap();
    let mount = format!("mount -t tmpfs -o size={size} small {} && exec \"$@\"", storage.display());
    let unshare: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["unshare", "--mount"],
        false => &["unshare", "--mount", "--map-root-user"],
    };
    let shell = ["sh", "-c", &mount, "sh"];
    w.delayer.run_under(unshare.iter().chain(&shell).map(|word| (*word).to_owned()));
}

fn a_full_disk_stops_reading_until_there_is_room(place: Place) {
    let mut w = at(place).option("rabbitmq-qos", 100).option("storage-groupsize", 20).prepare();
    on_small_disk(&mut w, "64m");
    w.delayer.launch();
    // 80 MB on a disk of 64 MiB.
    let filler = "x".repeat(100_000);
    let parcels = publish(&w, (0..800).map(|n| format!("{n} {filler}")));
    expect_full(&w);
    release_all(&w, &parcels);
}

fn a_failing_disk_ends_the_process(place: Place) {
    let mut w = at(place).option("rabbitmq-qos", 200).option("storage-groupsize", 20).prepare();
    // Writes behind the limit fail as on a broken disk, and not by a signal.
    w.delayer.run_under(["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"].map(str::to_owned));
    w.delayer.launch();
    let due_ms = now_ms() + 4000;
    let filler = "x".repeat(50_000);
    let messages = |from: u32| {
        let messages = (from..from + 50).map(|n| w.message(format!("{n} {filler}")).due_at(due_ms));
        messages.collect::<Vec<Message>>()
    };
    let mut parcels = w.publish_all(messages(0));
    w.expect_held(50);
    let pid = Pid::from_raw(w.delayer.pid() as i32).unwrap();
    let limit = Some(1 << 20);
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: limit, maximum: limit }).unwrap();
    parcels.extend(w.publish_all(messages(50)));
    let status = w.delayer.ended();
    assert_eq!(status.code(), Some(74), "{}", w.delayer.stderr());
    let said = w.delayer.stderr();
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains("storage") && last.contains("start again"), "{last}");
    w.delayer.launch();
    let parcels: Vec<Parcel> = parcels.into_iter().map(|parcel| parcel.due_at(0)).collect();
    w.expect_at_least(&parcels);
}

fn a_failing_sync_ends_the_process(place: Place) {
    // A group of its own for each message or two.
    let mut w = at(place).option("storage-groupsize", 1).option("rabbitmq-qos", 2).prepare();
    // The tracer is a process of its own and ends with the traced one, which keeps its number.
    let strace = "strace -D -f -qq -o /dev/null -e trace=fdatasync,fsync,msync \
                  -e inject=fdatasync,fsync,msync:error=EIO:when=12+";
    w.delayer.run_under(strace.split_whitespace().map(str::to_owned));
    w.delayer.launch();
    let from = now_ms() + 3000;
    let parcels = w.publish_all((0..60).map(|n| w.message(n.to_string()).due_at(from + n)));
    let status = w.delayer.ended();
    assert_eq!(status.code(), Some(74), "{}", w.delayer.stderr());
    let said = w.delayer.stderr();
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains("storage") && last.contains("start again"), "{last}");
    w.delayer.run_under([]);
    w.delayer.launch();
    let duplicates = w.expect_at_least(&parcels);
    assert!(duplicates <= 2, "{duplicates} came twice");
}

fn two_delayers_cannot_share_a_directory(place: Place) {
    let w = at(place).start();
    let output: std::process::Output = {
        let mut second: Command = w.delayer.command();
        second.output().unwrap()
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains(&w.delayer.pid().to_string()), "{said}");
    assert!(said.contains(&w.delayer.storage().display().to_string()), "{said}");
    // The first one does not mind.
    let parcel = w.publish(w.message("m").due_in(Duration::from_millis(300)));
    w.expect(&parcel);
}
