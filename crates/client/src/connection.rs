//! A connection that one task owns.
//!
//! Everything happens inside the calls of its owner: `publish` and `ack` append to a buffer, and
//! [`Connection::next`] and [`Connection::flush`] write it, read what came, and keep the heartbeats.
//! So the owner has to call one of them at least once in half a heartbeat interval, and waits for
//! nothing else in between.

mod content;
mod handshake;
mod link;
mod requests;
mod session;

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use amqp::content::Properties;
use amqp::frame;
use amqp::method::{BasicNack, BasicReject, ConnectionClose, Method};
use amqp::value::Table;

use crate::error::Error;
use crate::event::Event;
use crate::options::Options;
pub use requests::{Consume, DeclareExchange, DeclareQueue, QueueInfo};

use link::Link;
use session::Session;

/// What the broker says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// `RabbitMQ`, `Leveret`, …; empty when it does not say.
    pub product: String,
    /// Its version; empty when it does not say.
    pub version: String,
    /// What it can do beyond the specification.
    pub capabilities: Table,
    /// Everything it says of itself.
    pub properties: Table,
}

/// What was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The highest number of a channel.
    pub channel_max: u16,
    /// The largest frame that we send, in bytes with its envelope; 0 is unlimited.
    pub frame_max: u32,
    /// Seconds between heartbeats; 0 is none.
    pub heartbeat_s: u16,
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    link: Link,
    session: Session,
    server: Server,
    limits: Limits,
    /// The address without its password.
    address: String,
    close_timeout: Duration,
    paused: bool,
    /// Why the connection is gone; said after the events that came before.
    failed: Option<Error>,
}

impl Connection {
    /// Connects to address number `which` and logs in.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Tls`], [`Error::Refused`], [`Error::Closed`],
    /// [`Error::Timeout`], [`Error::Protocol`], [`Error::Io`] and [`Error::Eof`].
    ///
    /// # Panics
    /// When there is no address `which`.
    pub async fn open(options: &Options, which: usize) -> Result<Connection, Error> {
        handshake::open(options, &options.addresses[which]).await
    }

    /// What the broker says of itself.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What was negotiated.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Where it goes, without the password.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for the next thing that the broker sends. While it waits, what is buffered is written
    /// and the heartbeats are kept.
    ///
    /// Nothing is lost when the future is dropped, so it may stand in a `select!`.
    ///
    /// # Errors
    /// The connection is gone. Everything that came before has been given out; what is unsettled
    /// goes back to its queues.
    pub async fn next(&mut self) -> Result<Event, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// What [`Connection::next`] gives if that is there already; does no I/O.
    pub fn try_next(&mut self) -> Option<Event> {
        self.session.events.pop_front()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        loop {
            if let Some(event) = self.session.events.pop_front() {
                return Poll::Ready(Ok(event));
            }
            if let Some(error) = &self.failed {
                return Poll::Ready(Err(error.clone()));
            }
            ready!(self.poll_io(cx, !self.paused));
        }
    }

    /// While paused nothing is read, so that the broker's sending stops as soon as the buffers
    /// between are full; events that were read before are still given out. Heartbeats are sent, but
    /// missing ones are not noticed, and neither is the end of the connection while there is
    /// nothing to write. A request reads nevertheless.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Bytes that are buffered and not yet written. Above a limit of its own the caller stops
    /// publishing, and waits with [`Connection::next`] or [`Connection::flush`].
    pub fn output_bytes(&self) -> usize {
        self.link.output_bytes()
    }

