//! Requests that wait for their answer. What else arrives meanwhile is kept for `next`.
//!
//! The future of a request may be dropped: the request was then made, or will be, and its answer is
//! ignored when it comes. The connection stays in order.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

use amqp::frame;
use amqp::method::{
    BasicCancel, BasicConsume, BasicGet, BasicQos, BasicRecover, ChannelClose, ChannelOpen,
    ConfirmSelect, ExchangeDeclare, ExchangeDelete, Method, QueueBind, QueueDeclare, QueueDelete,
    QueuePurge,
};
use amqp::value::{RawTable, Table};

use super::Connection;
use super::session::Answer;
use crate::error::Error;
use crate::event::Delivery;

/// How a queue is consumed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consume<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The consumer's name on its channel; empty: the broker makes one up.
    pub tag: &'a str,
    /// Whether deliveries are settled by being sent.
    pub no_ack: bool,
    /// Whether nobody else may consume the queue.
    pub exclusive: bool,
    /// As `x-priority`.
    pub arguments: Table,
}

/// A queue to declare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeclareQueue<'a> {
    /// Its name; empty: the broker makes one up.
    pub queue: &'a str,
    /// Whether it outlives the broker's process.
    pub durable: bool,
    /// Whether it is this connection's alone, and ends with it.
    pub exclusive: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// As `x-message-ttl`.
    pub arguments: Table,
}

/// An exchange to declare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeclareExchange<'a> {
    /// Its name.
    pub exchange: &'a str,
    /// Its type: `direct`, `fanout`, `topic`, `headers`, or one of a plugin.
    pub kind: &'a str,
    /// Whether it outlives the broker's process.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether only exchanges publish to it.
    pub internal: bool,
    /// As `alternate-exchange`.
    pub arguments: Table,
}

/// What the broker says of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueInfo {
    /// Its name, which the broker may have made up.
    pub name: String,
    /// Messages that wait, without the unsettled ones.
    pub messages: u32,
    /// Its consumers.
    pub consumers: u32,
}

/// An owner who waits for an answer, or no longer does.
struct Waiting<'a>(&'a mut Connection);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.session.abandon();
    }
}

/// Besides what each says, all of them fail with [`Error::Channel`] when the broker closes the
/// channel in answer, [`Error::NotOpen`] when it is not open, [`Error::Argument`] for a name of more
/// than 255 bytes, and any other error when the connection is gone.
impl Connection {
    /// Opens a channel and returns its number.
    ///
    /// # Errors
    /// [`Error::NoChannel`] when all are open.
    pub async fn open_channel(&mut self) -> Result<u16, Error> {
        let channel_max = self.limits.channel_max;
        let channel = self.session.add_channel(channel_max).ok_or(Error::NoChannel(channel_max))?;
        self.done(channel, Method::ChannelOpen(ChannelOpen {}), (20, 11)).await?;
        Ok(channel)
    }

    /// Closes a channel. Its unsettled deliveries go back to their queues.
    ///
    /// # Errors
    /// See above.
    pub async fn close_channel(&mut self, channel: u16) -> Result<(), Error> {
        let close = ChannelClose { reply_code: 200, reply_text: "goodbye", ..<_>::default() };
        self.done(channel, Method::ChannelClose(close), (20, 41)).await
    }

    /// Makes the broker ack what is published on the channel. Numbers start from 1.
    ///
    /// # Errors
    /// See above.
    pub async fn confirm_select(&mut self, channel: u16) -> Result<(), Error> {
        self.done(channel, Method::ConfirmSelect(ConfirmSelect { no_wait: false }), (85, 11)).await
    }

    /// Sets how many deliveries may be unsettled for each consumer that is made after this; 0 is
    /// unlimited.
    ///
    /// # Errors
    /// See above.
    pub async fn qos(&mut self, channel: u16, count: u16) -> Result<(), Error> {
        let qos = BasicQos { prefetch_size: 0, prefetch_count: count, global: false };
        self.done(channel, Method::BasicQos(qos), (60, 11)).await
    }

