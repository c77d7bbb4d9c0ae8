//! Declaring and deleting: RabbitMQ's checks, orders and texts.

use crate::rig::{Rig, check};

#[test]
fn exchange_declares_are_checked_in_order() {
    check(
        "exchange x direct durable
         exchange x direct durable
         exchange x nonsense passive
         exchange x '' passive
         exchange y direct passive      => NOT_FOUND - no exchange 'y' in vhost '/'
         exchange '' direct             => ACCESS_REFUSED - operation not permitted on the default exchange
         exchange '' direct passive     => ACCESS_REFUSED - operation not permitted on the default exchange
         exchange '' nonsense           => PRECONDITION_FAILED - unknown exchange type 'nonsense'
         exchange amq.x direct          => ACCESS_REFUSED - exchange name 'amq.x' contains reserved prefix 'amq.*'
         exchange amq.direct direct durable
         exchange amq.direct direct     => PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'amq.direct' in vhost '/': received 'false' but current is 'true'
         exchange x topic auto-delete   => PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': received 'topic' but current is 'direct'
         exchange x direct auto-delete  => PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'x' in vhost '/': received 'false' but current is 'true'
         exchange x direct durable auto-delete internal => PRECONDITION_FAILED - inequivalent arg 'auto_delete' for exchange 'x' in vhost '/': received 'true' but current is 'false'
         exchange x direct durable internal => PRECONDITION_FAILED - inequivalent arg 'internal' for exchange 'x' in vhost '/': received 'true' but current is 'false'
         exchange x direct durable alternate-exchange=a => PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received the value 'a' of type 'longstr' but current is none
         exchange x direct durable nonsense=1
         exchange z direct alternate-exchange=1 => PRECONDITION_FAILED - invalid type 'long' for arg 'alternate-exchange' in exchange 'z' in vhost '/'
         exchange z direct alternate-exchange=a
         exchange z direct              => PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'z' in vhost '/': received none but current is the value 'a' of type 'longstr'
         exchange z direct alternate-exchange=b => PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'z' in vhost '/': received 'b' but current is 'a'
         exchanges                      => x:direct z:direct",
    );
}

#[test]
fn exchange_deletes_are_checked_in_order() {
    check(
        "delete-exchange ''             => ACCESS_REFUSED - operation not permitted on the default exchange
         delete-exchange amq.topic      => ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed
         delete-exchange nothing
         exchange x direct
         queue q                        => q 0 0
         bind q x key
         delete-exchange x if-unused    => PRECONDITION_FAILED - exchange 'x' in vhost '/' in use
         delete-exchange x
         publish x key m                => NOT_FOUND - no exchange 'x' in vhost '/'
         bindings                       => ",
    );
}

#[test]
fn queue_declares_are_checked_in_order() {
    check(
        "queue q durable                => q 0 0
         queue q durable                => q 0 0
         queue q passive exclusive      => q 0 0
         queue nothing passive          => NOT_FOUND - no queue 'nothing' in vhost '/'
         queue amq.q                    => ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'
         queue amq.q passive            => NOT_FOUND - no queue 'amq.q' in vhost '/'
         queue q exclusive              => RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.
         queue q auto-delete            => PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'
         queue q durable auto-delete    => PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'
         queue q durable x-message-ttl=1 => PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received the value '1' of type 'long' but current is none
         queue q durable nonsense=1     => q 0 0
         queue t x-message-ttl=1        => t 0 0
         queue t x-message-ttl=i32:1    => t 0 0
         queue t x-message-ttl=2        => PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 't' in vhost '/': received '2' but current is '1'
         queue t                        => PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 't' in vhost '/': received none but current is the value '1' of type 'long'
         queue bad x-message-ttl=-1     => PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'bad' in vhost '/': {value_negative,-1}
         queue bad x-dead-letter-exchange=1 => PRECONDITION_FAILED - invalid type 'long' for arg 'x-dead-letter-exchange' in queue 'bad' in vhost '/'
         queues                         => q t",
    );
}

#[test]
fn an_exclusive_queue_is_for_its_connection_alone() {
    const LOCKED: &str = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'e' in vhost '/'. It could be \
                          originally declared on another connection or the exclusive property value does not match that \
                          of the original declaration.";
    let mut rig = Rig::new();
    rig.check(
        "queue e durable exclusive      => e 0 0
         queue e exclusive              => e 0 0
         queue e passive                => e 0 0
         bind e amq.direct key
         publish amq.direct key m       => e",
    );
    for command in [
        "queue e",
        "queue e exclusive",
        "queue e passive",
        "bind e amq.direct k",
        "unbind e amq.direct key",
        "purge e",
        "delete-queue e",
        "get e",
        "consume e c",
    ] {
        assert_eq!(rig.run(&format!("as 2 {command}")), LOCKED, "{command}");
    }
    rig.check(
        "as 2 publish '' e m            => e
         queue e                        => RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'e' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.
         close 2
         queue e passive                => e 2 0
         consume e c no-ack             => c<m amq.direct/key, c<m /e
         close 1                        => cancelled c
         as 2 queue e                   => e 0 0
         bindings                       => ",
    );
}

#[test]
fn names_lose_line_breaks() {
    let mut rig = Rig::new();
    let who = crate::rig::session(1, "guest");
    let (broker, mut cx) = rig.parts();
    let declared = broker
        .queue_declare(
            &mut cx,
            &who,
            broker::QueueDeclare {
                name: "a\r\nb",
                passive: false,
                durable: false,
                exclusive: false,
                auto_delete: false,
                arguments: &Default::default(),
            },
        )
        .expect("declares");
    assert_eq!(&*declared.name, "ab");
    rig.check("queues => ab");
}

#[test]
fn a_server_named_queue_can_only_be_asked_for_passively() {
    let mut rig = Rig::new();
    let answer = rig.run("queue '' exclusive");
    let (name, counts) = answer.split_once(' ').expect("a name");
    assert_eq!(counts, "0 0");
    assert!(name.starts_with("amq.gen-") && name.len() == 30, "{name}");
    let again = rig.run(&format!("queue {name} exclusive"));
    assert_eq!(
        again,
        format!("ACCESS_REFUSED - queue name '{name}' contains reserved prefix 'amq.*'")
    );
    assert_eq!(rig.run(&format!("queue {name} passive")), format!("{name} 0 0"));
    assert_ne!(rig.run("queue '' exclusive"), answer, "every one is another");
}

#[test]
fn queue_deletes_and_purges_answer_counts() {
    check(
        "delete-queue nothing           => 0
         purge nothing                  => NOT_FOUND - no queue 'nothing' in vhost '/'
         queue q                        => q 0 0
         publish '' q one               => q
         publish '' q two               => q
         delete-queue q if-empty        => PRECONDITION_FAILED - queue 'q' in vhost '/' not empty
         get q                          => one /q
         queue q passive                => q 1 0
         purge q                        => 1
         delete-queue q if-empty        => 0
         queue q                        => q 0 0
         publish '' q one               => q
         consume q c                    => c<one /q
         delete-queue q if-unused       => PRECONDITION_FAILED - queue 'q' in vhost '/' in use
         delete-queue q                 => cancelled c
         queues                         => ",
    );
}
