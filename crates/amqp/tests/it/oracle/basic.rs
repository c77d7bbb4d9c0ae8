//! The class `basic`.

use amq_protocol::protocol::basic::{self, AMQPMethod};
use amqp::method::Method;

use super::raw_table;

pub(super) fn method(method: &Method<'_>) -> AMQPMethod {
    match *method {
        Method::BasicQos(m) => {
            AMQPMethod::Qos(basic::Qos { prefetch_count: m.prefetch_count, global: m.global })
        }
        Method::BasicQosOk(_) => AMQPMethod::QosOk(basic::QosOk {}),
        Method::BasicConsume(m) => AMQPMethod::Consume(basic::Consume {
            queue: m.queue.into(),
            consumer_tag: m.consumer_tag.into(),
            no_local: m.no_local,
            no_ack: m.no_ack,
            exclusive: m.exclusive,
            nowait: m.no_wait,
            arguments: raw_table(m.arguments),
        }),
        Method::BasicConsumeOk(m) => {
            AMQPMethod::ConsumeOk(basic::ConsumeOk { consumer_tag: m.consumer_tag.into() })
        }
        Method::BasicCancel(m) => AMQPMethod::Cancel(basic::Cancel {
            consumer_tag: m.consumer_tag.into(),
            nowait: m.no_wait,
        }),
        Method::BasicCancelOk(m) => {
            AMQPMethod::CancelOk(basic::CancelOk { consumer_tag: m.consumer_tag.into() })
        }
        Method::BasicPublish(m) => AMQPMethod::Publish(basic::Publish {
            exchange: m.exchange.into(),
            routing_key: m.routing_key.to_string().into(),
            mandatory: m.mandatory,
            immediate: m.immediate,
        }),
        _ => delivery(method),
    }
}

/// Messages on their way to the client, and what it says to them.
fn delivery(method: &Method<'_>) -> AMQPMethod {
    match *method {
        Method::BasicReturn(m) => AMQPMethod::Return(basic::Return {
            reply_code: m.reply_code,
            reply_text: m.reply_text.into(),
            exchange: m.exchange.into(),
            routing_key: m.routing_key.to_string().into(),
        }),
        Method::BasicDeliver(m) => AMQPMethod::Deliver(basic::Deliver {
            consumer_tag: m.consumer_tag.into(),
            delivery_tag: m.delivery_tag,
            redelivered: m.redelivered,
            exchange: m.exchange.into(),
            routing_key: m.routing_key.to_string().into(),
        }),
        Method::BasicGet(m) => {
            AMQPMethod::Get(basic::Get { queue: m.queue.into(), no_ack: m.no_ack })
        }
        Method::BasicGetOk(m) => AMQPMethod::GetOk(basic::GetOk {
            delivery_tag: m.delivery_tag,
            redelivered: m.redelivered,
            exchange: m.exchange.into(),
            routing_key: m.routing_key.to_string().into(),
            message_count: m.message_count,
        }),
        Method::BasicGetEmpty(_) => AMQPMethod::GetEmpty(basic::GetEmpty {}),
        Method::BasicAck(m) => {
            AMQPMethod::Ack(basic::Ack { delivery_tag: m.delivery_tag, multiple: m.multiple })
        }
        Method::BasicReject(m) => {
            AMQPMethod::Reject(basic::Reject { delivery_tag: m.delivery_tag, requeue: m.requeue })
        }
        Method::BasicRecoverAsync(m) => {
            AMQPMethod::RecoverAsync(basic::RecoverAsync { requeue: m.requeue })
        }
        Method::BasicRecover(m) => AMQPMethod::Recover(basic::Recover { requeue: m.requeue }),
        Method::BasicRecoverOk(_) => AMQPMethod::RecoverOk(basic::RecoverOk {}),
        Method::BasicNack(m) => AMQPMethod::Nack(basic::Nack {
            delivery_tag: m.delivery_tag,
            multiple: m.multiple,
            requeue: m.requeue,
        }),
        _ => panic!("not of this class: {method:?}"),
    }
}