    /// Waits until everything is handed to the system. Unless paused, what the broker sends
    /// meanwhile is read, and kept for [`Connection::next`].
    ///
    /// # Errors
    /// The connection is gone; [`Connection::next`] first gives out what came before.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| {
            loop {
                let polled = self.poll_io(cx, !self.paused);
                if let Some(error) = &self.failed {
                    return Poll::Ready(Err(error.clone()));
                }
                if self.link.is_flushed() {
                    return Poll::Ready(Ok(()));
                }
                ready!(polled);
            }
        })
        .await
    }

    /// Publishes a message, which is buffered. `properties` are flag word and list, or empty for
    /// none; they and the body go out as they are.
    ///
    /// Returns the number of the message on its channel, from 1, under which a confirm channel
    /// acks it. 0 means that nothing was sent: the channel or the connection is gone (an event or
    /// error says why), a name is longer than 255 bytes, or the properties do not fit into a frame.
    pub fn publish(
        &mut self,
        channel: u16,
        exchange: &[u8],
        routing_key: &[u8],
        mandatory: bool,
        properties: &[u8],
        body: &[u8],
    ) -> u64 {
        let properties = match properties {
            [] => Properties::EMPTY,
            bytes => Properties(bytes),
        };
        let frame_max = self.limits.frame_max;
        let fits = exchange.len() <= 255
            && routing_key.len() <= 255
            && (frame_max == 0 || properties.0.len() + content::HEADER_BYTES <= frame_max as usize);
        if !fits || self.failed.is_some() {
            return 0;
        }
        let Some(channel) = self.session.open_channel(channel) else { return 0 };
        channel.published += 1;
        let out = self.link.output();
        content::write_publish(out, channel.number, exchange, routing_key, mandatory);
        frame::write_content(out, channel.number, properties, body, frame_max);
        channel.published
    }

    /// Settles a delivery, or with `multiple` all up to it. Buffered; on a channel that is gone
    /// nothing happens, here and in the next two.
    pub fn ack(&mut self, channel: u16, tag: u64, multiple: bool) {
        if let Some(out) = self.output_of(channel) {
            frame::write_ack(out, channel, tag, multiple);
        }
    }

    /// Gives a delivery back, or with `multiple` all up to it: to the queue, or, without `requeue`,
    /// to the queue's dead-letter exchange.
    pub fn nack(&mut self, channel: u16, tag: u64, multiple: bool, requeue: bool) {
        if let Some(out) = self.output_of(channel) {
            let nack = BasicNack { delivery_tag: tag, multiple, requeue };
            frame::write_method(out, channel, &Method::BasicNack(nack));
        }
    }

    /// As [`Connection::nack`] for one delivery, for brokers without `basic.nack`.
    pub fn reject(&mut self, channel: u16, tag: u64, requeue: bool) {
        if let Some(out) = self.output_of(channel) {
            let reject = BasicReject { delivery_tag: tag, requeue };
            frame::write_method(out, channel, &Method::BasicReject(reject));
        }
    }

    /// Writes what is buffered, says goodbye and waits for the answer.
    ///
    /// # Errors
    /// The connection broke before the broker answered, so that what was buffered may not have
    /// arrived.
    pub async fn close(mut self) -> Result<(), Error> {
        let address = self.address.clone();
        let (limit, step) = (self.close_timeout, "closing of the connection");
        handshake::within(&address, limit, step, async move {
            let close =
                ConnectionClose { reply_code: 200, reply_text: "goodbye", ..<_>::default() };
            frame::write_method(self.link.output(), 0, &Method::ConnectionClose(close));
            self.session.closing = true;
            poll_fn(|cx| {
                loop {
                    if self.session.closed {
                        return Poll::Ready(Ok(()));
                    }
                    if let Some(error) = self.failed.take() {
                        return Poll::Ready(Err(error));
                    }
                    ready!(self.poll_io(cx, true));
                }
            })
            .await?;
            // A last word, when both said goodbye; whether it arrives changes nothing.
            let _ = poll_fn(|cx| self.link.poll_write(cx)).await;
            self.link.shut_down().await;
            Ok(())
        })
        .await
    }

    fn output_of(&mut self, channel: u16) -> Option<&mut Vec<u8>> {
        self.session.open_channel(channel)?;
        self.failed.is_none().then(|| self.link.output())
    }

    /// Handles what was read.
    fn take(&mut self) -> Result<(), Error> {
        let frame_max = self.link.frame_max();
        let (input, out) = self.link.split();
        let used = self.session.take(input, frame_max, out)?;
        self.link.handled(used);
        Ok(())
    }

    /// Writes, reads once, and looks at the heartbeat. Ready when bytes were read and handled or
    /// the connection failed; pending with all wakers set otherwise.
    fn poll_io(&mut self, cx: &mut Context<'_>, read: bool) -> Poll<()> {
        if self.failed.is_some() {
            return Poll::Ready(());
        }
        match self.poll_io_once(cx, read) {
            Poll::Ready(Err(error)) => {
                // The close-ok is the last word; whether it arrives changes nothing.
                let _ = self.link.poll_write(cx);
                self.failed = Some(error);
                Poll::Ready(())
            }
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_io_once(&mut self, cx: &mut Context<'_>, read: bool) -> Poll<Result<(), Error>> {
        let written = self.link.poll_write(cx);
        let mut progress = false;
        if read && self.link.poll_read(cx)?.is_ready() {
            progress = true;
            self.take()?;
        }
        if let Poll::Ready(Err(error)) = written {
            // The broker may have said why before it hung up: what it said is read first.
            if !progress {
                return Poll::Ready(Err(Error::io(error)));
            }
        }
        if self.link.poll_heartbeat(cx, read)? {
            let _ = self.link.poll_write(cx);
        }
        if progress { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}
