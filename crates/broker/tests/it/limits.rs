//! Limits, topic permissions, metadata and parameters: what they refuse, and that they come back after a restart.

use broker::AdminError;
use broker::parameter::{Parameter, VALUE_BYTES_MAX};
use broker::queue::args::QueueKind;
use broker::user::AuthError;
use broker::user::password::Hashing;
use broker::vhost::meta::{UserLimits, VhostLimits, VhostMeta, reached};

use crate::rig::Rig;

fn with_bob() -> Rig {
    let mut rig = Rig::new();
    let store = rig.store.as_mut().expect("open");
    rig.broker.add_user(store, "bob", b"secret", Vec::new()).expect("adds");
    rig.broker.set_permissions(store, "bob", "/", [".*", ".*", ".*"]).expect("valid");
    rig
}

fn limit_queues(rig: &mut Rig, max_queues: Option<i64>) {
    let limits = VhostLimits { max_queues, ..VhostLimits::default() };
    let store = rig.store.as_mut().expect("open");
    rig.broker.set_vhost_limits(store, "/", limits).expect("there");
}

#[test]
fn a_vhost_has_no_more_queues_than_it_may() {
    let reached = |queue: &str, limit: i64| {
        format!(
            "PRECONDITION_FAILED - cannot declare queue '{queue}': queue limit in vhost '/' ({limit}) is reached"
        )
    };
    let mut rig = Rig::new();
    limit_queues(&mut rig, Some(2));
    rig.check(
        "queue a durable            => a 0 0
         queue b exclusive          => b 0 0",
    );
    assert_eq!(rig.run("queue c"), reached("c", 2));
    assert_eq!(rig.run("queue c exclusive"), reached("c", 2));
    assert!(
        rig.run("queue ''").starts_with("PRECONDITION_FAILED - cannot declare queue 'amq.gen-")
    );
    rig.check(
        "queue a durable            => a 0 0
         queue a passive            => a 0 0
         delete-queue b             => 0
         queue c                    => c 0 0",
    );
    limit_queues(&mut rig, Some(0));
    assert_eq!(rig.run("queue d"), reached("d", 0));
    for none in [Some(-1), None] {
        limit_queues(&mut rig, none);
        let name = format!("queue d{none:?} => d{none:?} 0 0");
        rig.check(&name);
    }
    limit_queues(&mut rig, Some(1));
    rig.check("crash");
    assert_eq!(rig.run("queue e"), reached("e", 1));
}

#[test]
fn a_limit_is_reached_by_as_many_and_never_below_zero() {
    for (limit, count, refused) in [
        (None, 9, false),
        (Some(-1), 9, false),
        (Some(0), 0, true),
        (Some(2), 1, false),
        (Some(2), 2, true),
    ] {
        assert_eq!(reached(limit, count), limit.filter(|_| refused), "{limit:?} {count}");
    }
}

#[test]
fn topic_permissions_restrict_keys_at_topic_exchanges() {
    let refused = |access: &str, key: &str| {
        format!(
            "ACCESS_REFUSED - {access} access to topic '{key}' in exchange 't' in vhost '/' refused for user 'bob'"
        )
    };
    let mut rig = with_bob();
    let store = rig.store.as_mut().expect("open");
    rig.broker
        .set_topic_permissions(store, "bob", "/", "t", ["^{username}\\.", "^{vhost}r\\."])
        .expect("valid");
    rig.check(
        "exchange t topic durable
         exchange d direct
         queue q durable                            => q 0 0
         bind q t bob.#
         as 2:bob publish t bob.x m                 => q
         as 2:bob publish t bob.x m                 => q
         as 2:bob publish d any m                   => nowhere
         publish t any m                            => nowhere
         as 2:bob bind q t /r.x
         as 2:bob unbind q t /r.x
         as 2:bob bind q d any",
    );
    assert_eq!(rig.run("as 2:bob publish t eve.x m"), refused("write", "eve.x"));
    assert_eq!(rig.run("as 2:bob publish t eve.x m user-id=eve"), refused("write", "eve.x"));
    assert_eq!(rig.run("as 2:bob publish t bob.x m cc=eve.x"), refused("write", "eve.x"));
    assert_eq!(rig.run("as 2:bob bind q t x"), refused("read", "x"));
    assert_eq!(rig.run("as 2:bob unbind q t x"), refused("read", "x"));
    for how in ["restart", "crash"] {
        rig.check(how);
        assert_eq!(rig.run("as 2:bob publish t eve.x m"), refused("write", "eve.x"));
    }
    let store = rig.store.as_mut().expect("open");
    rig.broker.clear_topic_permissions(store, "bob", "/", Some("other")).expect("there");
    assert_eq!(rig.run("as 2:bob publish t eve.x m"), refused("write", "eve.x"));
    let store = rig.store.as_mut().expect("open");
    rig.broker.clear_topic_permissions(store, "bob", "/", None).expect("there");
    rig.check("as 2:bob publish t eve.x m => nowhere");
}

