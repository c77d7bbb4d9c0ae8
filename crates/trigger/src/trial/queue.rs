//! One message that was taken off a queue, and the connection on which it is settled.

use std::pin::pin;

use client::connection::Connection;
use client::error::Error;
use client::event::{Delivery, Event};
use client::options::Options;

use super::TrialError;
use crate::config::Definition;
use crate::engine;
use crate::message::Message;
use crate::outgoing::Outgoing;

/// A message that is settled by one of the methods, or goes back when this is dropped.
pub(super) struct Taken {
    connection: Connection,
    channel: u16,
    tag: u64,
    delivery: Delivery,
}

impl Taken {
    /// The next message of the queue, from the first broker that can be reached.
    pub(super) async fn from(definition: &Definition) -> Result<Taken, TrialError> {
        let mut connection = open(&engine::options(definition)).await?;
        let channel = connection.open_channel().await?;
        connection.confirm_select(channel).await?;
        let queue = &definition.trigger.queue;
        let delivery = connection.get(channel, queue, false).await?;
        let delivery = delivery.ok_or_else(|| TrialError::Empty(queue.clone()))?;
        Ok(Taken { connection, channel, tag: delivery.tag, delivery })
    }

    pub(super) fn message(&self) -> Message {
        self.delivery.clone().into()
    }

    /// Waits for `run`; meanwhile the broker's heartbeats are answered.
    pub(super) async fn during<T>(
        &mut self,
        run: impl Future<Output = T>,
    ) -> Result<T, TrialError> {
        let mut run = pin!(run);
        loop {
            tokio::select! {
                done = &mut run => return Ok(done),
                event = self.connection.next() => gone(event?)?,
            }
        }
    }

    /// Publishes, and waits until the broker has it; otherwise the message goes back.
    pub(super) async fn publish(&mut self, outgoing: &Outgoing) -> Result<(), TrialError> {
        let Outgoing { exchange, routing_key, properties, body, mandatory } = outgoing;
        let (channel, mandatory) = (self.channel, *mandatory);
        self.connection.publish(channel, exchange, routing_key, mandatory, properties, body);
        loop {
            match self.connection.next().await? {
                Event::Acked { .. } => return Ok(()),
                Event::Nacked { .. } => {
                    return Err(TrialError::Unpublished("the broker could not take it".into()));
                }
                Event::Returned(_) => {
                    let key = String::from_utf8_lossy(routing_key);
                    let why = format!("there is no queue for {key}, where it was to be published");
                    return Err(TrialError::Unpublished(why));
                }
                other => gone(other)?,
            }
        }
    }

    /// It is done with.
    pub(super) async fn ack(mut self) -> Result<(), TrialError> {
        self.connection.ack(self.channel, self.tag, false);
        self.close().await
    }

    /// It goes back to its queue: nobody's fault.
    pub(super) async fn give_back(mut self) -> Result<(), TrialError> {
        self.connection.nack(self.channel, self.tag, false, true);
        self.close().await
    }

    /// It failed for good.
    pub(super) async fn reject(mut self) -> Result<(), TrialError> {
        self.connection.reject(self.channel, self.tag, false);
        self.close().await
    }

    /// The channel is closed first: its answer says that the broker has settled the message.
    async fn close(mut self) -> Result<(), TrialError> {
        self.connection.close_channel(self.channel).await?;
        Ok(self.connection.close().await?)
    }
}

async fn open(options: &Options) -> Result<Connection, Error> {
    let mut which = 0;
    loop {
        match Connection::open(options, which).await {
            Err(_) if which + 1 < options.addresses.len() => which += 1,
            end => return end,
        }
    }
}

/// Without its channel a message cannot be settled any more; it has gone back.
fn gone(event: Event) -> Result<(), TrialError> {
    match event {
        Event::ChannelClosed(closed) => Err(Error::Channel(closed).into()),
        _ => Ok(()),
    }
}
