//! A crash may end the log at any frame of it: whatever was deleted half, the broker starts.

use broker::Session;

use crate::rig::{Rig, session};

/// So many that the records of their deletion fill more than a frame.
const EXCHANGES: u32 = 100;
const CHUNK_BYTES: usize = 4 << 10;
const ENDS: usize = 8;

/// Calls `look` with the broker that a start finds at places where the log may end in what `work` writes.
fn at_each_end(rig: &mut Rig, work: impl FnOnce(&mut Rig), look: impl Fn(Rig)) {
    let mut before = rig.files();
    work(rig);
    let after = rig.files();
    let mut longest = 0;
    for (path, new) in &after {
        let old = before.entry(path.clone()).or_default();
        old.resize(new.len(), 0);
        let differs = |at: &usize| old[*at] != new[*at];
        let Some(first) = (0..new.len()).find(differs) else { continue };
        let last = (0..new.len()).rfind(differs).unwrap_or(first);
        longest = longest.max(last - first);
        for end in 0..=ENDS {
            let cut = first + (last + 1 - first) * end / ENDS;
            let mut files = after.clone();
            files.insert(path.clone(), [&new[..cut], &old[cut..]].concat());
            look(Rig::found(&files, CHUNK_BYTES));
        }
    }
    assert!(longest > CHUNK_BYTES, "more than a chunk was written, not {longest} bytes");
}

/// Delayed exchanges with a message each, which go when the queue `q` goes.
fn exchanges(rig: &mut Rig, who: &Session) {
    rig.run_as(who, "queue q durable");
    for number in 0..EXCHANGES {
        let name = format!("x{number}");
        let kind = "x-delayed-message durable auto-delete x-delayed-type=fanout";
        rig.run_as(who, &format!("exchange {name} {kind}"));
        rig.run_as(who, &format!("bind q {name} ''"));
        rig.run_as(who, &format!("publish {name} k m h.x-delay=1000"));
    }
}

/// Each exchange is there with what waits in it, or not at all.
fn whole(found: &Rig, vhost: &str) {
    let Some(there) = found.broker.vhost_named(vhost) else { return };
    for exchange in there.exchanges().filter(|exchange| exchange.spec.name.starts_with('x')) {
        assert_eq!(found.broker.delayed_in(vhost, &exchange.spec.name), Some(1));
    }
}

#[test]
fn a_delayed_exchange_is_there_with_what_waits_or_not_at_all() {
    let mut rig = Rig::of_chunks(CHUNK_BYTES);
    exchanges(&mut rig, &session(1, "guest"));
    at_each_end(&mut rig, |rig| rig.check("delete-queue q => 0"), |found| whole(&found, "/"));
}

#[test]
fn a_virtual_host_is_there_with_what_waits_or_not_at_all() {
    let mut rig = Rig::of_chunks(CHUNK_BYTES);
    let (broker, cx) = rig.parts();
    broker.add_vhost(cx.store, "v").expect("added");
    let who = Session::internal("v".into());
    exchanges(&mut rig, &who);
    for number in 0..EXCHANGES {
        // They wait for the virtual host, not for the queue.
        rig.run_as(&who, &format!("xbind amq.fanout x{number} ''"));
    }
    let delete = |rig: &mut Rig| {
        let (broker, mut cx) = rig.parts();
        broker.delete_vhost(&mut cx, "v").expect("deleted");
    };
    at_each_end(&mut rig, delete, |found| whole(&found, "v"));
}
