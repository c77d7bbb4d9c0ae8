//! What a connection needs at the broker before it can do its work, made unless it is there.

use amqp::value::Table;

use crate::connection::{Connection, DeclareExchange, DeclareQueue};
use crate::error::Error;

/// A durable exchange, and perhaps a durable queue that is bound to it.
///
/// An exchange that differs is refused by the broker (406). One that the user may not declare (403)
/// is used as it is, and so is a queue that exists, whatever its arguments.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The exchange's name.
    pub exchange: String,
    /// Its type.
    pub kind: &'static str,
    /// The queue's name and the routing key of its binding.
    pub queue: Option<(String, String)>,
}

impl Topology {
    /// Makes what is missing. Returns the number of the channel, which is another one when the
    /// broker has closed the one that was given.
    pub(super) async fn declare(
        &self,
        connection: &mut Connection,
        mut channel: u16,
    ) -> Result<u16, Error> {
        let exchange = DeclareExchange {
            exchange: &self.exchange,
            kind: self.kind,
            durable: true,
            ..DeclareExchange::default()
        };
        match connection.declare_exchange(channel, &exchange).await {
            Err(Error::Channel(closed)) if closed.code == 403 => {
                channel = connection.open_channel().await?;
                connection.exchange_exists(channel, &self.exchange).await?;
            }
            declared => declared?,
        }
        let Some((queue, routing_key)) = &self.queue else { return Ok(channel) };
        match connection.queue_exists(channel, queue).await {
            Err(Error::Channel(closed)) if closed.code == 404 => {
                channel = connection.open_channel().await?;
                let queue = DeclareQueue { queue, durable: true, ..DeclareQueue::default() };
                connection.declare_queue(channel, &queue).await?;
            }
            found => drop(found?),
        }
        connection.bind_queue(channel, queue, &self.exchange, routing_key, &Table::new()).await?;
        Ok(channel)
    }
}