#[test]
fn a_running_channel_notices_topic_permissions() {
    let mut rig = with_bob();
    rig.check(
        "exchange t topic
         queue q                    => q 0 0
         bind q t #
         as 2:bob publish t k m     => q",
    );
    let store = rig.store.as_mut().expect("open");
    rig.broker.set_topic_permissions(store, "bob", "/", "t", ["^$", "^$"]).expect("valid");
    assert!(
        rig.run("as 2:bob publish t k m").starts_with("ACCESS_REFUSED - write access to topic 'k'")
    );
}

#[test]
fn what_is_said_of_vhosts_and_users_comes_back() {
    let mut rig = with_bob();
    let meta = VhostMeta {
        description: "orders".to_owned(),
        tags: vec!["a".to_owned(), "b".to_owned()],
        default_queue_type: Some(QueueKind::Quorum),
        protected: true,
    };
    let limits = VhostLimits { max_connections: Some(3), max_queues: Some(-1) };
    let user_limits = UserLimits { max_connections: Some(1), max_channels: Some(2) };
    let store = rig.store.as_mut().expect("open");
    rig.broker.add_vhost_with(store, "v", meta.clone()).expect("adds");
    rig.broker.set_vhost_limits(store, "v", limits).expect("there");
    rig.broker.set_user_limits(store, "bob", user_limits).expect("there");
    rig.broker.set_password_hash(store, "bob", "abc", Hashing::Sha512).expect("there");
    rig.broker.set_parameter(store, Some("v"), "shovel", "s", "{\"a\":1}").expect("there");
    rig.broker.set_parameter(store, None, "", "cluster_name", "\"c\"").expect("there");
    rig.broker.set_parameter(store, None, "", "gone", "1").expect("there");
    rig.broker.clear_parameter(store, None, "", "gone").expect("there");
    for how in ["restart", "crash"] {
        rig.check(how);
        let vhost = rig.broker.vhosts().find(|vhost| &*vhost.name == "v").expect("there");
        assert_eq!((&vhost.meta, vhost.limits), (&meta, limits));
        let bob = rig.broker.users().find(|user| &*user.name == "bob").expect("there");
        assert_eq!(
            (bob.limits, bob.hashing, &*bob.password_hash),
            (user_limits, Hashing::Sha512, "abc")
        );
        let parameters: Vec<_> = rig.broker.parameters().collect();
        let global = Parameter { vhost: None, component: "", name: "cluster_name", value: "\"c\"" };
        let own =
            Parameter { vhost: Some("v"), component: "shovel", name: "s", value: "{\"a\":1}" };
        assert_eq!(parameters, [global, own]);
    }
    let (broker, mut cx) = rig.parts();
    assert_eq!(broker.delete_vhost(&mut cx, "v"), Err(AdminError::Protected("v".to_owned())));
    broker.set_vhost_meta(cx.store, "v", VhostMeta::default()).expect("there");
    broker.delete_vhost(&mut cx, "v").expect("deletes");
    assert_eq!(rig.broker.parameters().count(), 1);
    rig.check("crash");
    assert_eq!(rig.broker.parameters().count(), 1);
}

#[test]
fn nobody_logs_in_without_a_password() {
    let mut rig = with_bob();
    let store = rig.store.as_mut().expect("open");
    rig.broker.add_user(store, "eve", b"", Vec::new()).expect("adds");
    let blank = Err(AuthError::Blank("eve".to_owned()));
    assert_eq!(rig.broker.authenticate("eve", b"", true), blank);
    let store = rig.store.as_mut().expect("open");
    rig.broker.clear_password(store, "bob").expect("there");
    assert!(rig.broker.authenticate("bob", b"secret", true).is_err());
    assert!(rig.broker.authenticate("bob", b"", true).is_err());
}

#[test]
fn refusals_name_what_is_missing() {
    let mut rig = with_bob();
    let store = rig.store.as_mut().expect("open");
    let broker = &mut rig.broker;
    let no_vhost = Err(AdminError::NoVhost("v".to_owned()));
    let no_user = Err(AdminError::NoUser("eve".to_owned()));
    assert_eq!(broker.set_vhost_limits(store, "v", VhostLimits::default()), no_vhost);
    assert_eq!(broker.set_vhost_meta(store, "v", VhostMeta::default()), no_vhost);
    assert_eq!(broker.set_topic_permissions(store, "bob", "v", "t", ["", ""]), no_vhost);
    assert_eq!(broker.set_topic_permissions(store, "eve", "/", "t", ["", ""]), no_user);
    assert_eq!(broker.clear_topic_permissions(store, "eve", "/", None), no_user);
    assert_eq!(broker.set_user_limits(store, "eve", UserLimits::default()), no_user);
    assert_eq!(broker.clear_password(store, "eve"), no_user);
    assert_eq!(broker.set_parameter(store, Some("v"), "c", "n", "1"), no_vhost);
    assert_eq!(broker.clear_parameter(store, None, "", "n"), Err(AdminError::NoParameter));
    let long = "1".repeat(VALUE_BYTES_MAX + 1);
    let refused = broker.set_parameter(store, None, "", "n", &long);
    assert!(matches!(refused, Err(AdminError::Validation(_))));
    assert!(matches!(
        broker.set_topic_permissions(store, "bob", "/", "t", ["(", ""]),
        Err(AdminError::Pattern(_))
    ));
}
