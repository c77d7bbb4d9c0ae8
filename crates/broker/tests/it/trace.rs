//! The firehose: copies of what comes in and goes out.

use amqp::content::Properties;
use broker::Message;
use broker::trace::TracedDelivery;

use crate::rig::Rig;

fn traced() -> Rig {
    let mut rig = Rig::new();
    rig.check(
        "queue t => t 0 0
         bind t amq.rabbitmq.trace #
         queue q => q 0 0",
    );
    rig.broker.set_tracing("/", true).expect("a virtual host");
    rig
}

fn delivery(exchange: &[u8], queue: &str) -> TracedDelivery {
    let message = Message {
        exchange,
        routing_key: b"k",
        properties: Properties::EMPTY,
        body: b"m",
        enqueued: 0,
        expires: None,
        backing: None,
        persistent: false,
        priority: None,
        bcc: &[],
    };
    TracedDelivery {
        vhost: "/".into(),
        queue: queue.into(),
        connection: "a -> b".into(),
        channel: 3,
        user: "guest".into(),
        redelivered: true,
        message: message.to_bytes(),
    }
}

#[test]
fn a_publish_is_copied_with_where_it_went() {
    traced().check(
        "publish '' q m => q t
         get t => m amq.rabbitmq.trace/publish. {exchange_name= routing_keys=[q] properties={} node=leveret@localhost vhost=/ connection= channel=1 user=guest routed_queues=[q]}
         exchange x fanout
         bind q x ''
         publish x k n priority=3 cc=q,c bcc=b reply-to=r => q t
         get t => n amq.rabbitmq.trace/publish.x {exchange_name=x routing_keys=[k q c b] properties={reply_to=r priority=3 headers={CC=[q c]}} node=leveret@localhost vhost=/ connection= channel=1 user=guest routed_queues=[q]}",
    );
}

#[test]
fn what_the_default_exchange_loses_is_copied_with_its_key() {
    traced().check(
        "publish '' nobody m => nowhere
         get t => m amq.rabbitmq.trace/publish. {exchange_name= routing_keys=[nobody] properties={} node=leveret@localhost vhost=/ connection= channel=1 user=guest routed_queues=[nobody]}",
    );
}

#[test]
fn nothing_is_copied_when_it_is_off() {
    let mut rig = traced();
    rig.broker.set_tracing("/", false).expect("a virtual host");
    rig.check(
        "publish '' q m => q
         get t => empty",
    );
    assert!(rig.broker.set_tracing("nope", true).is_err());
}

#[test]
fn a_delivery_is_copied_and_a_copy_is_not() {
    let mut rig = traced();
    let long = "x".repeat(255);
    for (exchange, queue) in [("x", "q"), ("amq.rabbitmq.trace", "q"), ("x", &*long)] {
        let (broker, mut cx) = rig.parts();
        broker.trace_delivery(&mut cx, &delivery(exchange.as_bytes(), queue));
    }
    rig.check(
        "get t => m amq.rabbitmq.trace/deliver.q {exchange_name=x routing_keys=[k] properties={} node=leveret@localhost redelivered=1 vhost=/ connection=a -> b channel=3 user=guest}",
    );
    let cut = rig.run("get t");
    assert!(cut.contains(&format!("/deliver.{} ", "x".repeat(247))), "{cut}");
    rig.check("get t => empty");
}

#[test]
fn tracing_is_off_after_a_start() {
    let mut rig = traced();
    rig.check("queue d durable => d 0 0");
    assert!(rig.broker.is_traced("/"));
    rig.run("restart");
    assert!(!rig.broker.is_traced("/"));
}

#[test]
fn only_the_traced_virtual_host_is_copied() {
    let mut rig = traced();
    let (broker, cx) = rig.parts();
    broker.add_vhost(cx.store, "other").expect("a new virtual host");
    broker.set_tracing("/", false).expect("a virtual host");
    broker.set_tracing("other", true).expect("a virtual host");
    assert!(rig.broker.is_traced("other") && !rig.broker.is_traced("/"));
    rig.check(
        "publish '' q m => q
         get t => empty",
    );
}
