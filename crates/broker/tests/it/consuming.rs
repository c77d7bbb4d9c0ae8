//! Consuming, and what goes with consumers and connections.

use crate::rig::{Rig, check};

#[test]
fn consumes_and_gets_are_checked() {
    check(
        "get none                       => NOT_FOUND - no queue 'none' in vhost '/'
         consume none c                 => NOT_FOUND - no queue 'none' in vhost '/'
         queue q                        => q 0 0
         consume q c x-priority=high    => PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\"
         consume q c exclusive
         consume q d                    => ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use
         queue q passive                => q 0 1
         cancel q c
         consume q d
         consume q c exclusive          => ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use",
    );
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer_and_not_before() {
    check(
        "queue q auto-delete            => q 0 0
         bind q amq.fanout ''
         publish '' q m                 => q
         get q                          => m /q
         requeue m
         consume q c                    => c<m /q*
         consume q d
         cancel q c
         cancel q c
         queue q passive                => q 0 1
         cancel q d
         queue q passive                => NOT_FOUND - no queue 'q' in vhost '/'
         bindings                       => ",
    );
}

#[test]
fn an_unused_queue_expires() {
    check(
        "queue q x-expires=100          => q 0 0
         bind q amq.fanout ''
         at 1000099
         queue q passive                => q 0 0
         queue q x-expires=100          => q 0 0
         at 1000198
         queue q passive                => q 0 0
         at 1000297
         queues                         => q
         at 1000298
         queue q passive                => NOT_FOUND - no queue 'q' in vhost '/'
         bindings                       => ",
    );
}

#[test]
fn an_unused_quorum_queue_expires_though_it_is_declared_again() {
    check(
        "queue q durable x-queue-type=quorum x-expires=100 => q 0 0
         at 1000050
         get q no-ack                   => empty
         at 1000099
         queue q passive                => q 0 0
         queue q durable x-queue-type=quorum x-expires=100 => q 0 0
         at 1000149
         queues                         => q
         at 1000151
         queues                         => ",
    );
}

#[test]
fn messages_for_a_deleted_queue_are_forgotten() {
    check(
        "queue q                        => q 0 0
         publish '' q m                 => q
         publish '' q n                 => q
         get q                          => m /q
         get q                          => n /q
         delete-queue q                 => 0
         queue q                        => q 0 0
         ack m
         requeue n
         queue q passive                => q 0 0",
    );
}

#[test]
fn a_direct_reply_reaches_the_channel_that_asked() {
    let mut rig = Rig::new();
    rig.check(
        "queue service                  => service 0 0
         publish '' service m reply-to=amq.rabbitmq.reply-to => PRECONDITION_FAILED - fast reply consumer does not exist
         consume amq.rabbitmq.reply-to c => PRECONDITION_FAILED - reply consumer cannot acknowledge
         consume amq.rabbitmq.reply-to c no-ack
         consume amq.rabbitmq.reply-to d no-ack => PRECONDITION_FAILED - reply consumer already set
         as 2 consume amq.rabbitmq.reply-to d no-ack
         publish '' service ask reply-to=amq.rabbitmq.reply-to h.a=1 => service
         queue amq.rabbitmq.reply-to passive => amq.rabbitmq.reply-to 0 1",
    );
    let asked = rig.run("get service no-ack");
    let (_, rest) = asked.split_once("reply-to=").expect("a name to answer to");
    let name = rest.split(' ').next().expect("a name").to_owned();
    assert!(name.starts_with("amq.rabbitmq.reply-to.") && name.len() > 40, "{name}");
    rig.check(&format!("as 3 publish '' {name} answer => c<answer /{name}"));
    rig.check(&format!(
        "as 3 publish '' {name} answer mandatory cc=service => c<answer /{name} {{CC=[service]}}"
    ));
    rig.check(&format!("as 3 queue {name} passive => {name} 0 1"));
    rig.check(&format!(
        "as 3 queue {name}x passive => NOT_FOUND - no queue '{name}x' in vhost '/'"
    ));
    rig.check("close 1");
    rig.check(&format!("as 3 publish '' {name} answer =>"));
    rig.check(&format!("as 3 queue {name} => NOT_FOUND - no queue '{name}' in vhost '/'"));
}
