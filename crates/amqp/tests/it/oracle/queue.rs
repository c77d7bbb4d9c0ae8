//! The class `queue`.

use amq_protocol::protocol::queue::{self, AMQPMethod};
use amqp::method::Method;

use super::raw_table;

pub(super) fn method(method: &Method<'_>) -> AMQPMethod {
    match *method {
        Method::QueueDeclare(m) => AMQPMethod::Declare(queue::Declare {
            queue: m.queue.into(),
            passive: m.passive,
            durable: m.durable,
            exclusive: m.exclusive,
            auto_delete: m.auto_delete,
            nowait: m.no_wait,
            arguments: raw_table(m.arguments),
        }),
        Method::QueueDeclareOk(m) => AMQPMethod::DeclareOk(queue::DeclareOk {
            queue: m.queue.into(),
            message_count: m.message_count,
            consumer_count: m.consumer_count,
        }),
        Method::QueueBind(m) => AMQPMethod::Bind(queue::Bind {
            queue: m.queue.into(),
            exchange: m.exchange.into(),
            routing_key: m.routing_key.into(),
            nowait: m.no_wait,
            arguments: raw_table(m.arguments),
        }),
        Method::QueueBindOk(_) => AMQPMethod::BindOk(queue::BindOk {}),
        Method::QueuePurge(m) => {
            AMQPMethod::Purge(queue::Purge { queue: m.queue.into(), nowait: m.no_wait })
        }
        Method::QueuePurgeOk(m) => {
            AMQPMethod::PurgeOk(queue::PurgeOk { message_count: m.message_count })
        }
        Method::QueueDelete(m) => AMQPMethod::Delete(queue::Delete {
            queue: m.queue.into(),
            if_unused: m.if_unused,
            if_empty: m.if_empty,
            nowait: m.no_wait,
        }),
        Method::QueueDeleteOk(m) => {
            AMQPMethod::DeleteOk(queue::DeleteOk { message_count: m.message_count })
        }
        Method::QueueUnbind(m) => AMQPMethod::Unbind(queue::Unbind {
            queue: m.queue.into(),
            exchange: m.exchange.into(),
            routing_key: m.routing_key.into(),
            arguments: raw_table(m.arguments),
        }),
        Method::QueueUnbindOk(_) => AMQPMethod::UnbindOk(queue::UnbindOk {}),
        _ => panic!("not of this class: {method:?}"),
    }
}
