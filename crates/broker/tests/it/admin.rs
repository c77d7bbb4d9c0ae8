//! Users, permissions and virtual hosts.

use amqp::ReplyCode;
use broker::AdminError;
use broker::user::AuthError;
use broker::user::password::Hashing;

use crate::rig::Rig;

fn with_bob(permissions: [&str; 3]) -> Rig {
    let mut rig = Rig::new();
    let store = rig.store.as_mut().expect("open");
    rig.broker.add_user(store, "bob", b"secret", vec!["monitoring".to_owned()]).expect("adds");
    rig.broker.set_permissions(store, "bob", "/", permissions).expect("valid");
    rig
}

#[test]
fn logins() {
    let mut rig = with_bob(["", "", ""]);
    let broker = &rig.broker;
    assert_eq!(broker.authenticate("bob", b"secret", false).as_deref(), Ok("bob"));
    assert_eq!(
        broker.authenticate("bob", b"wrong", true),
        Err(AuthError::Password("bob".to_owned()))
    );
    assert_eq!(broker.authenticate("eve", b"", true), Err(AuthError::NoUser("eve".to_owned())));
    assert_eq!(broker.authenticate("guest", b"guest", true).as_deref(), Ok("guest"));
    assert_eq!(
        broker.authenticate("guest", b"guest", false),
        Err(AuthError::NotLoopback("guest".to_owned()))
    );
    assert_eq!(broker.external_user("bob").as_deref(), Some("bob"));
    assert_eq!(broker.external_user("eve"), None);
    let store = rig.store.as_mut().expect("open");
    rig.broker.change_password(store, "bob", b"new").expect("changes");
    assert!(rig.broker.authenticate("bob", b"new", false).is_ok());
    assert!(rig.broker.authenticate("bob", b"secret", false).is_err());
}

#[test]
fn a_hash_from_rabbitmq_is_understood() {
    let mut rig = Rig::new();
    let store = rig.store.as_mut().expect("open");
    // The example of RabbitMQ's documentation: salt 908DC60A, password test12.
    let hash = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
    rig.broker.add_user_with_hash(store, "test", hash, Hashing::Sha256, Vec::new()).expect("adds");
    rig.broker.add_user_with_hash(store, "none", "", Hashing::Sha256, Vec::new()).expect("adds");
    assert!(rig.broker.authenticate("test", b"test12", false).is_ok());
    assert!(rig.broker.authenticate("none", b"", false).is_err());
}

#[test]
fn vhosts_are_opened_by_who_has_any_permission() {
    let mut rig = with_bob(["", "", ""]);
    assert_eq!(rig.broker.open_vhost("bob", "/").as_deref(), Ok("/"));
    let error = rig.broker.open_vhost("bob", "x").expect_err("there is none");
    assert_eq!((error.code, &*error.text), (ReplyCode::NotAllowed, "vhost x not found"));
    let store = rig.store.as_mut().expect("open");
    rig.broker.add_vhost(store, "x").expect("adds");
    let error = rig.broker.open_vhost("bob", "x").expect_err("not bob's");
    assert_eq!(error.text, "access to vhost 'x' refused for user 'bob'");
    assert_eq!(
        rig.broker.add_vhost(rig.store.as_mut().expect("open"), "x"),
        Err(AdminError::VhostExists("x".to_owned()))
    );
}

#[test]
fn permissions_are_checked_before_existence() {
    let refused = |access: &str, what: &str| {
        format!("ACCESS_REFUSED - {access} access to {what} in vhost '/' refused for user 'bob'")
    };
    let mut rig = with_bob(["^c", "^w", "^r"]);
    rig.check(
        "queue r1 => r1 0 0
         queue w1 => w1 0 0
         exchange r2 fanout
         exchange w2 fanout",
    );
    for (command, access, what) in [
        ("queue q", "configure", "queue 'q'"),
        ("exchange x direct", "configure", "exchange 'x'"),
        ("delete-queue q", "configure", "queue 'q'"),
        ("delete-exchange x", "configure", "exchange 'x'"),
        ("queue c x-dead-letter-exchange=w", "read", "queue 'c'"),
        ("exchange c direct alternate-exchange=w", "read", "exchange 'c'"),
        ("bind q r k", "write", "queue 'q'"),
        ("bind w x k", "read", "exchange 'x'"),
        ("unbind q r k", "write", "queue 'q'"),
        ("xbind x r k", "write", "exchange 'x'"),
        ("xbind w x k", "read", "exchange 'x'"),
        ("publish x k m", "write", "exchange 'x'"),
        ("publish '' w1 m", "write", "exchange 'amq.default'"),
        ("get q", "read", "queue 'q'"),
        ("consume q c", "read", "queue 'q'"),
        ("purge q", "read", "queue 'q'"),
    ] {
        assert_eq!(rig.run(&format!("as 2:bob {command}")), refused(access, what), "{command}");
    }
    rig.check(
        "as 2:bob queue q passive       => NOT_FOUND - no queue 'q' in vhost '/'
         as 2:bob queue c1              => c1 0 0
         as 2:bob bind w1 r2 k
         as 2:bob xbind w2 r2 k
         as 2:bob publish w2 k m        => nowhere
         as 2:bob get r1                => empty",
    );
}

#[test]
fn a_bad_pattern_is_named() {
    let mut rig = Rig::new();
    let store = rig.store.as_mut().expect("open");
    let error = rig.broker.set_permissions(store, "guest", "/", ["(", "", ""]);
    assert!(matches!(error, Err(AdminError::Pattern(error)) if error.pattern == "("));
    assert_eq!(
        rig.broker.set_permissions(store, "eve", "/", ["", "", ""]),
        Err(AdminError::NoUser("eve".to_owned()))
    );
    assert_eq!(
        rig.broker.set_permissions(store, "guest", "x", ["", "", ""]),
        Err(AdminError::NoVhost("x".to_owned()))
    );
}

#[test]
fn a_vhost_goes_with_everything_in_it() {
    let mut rig = Rig::new();
    rig.check(
        "queue q durable                => q 0 0
         bind q amq.fanout k
         publish '' q m persistent      => q
         consume q c                    => c<m /q",
    );
    let (broker, mut cx) = rig.parts();
    broker.delete_vhost(&mut cx, "/").expect("deletes");
    assert_eq!(rig.sink.effects, ["cancelled c"]);
    assert_eq!(rig.broker.queue_count(), 0);
    assert!(rig.broker.open_vhost("guest", "/").is_err());
    rig.sink.effects.clear();
    assert_eq!(
        rig.run("queue q"),
        "ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'guest'"
    );
    rig.check("crash");
    assert_eq!(rig.broker.vhosts().count(), 0);
    assert_eq!(rig.broker.queue_count(), 0);
}

#[test]
fn an_impersonator_may_claim_any_user() {
    let mut rig = Rig::new();
    let store = rig.store.as_mut().expect("open");
    rig.broker.set_user_tags(store, "guest", vec!["impersonator".to_owned()]).expect("there");
    rig.check("publish '' q m user-id=other => nowhere");
}