    /// Starts a consumer and returns its tag. Deliveries may come before this returns.
    ///
    /// # Errors
    /// See above.
    pub async fn consume(
        &mut self,
        channel: u16,
        consume: &Consume<'_>,
    ) -> Result<Arc<str>, Error> {
        let arguments = Encoded::new(&consume.arguments);
        let method = Method::BasicConsume(BasicConsume {
            queue: name("queue", consume.queue)?,
            consumer_tag: name("consumer tag", consume.tag)?,
            no_local: false,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            no_wait: false,
            arguments: arguments.raw(),
        });
        match self.ask(channel, method).await? {
            Answer::Consumer(tag) => Ok(tag),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends a consumer. Deliveries that came before this returns are given out nevertheless.
    ///
    /// # Errors
    /// See above.
    pub async fn cancel(&mut self, channel: u16, tag: &str) -> Result<(), Error> {
        let cancel = BasicCancel { consumer_tag: name("consumer tag", tag)?, no_wait: false };
        self.done(channel, Method::BasicCancel(cancel), (60, 31)).await
    }

    /// Looks at a queue.
    ///
    /// # Errors
    /// [`Error::Channel`] with 404 when there is no such queue; the channel is closed then.
    pub async fn queue_exists(&mut self, channel: u16, queue: &str) -> Result<QueueInfo, Error> {
        let declare = DeclareQueue { queue, ..DeclareQueue::default() };
        self.queue(channel, &declare, true).await
    }

    /// Declares a queue.
    ///
    /// # Errors
    /// [`Error::Channel`] with 406 when there is one that differs.
    pub async fn declare_queue(
        &mut self,
        channel: u16,
        declare: &DeclareQueue<'_>,
    ) -> Result<QueueInfo, Error> {
        self.queue(channel, declare, false).await
    }

    async fn queue(
        &mut self,
        channel: u16,
        declare: &DeclareQueue<'_>,
        passive: bool,
    ) -> Result<QueueInfo, Error> {
        let arguments = Encoded::new(&declare.arguments);
        let method = Method::QueueDeclare(QueueDeclare {
            queue: name("queue", declare.queue)?,
            passive,
            durable: declare.durable,
            exclusive: declare.exclusive,
            auto_delete: declare.auto_delete,
            no_wait: false,
            arguments: arguments.raw(),
        });
        match self.ask(channel, method).await? {
            Answer::Queue { name, messages, consumers } => {
                Ok(QueueInfo { name, messages, consumers })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Looks for an exchange. The default one, the empty name, always exists and is not asked for.
    ///
    /// # Errors
    /// [`Error::Channel`] with 404 when there is no such exchange; the channel is closed then.
    pub async fn exchange_exists(&mut self, channel: u16, exchange: &str) -> Result<(), Error> {
        if exchange.is_empty() {
            return Ok(());
        }
        // RabbitMQ looks at the type even though it does not matter.
        let declare = DeclareExchange { exchange, kind: "direct", ..DeclareExchange::default() };
        self.exchange(channel, &declare, true).await
    }

    /// Declares an exchange.
    ///
    /// # Errors
    /// [`Error::Channel`] with 406 when there is one that differs.
    pub async fn declare_exchange(
        &mut self,
        channel: u16,
        declare: &DeclareExchange<'_>,
    ) -> Result<(), Error> {
        self.exchange(channel, declare, false).await
    }

    async fn exchange(
        &mut self,
        channel: u16,
        declare: &DeclareExchange<'_>,
        passive: bool,
    ) -> Result<(), Error> {
        let arguments = Encoded::new(&declare.arguments);
        let method = Method::ExchangeDeclare(ExchangeDeclare {
            exchange: name("exchange", declare.exchange)?,
            kind: name("exchange type", declare.kind)?,
            passive,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            no_wait: false,
            arguments: arguments.raw(),
        });
        self.done(channel, method, (40, 11)).await
    }

    /// Deletes an exchange.
    ///
    /// # Errors
    /// See above.
    pub async fn delete_exchange(&mut self, channel: u16, exchange: &str) -> Result<(), Error> {
        let exchange = name("exchange", exchange)?;
        let delete = ExchangeDelete { exchange, if_unused: false, no_wait: false };
        self.done(channel, Method::ExchangeDelete(delete), (40, 21)).await
    }

    /// Binds a queue to an exchange.
    ///
    /// # Errors
    /// [`Error::Channel`] with 404 when one of them does not exist.
    pub async fn bind_queue(
        &mut self,
        channel: u16,
        queue: &str,
        exchange: &str,
        routing_key: &str,
        arguments: &Table,
    ) -> Result<(), Error> {
        let arguments = Encoded::new(arguments);
        let method = Method::QueueBind(QueueBind {
            queue: name("queue", queue)?,
            exchange: name("exchange", exchange)?,
            routing_key: name("routing key", routing_key)?,
            no_wait: false,
            arguments: arguments.raw(),
        });
        self.done(channel, method, (50, 21)).await
    }

    /// Drops what waits in a queue, and says how many messages that were.
    ///
    /// # Errors
    /// See above.
    pub async fn purge_queue(&mut self, channel: u16, queue: &str) -> Result<u32, Error> {
        let purge = QueuePurge { queue: name("queue", queue)?, no_wait: false };
        self.counted(channel, Method::QueuePurge(purge)).await
    }

    /// Deletes a queue, and says how many messages went with it.
    ///
    /// # Errors
    /// See above.
    pub async fn delete_queue(&mut self, channel: u16, queue: &str) -> Result<u32, Error> {
        let queue = name("queue", queue)?;
        let delete = QueueDelete { queue, if_unused: false, if_empty: false, no_wait: false };
        self.counted(channel, Method::QueueDelete(delete)).await
    }

    /// Fetches one message, if there is one.
    ///
    /// # Errors
    /// See above.
    pub async fn get(
        &mut self,
        channel: u16,
        queue: &str,
        no_ack: bool,
    ) -> Result<Option<Delivery>, Error> {
        let get = BasicGet { queue: name("queue", queue)?, no_ack };
        match self.ask(channel, Method::BasicGet(get)).await? {
            Answer::Got(got) => Ok(got),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives all unsettled deliveries of a channel back to their queues.
    ///
    /// # Errors
    /// See above.
    pub async fn recover(&mut self, channel: u16) -> Result<(), Error> {
        self.done(channel, Method::BasicRecover(BasicRecover { requeue: true }), (60, 111)).await
    }

    async fn done(
        &mut self,
        channel: u16,
        method: Method<'_>,
        expected: (u16, u16),
    ) -> Result<(), Error> {
        match self.ask(channel, method).await? {
            Answer::Done(ids) if ids == expected => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn counted(&mut self, channel: u16, method: Method<'_>) -> Result<u32, Error> {
        match self.ask(channel, method).await? {
            Answer::Messages(count) => Ok(count),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask(&mut self, channel: u16, method: Method<'_>) -> Result<Answer, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.session.asked(channel, matches!(method, Method::ChannelClose(_)))?;
        frame::write_method(self.link.output(), channel, &method);
        let waiting = Waiting(self);
        let answer = poll_fn(|cx| {
            loop {
                if let Some(answer) = waiting.0.session.answer() {
                    return Poll::Ready(Ok(answer));
                }
                if let Some(error) = &waiting.0.failed {
                    return Poll::Ready(Err(error.clone()));
                }
                ready!(waiting.0.poll_io(cx, true));
            }
        });
        match answer.await? {
            Answer::Closed(closed) => Err(Error::Channel(closed)),
            answer => Ok(answer),
        }
    }
}

/// A table as it goes into a method.
struct Encoded(Vec<u8>);

impl Encoded {
    fn new(table: &Table) -> Encoded {
        let mut bytes = Vec::new();
        table.encode(&mut bytes);
        Encoded(bytes)
    }

    /// Without the 32-bit length, which the method writes.
    fn raw(&self) -> RawTable<'_> {
        RawTable(self.0.get(4..).unwrap_or_default())
    }
}

/// Short strings have 255 bytes at most, and would be cut silently.
fn name<'a>(what: &str, name: &'a str) -> Result<&'a str, Error> {
    match name.len() {
        0..=255 => Ok(name),
        bytes => {
            let text = format!("the {what} has {bytes} bytes, 255 are allowed: {name}");
            Err(Error::Argument(text))
        }
    }
}

fn unexpected(answer: &Answer) -> Error {
    Error::Protocol(format!("the answer belongs to another request: {answer:?}"))
}
