//! The class `exchange`.

use amq_protocol::protocol::exchange::{self, AMQPMethod};
use amqp::method::Method;

use super::raw_table;

pub(super) fn method(method: &Method<'_>) -> AMQPMethod {
    match *method {
        Method::ExchangeDeclare(m) => AMQPMethod::Declare(exchange::Declare {
            exchange: m.exchange.into(),
            kind: m.kind.into(),
            passive: m.passive,
            durable: m.durable,
            auto_delete: m.auto_delete,
            internal: m.internal,
            nowait: m.no_wait,
            arguments: raw_table(m.arguments),
        }),
        Method::ExchangeDeclareOk(_) => AMQPMethod::DeclareOk(exchange::DeclareOk {}),
        Method::ExchangeDelete(m) => AMQPMethod::Delete(exchange::Delete {
            exchange: m.exchange.into(),
            if_unused: m.if_unused,
            nowait: m.no_wait,
        }),
        Method::ExchangeDeleteOk(_) => AMQPMethod::DeleteOk(exchange::DeleteOk {}),
        Method::ExchangeBind(m) => AMQPMethod::Bind(exchange::Bind {
            destination: m.destination.into(),
            source: m.source.into(),
            routing_key: m.routing_key.into(),
            nowait: m.no_wait,
            arguments: raw_table(m.arguments),
        }),
        Method::ExchangeBindOk(_) => AMQPMethod::BindOk(exchange::BindOk {}),
        Method::ExchangeUnbind(m) => AMQPMethod::Unbind(exchange::Unbind {
            destination: m.destination.into(),
            source: m.source.into(),
            routing_key: m.routing_key.into(),
            nowait: m.no_wait,
            arguments: raw_table(m.arguments),
        }),
        Method::ExchangeUnbindOk(_) => AMQPMethod::UnbindOk(exchange::UnbindOk {}),
        _ => panic!("not of this class: {method:?}"),
    }
}
