//! A connection to the broker that is wanted all the time: opened, set up for one purpose, and
//! opened again after every failure, on the next address, with growing pauses.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use amqp::value::Table;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::connection::{Connection, Consume};
use crate::error::Error;
use crate::event::{ChannelClosed, Event};
use crate::options::Options;
use topology::Topology;

pub mod topology;

/// The tag of the only consumer.
pub const CONSUMER: &str = "leveret";

/// What the connection is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// Reads a queue.
    Consume {
        /// Its name.
        queue: String,
        /// How many messages may be unacknowledged; 0 is unlimited.
        qos: u16,
        /// Whether deliveries are settled by being sent.
        no_ack: bool,
        /// As `x-priority`.
        arguments: Table,
    },
    /// Publishes with confirms; the exchange has to be there, unless it has no name.
    Publish {
        /// Its name.
        exchange: String,
    },
    /// What its owner does with it.
    Idle,
}

/// What happened.
pub enum LinkEvent {
    /// It is set up: everything of an earlier connection is void.
    Up,
    /// The broker sent something.
    Event(Event),
    /// It could not be had, or is gone; it will be tried again by itself.
    Down(Error),
}

/// An open connection and its only channel.
pub struct Open {
    /// The connection.
    pub connection: Connection,
    /// The number of its channel.
    pub channel: u16,
}

impl Open {
    /// Whether an event is about the present channel or the connection; one of an earlier channel
    /// means nothing any more.
    pub fn concerns(&self, event: &Event) -> bool {
        event.channel().is_none_or(|channel| channel == self.channel)
    }
}

enum State {
    /// Not wanted.
    Off,
    /// To be opened then.
    Waiting(Instant),
    Opening(Pin<Box<dyn Future<Output = Result<Open, Error>>>>),
    Open(Box<Open>),
}

/// What every channel is set up for.
#[derive(Clone)]
struct Work {
    purpose: Purpose,
    /// What is declared before.
    topology: Option<Rc<Topology>>,
}

/// The connection.
pub struct Link {
    options: Rc<Options>,
    work: Work,
    backoff: Backoff,
    state: State,
    /// How many times it was set up: what carries another number is of an earlier life.
    pub epoch: u64,
}

impl Link {
    /// To be opened as soon as it is polled.
    pub fn new(options: Rc<Options>, purpose: Purpose, seed: u64) -> Link {
        let backoff = Backoff::new(options.addresses.len(), options.reconnect, seed);
        let work = Work { purpose, topology: None };
        Link { options, work, backoff, state: State::Waiting(Instant::now()), epoch: 0 }
    }

    /// To make sure of that each time, before it is set up for its purpose.
    pub fn declaring(mut self, topology: Topology) -> Link {
        self.work.topology = Some(Rc::new(topology));
        self
    }

    /// The connection, while there is one.
    pub fn open(&mut self) -> Option<&mut Open> {
        match &mut self.state {
            State::Open(open) => Some(open),
            _ => None,
        }
    }

    /// Whether there is a connection.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Where it is connected to, or tries to be; without the password.
    pub fn address(&self) -> String {
        self.options.addresses[self.backoff.address()].to_string()
    }

    /// Ends when something has happened; may be dropped and called again.
    pub async fn next(&mut self) -> LinkEvent {
        loop {
            match &mut self.state {
                State::Off => std::future::pending().await,
                State::Waiting(at) => {
                    sleep_until(*at).await;
                    let options = Rc::clone(&self.options);
                    let (which, work) = (self.backoff.address(), self.work.clone());
                    self.state = State::Opening(Box::pin(async move {
                        let connection = Connection::open(&options, which).await?;
                        set_up(connection, &work).await
                    }));
                }
                State::Opening(opening) => match opening.await {
                    Ok(open) => {
                        self.state = State::Open(Box::new(open));
                        self.epoch += 1;
                        return LinkEvent::Up;
                    }
                    Err(error) => return self.down(error),
                },
                State::Open(open) => match open.connection.next().await {
                    Ok(event) => {
                        // A broker that takes us and drops us at once has not worked.
                        self.backoff.reset();
                        return LinkEvent::Event(event);
                    }
                    Err(error) => return self.down(error),
                },
            }
        }
    }

    fn down(&mut self, error: Error) -> LinkEvent {
        self.state = State::Waiting(Instant::now() + self.backoff.failed());
        LinkEvent::Down(error)
    }

    /// Sets up another channel on the same connection: the old one is closed, or `close` it first.
    pub fn renew(&mut self, close: bool) {
        let state = std::mem::replace(&mut self.state, State::Waiting(Instant::now()));
        self.state = match state {
            State::Open(open) => {
                let work = self.work.clone();
                State::Opening(Box::pin(async move {
                    let Open { mut connection, channel } = *open;
                    if close {
                        connection.close_channel(channel).await?;
                    }
                    set_up(connection, &work).await
                }))
            }
            other => other,
        };
    }

    /// Ends it for good, politely if that goes quickly.
    pub async fn end(&mut self) {
        if let State::Open(open) = std::mem::replace(&mut self.state, State::Off) {
            let _ = tokio::time::timeout(Duration::from_secs(1), open.connection.close()).await;
        }
    }
}

/// Opens the channel. A connection that cannot be set up is closed politely.
async fn set_up(mut connection: Connection, work: &Work) -> Result<Open, Error> {
    match channel(&mut connection, work).await {
        Ok(channel) => Ok(Open { connection, channel }),
        Err(error) => {
            let _ = connection.close().await;
            Err(error)
        }
    }
}

async fn channel(connection: &mut Connection, work: &Work) -> Result<u16, Error> {
    let mut channel = connection.open_channel().await?;
    if let Some(topology) = &work.topology {
        channel = topology.declare(connection, channel).await?;
    }
    match &work.purpose {
        Purpose::Consume { queue, qos, no_ack, arguments } => {
            let arguments = &mut arguments.clone();
            channel = consume(connection, channel, queue, *qos, *no_ack, arguments).await?;
        }
        Purpose::Publish { exchange } => {
            connection.confirm_select(channel).await?;
            if !exchange.is_empty() {
                connection.exchange_exists(channel, exchange).await?;
            }
        }
        Purpose::Idle => {}
    }
    Ok(channel)
}

/// Starts the only consumer; the channel that it is on is returned.
///
/// A broker that does not know an argument may refuse the consumer for it, as RabbitMQ 4.3 does with
/// `x-consumer-timeout` on classic queues: then there is another channel, and no argument.
///
/// # Errors
/// As [`Connection::qos`] and [`Connection::consume`].
pub async fn consume(
    connection: &mut Connection,
    channel: u16,
    queue: &str,
    qos: u16,
    no_ack: bool,
    arguments: &mut Table,
) -> Result<u16, Error> {
    let mut channel = channel;
    loop {
        connection.qos(channel, qos).await?;
        let consume = Consume {
            queue,
            tag: CONSUMER,
            no_ack,
            arguments: arguments.clone(),
            ..Consume::default()
        };
        match connection.consume(channel, &consume).await {
            Err(Error::Channel(closed)) if names_one(&closed, arguments) => {
                *arguments = Table::new();
                channel = connection.open_channel().await?;
            }
            other => return other.map(|_| channel),
        }
    }
}

/// Whether a channel was closed for one of these arguments.
fn names_one(closed: &ChannelClosed, arguments: &Table) -> bool {
    let named = |name: &[u8]| closed.text.contains(&*format!("'{}'", name.escape_ascii()));
    closed.code == 406 && arguments.iter().any(|(name, _)| named(name))
}
