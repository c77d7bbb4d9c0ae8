//! What survives a restart, and what does not.

use broker::{Broker, RecoverError};
use store::Recovered;

use crate::rig::Rig;

const EVERYTHING: &str = "exchange d direct durable alternate-exchange=f nonsense=1
     exchange f fanout durable auto-delete
     exchange h headers durable internal
     exchange t topic
     queue q durable x-max-priority=5 x-message-ttl=100000 => q 0 0
     queue r durable auto-delete                           => r 0 0
     queue u                                               => u 0 0
     queue e durable exclusive                             => e 0 0
     bind q d key a=1 b=two
     bind q d ''
     bind q t #
     bind u d key
     bind r f ''
     xbind h d other
     bind q h '' x-match=any z=1
     publish '' q low persistent                           => q
     publish '' q high persistent priority=9               => q
     publish '' q gone                                     => q
     publish '' u gone                                     => u";

#[track_caller]
fn survives(how: &str) {
    let mut rig = Rig::new();
    rig.check(EVERYTHING);
    rig.check(how);
    rig.check(
        "exchanges              => d:direct f:fanout h:headers
         queues                 => q r
         bindings               => d-->q d-key->q d-other->h f-->r h-->q
         exchange d direct durable alternate-exchange=f
         exchange h headers durable internal
         queue q durable x-max-priority=5 x-message-ttl=100000 => q 2 0
         queue r durable auto-delete => r 0 0
         publish d key m        => q
         publish d other m h.z=1 => q
         publish d none m       => r
         unbind q d key b=two a=1
         publish d key m        => r
         exchanges              => d:direct f:fanout h:headers",
    );
    let got = rig.run("get q");
    assert!(got.starts_with("high /q"), "{got}");
    rig.check(&format!("{how}\n exchanges => d:direct f:fanout h:headers\n bindings => d-->q d-other->h f-->r h-->q"));
}

#[test]
fn durable_things_survive_a_clean_stop() {
    survives("restart");
}

#[test]
fn durable_things_survive_a_crash() {
    survives("crash");
}

#[test]
fn what_was_deleted_stays_deleted() {
    for how in ["restart", "crash"] {
        let mut rig = Rig::new();
        rig.check(EVERYTHING);
        rig.check(
            "delete-queue r         => 0
             delete-queue q         => 3
             queue q durable        => q 0 0
             delete-exchange h",
        );
        rig.check(how);
        rig.check(
            "exchanges              => d:direct
             queues                 => q
             bindings               =>
             queue q durable        => q 0 0",
        );
    }
}

#[test]
fn an_expired_or_auto_deleted_queue_does_not_come_back() {
    let mut rig = Rig::new();
    rig.check(
        "queue a durable auto-delete    => a 0 0
         queue b durable x-expires=10   => b 0 0
         consume a c
         cancel a c
         at 1000010
         crash
         queues                         => ",
    );
}

#[test]
fn users_and_permissions_survive() {
    let mut rig = Rig::new();
    let store = rig.store.as_mut().expect("open");
    let broker = &mut rig.broker;
    broker.add_vhost(store, "v").expect("adds");
    broker.add_user(store, "bob", b"secret", vec!["monitoring".to_owned()]).expect("adds");
    broker.add_user(store, "eve", b"secret", vec![]).expect("adds");
    broker.set_permissions(store, "bob", "v", ["^a", "", ".*"]).expect("sets");
    broker.set_permissions(store, "bob", "/", ["", "", ""]).expect("sets");
    broker.clear_permissions(store, "bob", "/").expect("clears");
    broker.change_password(store, "bob", b"new").expect("changes");
    broker.delete_user(store, "eve").expect("deletes");
    broker.delete_user(store, "guest").expect("deletes");
    for how in ["crash", "restart", "crash"] {
        rig.check(how);
        let broker = &rig.broker;
        let users: Vec<_> = broker.users().map(|user| &*user.name).collect();
        assert_eq!(users, ["bob"]);
        assert!(broker.authenticate("bob", b"new", false).is_ok());
        assert!(broker.open_vhost("bob", "v").is_ok());
        assert!(broker.open_vhost("bob", "/").is_err());
        let user = broker.users().next().expect("bob");
        let permissions = &user.permissions["v"];
        let patterns = [&permissions.configure, &permissions.write, &permissions.read];
        assert_eq!(patterns.map(|pattern| pattern.as_str()), ["^a", "", ".*"]);
        assert_eq!(user.tags, ["monitoring"]);
    }
}

#[test]
fn replaying_the_log_again_changes_nothing() {
    let mut rig = Rig::new();
    rig.check(EVERYTHING);
    let once = rig.broker.topology();
    let mut sorted = once.clone();
    sorted.sort();
    let twice = Recovered { topology: [once.clone(), once].concat(), ..Recovered::default() };
    let lanes = rig.broker.queues().flat_map(|queue| queue.lanes().collect::<Vec<_>>());
    let lanes: Vec<_> = lanes
        .map(|(_, lane)| store::RecoveredLane { lane, next_seq: 0, mark: 0, live: 0 })
        .collect();
    let recovered = Recovered { lanes, ..twice };
    let mut again =
        Broker::recover(&recovered, rig.store(), [9; 32], 0).expect("recovers").topology();
    again.sort();
    assert_eq!(again, sorted);
}

#[test]
fn records_that_cannot_be_understood_are_refused() {
    let mut rig = Rig::new();
    let mut recover = |topology: Vec<Vec<u8>>| {
        let recovered = Recovered { topology, ..Recovered::default() };
        Broker::recover(&recovered, rig.store(), [9; 32], 0).err().expect("refused")
    };
    // {"stream": {}}
    let newer = [&[0x81, 0xa6], &b"stream"[..], &[0x80]].concat();
    assert_eq!(recover(vec![newer]), RecoverError::Newer("stream".to_owned()));
    let error = recover(vec![vec![0xc1]]);
    assert!(matches!(error, RecoverError::Damaged { index: 0, .. }), "{error}");
    // {"vhost": {}}: a field is missing.
    let partial = [&[0x81, 0xa5], &b"vhost"[..], &[0x80]].concat();
    let error = recover(vec![partial]);
    assert!(matches!(error, RecoverError::Damaged { index: 0, .. }), "{error}");
}

#[test]
fn a_queue_without_its_lane_is_not_silently_empty() {
    let mut rig = Rig::new();
    rig.check("queue q durable => q 0 0");
    let recovered = Recovered { topology: rig.broker.topology(), ..Recovered::default() };
    let error = Broker::recover(&recovered, rig.store(), [9; 32], 0).err().expect("refused");
    assert!(matches!(error, RecoverError::NoLane { queue, .. } if queue == "q"));
}
