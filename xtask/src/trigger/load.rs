//! The messages of the measurements: published at a steady rate, and taken by a plain consumer that
//! the trigger is compared with.

#[cfg(test)]
mod tests;

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};
use anyhow::{Result, bail};
use client::connection::{Consume, DeclareExchange};
use client::event::Event;

use super::sink;
use crate::load::Broker;

/// Bytes of a body.
const BODY_BYTES: usize = 1024;

/// The fanout through which paced messages go.
const EXCHANGE: &str = "bench";

/// How often the paced publisher wakes up, which is as fine as a timer is.
const TICK: Duration = Duration::from_millis(1);

/// A JSON document with its number in it.
pub(super) fn body(number: u64) -> Vec<u8> {
    let mut body = format!(r#"{{"number": {number}, "lines": ["#).into_bytes();
    let line = br#"{"sku": "B-1234567", "quantity": 3, "price": "12.50"}, "#;
    while body.len() + line.len() + b"{}]}".len() <= BODY_BYTES {
        body.extend_from_slice(line);
    }
    body.extend_from_slice(b"{}]");
    body.resize(BODY_BYTES - 1, b' ');
    body.push(b'}');
    body
}

/// What an application sets on an order, say.
pub(super) fn properties(number: u64) -> Vec<u8> {
    let headers = Table(vec![(b"x-tenant".to_vec(), Value::LongStr(b"acme".to_vec()))]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let properties = PropertiesBuf {
        content_type: Some(b"application/json".to_vec()),
        delivery_mode: Some(2),
        message_id: Some(format!("order-{number:08}").into_bytes()),
        timestamp: Some(now.as_secs()),
        headers: Some(headers),
        ..PropertiesBuf::default()
    };
    properties.encode()
}

/// Declares the fanout of [`publish`] to these queues.
pub(super) fn fanout(broker: &Broker, queues: &[&str]) -> Result<()> {
    broker.with(async |connection, channel| {
        let declare = DeclareExchange { exchange: EXCHANGE, kind: "fanout", ..<_>::default() };
        connection.declare_exchange(channel, &declare).await?;
        for queue in queues {
            connection.bind_queue(channel, queue, EXCHANGE, "", &Table::default()).await?;
        }
        Ok(())
    })
}

/// Publishes `count` messages at an even rate and says when each was sent.
pub(super) fn publish(broker: &Broker, per_second: u64, count: u64) -> Result<Vec<Instant>> {
    broker.with(async |connection, channel| {
        let mut sent = Vec::new();
        let mut ticks = tokio::time::interval(TICK);
        let from = Instant::now();
        while (sent.len() as u64) < count {
            ticks.tick().await;
            let due = (from.elapsed().as_secs_f64() * per_second as f64) as u64;
            for number in sent.len() as u64..due.min(count) {
                sent.push(Instant::now());
                let exchange = EXCHANGE.as_bytes();
                let (properties, body) = (properties(number), body(number));
                if connection.publish(channel, exchange, b"", false, &properties, &body) == 0 {
                    bail!("the broker closed the publisher's channel");
                }
            }
            connection.flush().await?;
        }
        Ok(sent)
    })
}

/// Takes numbered messages from a queue, in order, and says when each came; tells `ready` when it
/// consumes.
pub(super) fn consume(
    broker: &Broker,
    queue: &str,
    count: usize,
    ready: &Sender<()>,
) -> Result<Vec<Instant>> {
    broker.with(async |connection, channel| {
        let consume = Consume { queue, no_ack: true, ..Consume::default() };
        connection.consume(channel, &consume).await?;
        ready.send(())?;
        let mut arrivals = Vec::new();
        while arrivals.len() < count {
            let Event::Delivery(delivery) = connection.next().await? else { continue };
            if sink::number(&delivery.body) != Some(arrivals.len()) {
                bail!("message {} came out of order", arrivals.len());
            }
            arrivals.push(Instant::now());
        }
        Ok(arrivals)
    })
}
