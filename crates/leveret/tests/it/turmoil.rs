//! Many clients that come, do something, and vanish at any byte: the broker stays well and keeps nothing of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use amqp::frame;
use amqp::method::{
    BasicConsume, BasicGet, BasicNack, BasicRecover, ChannelClose, ChannelOpen, ConfirmSelect,
    QueueBind, QueueDeclare, QueueDelete, TxCommit, TxSelect,
};
use amqp::value::RawTable;

use crate::broker::{Broker, eventually};
use crate::client::Client;
use crate::client::arguments::queue;
use crate::client::login::Login;
use crate::client::message::message;

const QUEUES: [&str; 4] = ["t-0", "t-1", "t-2", "t-3"];
const THREADS: u64 = 4;
const TIME: Duration = Duration::from_secs(3);

/// A xorshift generator; the seed is in the name of a failing thread.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % end
    }

    fn queue(&mut self) -> &'static str {
        QUEUES[self.below(4) as usize]
    }

    fn bool(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// Appends something that a client may say on an open channel, sensible or not.
fn say(random: &mut Random, client: &Client, number: u16, out: &mut Vec<u8>) {
    let channel = client.unopened(number);
    let name = random.queue();
    let no_wait = random.bool();
    match random.below(16) {
        0..=5 => {
            let size = [0, 10, 5000, 200_000][random.below(4) as usize];
            let mut message = message("", name, vec![1; size]).priority(random.below(4) as u8);
            message.mandatory = random.bool();
            if random.bool() {
                message = message.persistent();
            }
            channel.encode(&message, out);
        }
        6 | 7 => {
            let (arguments, consumer_tag) = (RawTable(&[]), "");
            let (no_ack, exclusive, queue) = (random.bool(), random.below(9) == 0, name);
            let no_local = false;
            let consume = BasicConsume {
                queue,
                consumer_tag,
                no_local,
                no_ack,
                exclusive,
                no_wait,
                arguments,
            };
            frame::write_method(out, number, &consume.into());
        }
        8 => frame::write_method(out, number, &BasicGet { queue: name, no_ack: no_wait }.into()),
        9 => {
            let (multiple, requeue) = (random.below(9) > 0, random.bool());
            let nack = BasicNack { delivery_tag: 0, multiple, requeue };
            frame::write_method(out, number, &nack.into());
        }
        10 => frame::write_method(out, number, &BasicRecover { requeue: true }.into()),
        11 => frame::write_method(out, number, &ConfirmSelect { no_wait }.into()),
        12 => {
            frame::write_method(out, number, &TxSelect {}.into());
            frame::write_method(out, number, &TxCommit {}.into());
        }
        13 => {
            let declare = QueueDeclare {
                queue: if random.bool() { name } else { "" },
                passive: false,
                durable: random.bool(),
                exclusive: random.bool(),
                auto_delete: random.bool(),
                no_wait,
                arguments: RawTable(&[]),
            };
            frame::write_method(out, number, &declare.into());
        }
        14 => {
            let (exchange, routing_key) = ("amq.topic", "a.#");
            let bind =
                QueueBind { queue: name, exchange, routing_key, no_wait, arguments: RawTable(&[]) };
            frame::write_method(out, number, &bind.into());
        }
        _ if random.below(4) == 0 => {
            let delete = QueueDelete { queue: name, if_unused: false, if_empty: false, no_wait };
            frame::write_method(out, number, &delete.into());
        }
        _ => {
            let close = ChannelClose { reply_code: 200, reply_text: "", class_id: 0, method_id: 0 };
            frame::write_method(out, number, &close.into());
        }
    }
}

/// One client's life. It reads something, or nothing, and ends with or without a close.
fn live(address: SocketAddr, random: &mut Random) {
    let client = Login::default().open(address);
    let mut bytes = Vec::new();
    let channels = 1 + random.below(3) as u16;
    for number in 1..=channels {
        frame::write_method(&mut bytes, number, &ChannelOpen {}.into());
    }
    for _ in 0..random.below(20) {
        let number = 1 + random.below(channels.into()) as u16;
        say(random, &client, number, &mut bytes);
    }
    match random.below(3) {
        // Cut anywhere.
        0 => client.send_bytes(&bytes[..random.below(bytes.len() as u64) as usize]),
        1 => {
            client.send_bytes(&bytes);
            let _opened = client.next_frame();
        }
        _ => client.send_bytes(&bytes),
    }
}

#[test]
fn clients_that_vanish_at_any_moment_leave_nothing() {
    let broker = Broker::start();
    let address = broker.amqp();
    let watcher = Client::connect(&broker).channel();
    for name in QUEUES {
        watcher.declare(&queue(name).durable());
    }
    let end = Instant::now() + TIME;
    std::thread::scope(|scope| {
        for seed in 1..=THREADS {
            scope.spawn(move || {
                let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                while Instant::now() < end {
                    live(address, &mut random);
                }
            });
        }
    });
    eventually("only the watcher is there", || broker.metric("rabbitmq_connections") == 1.0);
    for name in
        ["rabbitmq_consumers", "rabbitmq_queue_messages_unacked", "rabbitmq_global_publishers"]
    {
        assert_eq!(broker.metric(name), 0.0, "{name}");
    }
    assert_eq!(broker.metric("rabbitmq_channels"), 1.0);
    let gauge = broker.metric("rabbitmq_queue_messages_ready");
    let mut ready = 0;
    for name in QUEUES {
        // Others may have deleted it, or declared it otherwise.
        watcher.delete(name);
        ready += watcher.declare(&queue(name).durable()).ready;
    }
    assert_eq!(ready, 0);
    assert_eq!(broker.metric("rabbitmq_queue_messages_ready"), 0.0, "{gauge} before");
    let log = broker.stderr();
    assert!(!log.contains("panicked"), "{log}");
    watcher.silent();
}
