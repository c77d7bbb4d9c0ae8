//! A small blocking AMQP client that sees everything a test wants to see, on threads.
//!
//! A reader thread turns frames into [`Event`]s; the owner writes. Nothing is retried and nothing is
//! hidden: when the broker dies, the next call says so.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use amqp::content::{ContentHeader, Properties, PropertiesBuf};
use amqp::frame::{self, FrameKind, PROTOCOL_HEADER};
use amqp::method::{
    BasicAck, BasicConsume, BasicNack, BasicPublish, BasicQos, ChannelOpen, ConfirmSelect,
    ConnectionOpen, ConnectionStartOk, ConnectionTuneOk, Method, QueueDeclare,
};
use amqp::value::{RawTable, Table, Value};
use anyhow::{Context, Result, bail};

/// How long a synchronous answer may take; a broker under strace with a full disk is slow.
const ANSWER: Duration = Duration::from_secs(20);

/// How long a write may wait for a broker that does not read, as one that blocks its publishers.
const WRITTEN: Duration = Duration::from_secs(4);

/// The only channel that is used.
const CHANNEL: u16 = 1;

/// What the broker sent.
#[derive(Debug)]
pub(crate) enum Event {
    Ack {
        tag: u64,
        multiple: bool,
    },
    Nack {
        tag: u64,
        multiple: bool,
    },
    Delivery(Delivery),
    Blocked(String),
    Unblocked,
    /// Any other method: its name and payload.
    Method(&'static str, Vec<u8>),
    /// Nothing follows.
    Closed(String),
}

/// One `basic.deliver` with its content.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub tag: u64,
    pub redelivered: bool,
    pub consumer: String,
    pub body: Vec<u8>,
}

/// A connection with one channel.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    events: Receiver<Event>,
    /// Events that came while a synchronous answer was awaited.
    early: VecDeque<Event>,
    out: Vec<u8>,
    frame_max: u32,
    persistent: Vec<u8>,
}

impl Client {
    /// Opens a connection as guest and a channel on it.
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut stream = TcpStream::connect_timeout(&address, ANSWER).context("connect")?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITTEN))?;
        stream.write_all(&PROTOCOL_HEADER)?;
        let (sender, events) = channel();
        let reading = stream.try_clone()?;
        std::thread::spawn(move || read(reading, &sender));
        let persistent = PropertiesBuf { delivery_mode: Some(2), ..PropertiesBuf::default() };
        let mut client = Self {
            stream,
            events,
            early: VecDeque::new(),
            out: Vec::new(),
            frame_max: 131_072,
            persistent: persistent.encode(),
        };
        client.open()?;
        Ok(client)
    }

    fn open(&mut self) -> Result<()> {
        self.answer("connection.start")?;
        let mut capabilities = Table::new();
        for name in
            ["connection.blocked", "consumer_cancel_notify", "basic.nack", "publisher_confirms"]
        {
            capabilities.insert(name, Value::from(true));
        }
        let mut properties = Table::new();
        properties.insert("product", Value::from("xtask crash"));
        properties.insert("capabilities", Value::from(capabilities));
        let mut encoded = Vec::new();
        properties.encode(&mut encoded);
        self.send(
            0,
            &ConnectionStartOk {
                client_properties: RawTable(&encoded[4..]),
                mechanism: "PLAIN",
                response: b"\0guest\0guest",
                locale: "en_US",
            }
            .into(),
        )?;
        let payload = self.answer("connection.tune")?;
        if let Method::ConnectionTune(tune) = Method::decode(&payload)? {
            self.frame_max = tune.frame_max.min(131_072);
        }
        let frame_max = self.frame_max;
        self.send(0, &ConnectionTuneOk { channel_max: 16, frame_max, heartbeat: 0 }.into())?;
        self.send(0, &ConnectionOpen { virtual_host: "/" }.into())?;
        self.answer("connection.open-ok")?;
        self.send(CHANNEL, &ChannelOpen {}.into())?;
        self.answer("channel.open-ok").map(drop)
    }

    pub(crate) fn confirm_select(&mut self) -> Result<()> {
        self.send(CHANNEL, &ConfirmSelect { no_wait: false }.into())?;
        self.answer("confirm.select-ok").map(drop)
    }

    /// Declares a durable queue, or only asks for it; the number of messages that are ready.
    pub(crate) fn declare(&mut self, queue: &str, passive: bool) -> Result<u32> {
        let declare = QueueDeclare { queue, passive, durable: true, ..QueueDeclare::default() };
        self.send(CHANNEL, &declare.into())?;
        let payload = self.answer("queue.declare-ok")?;
        match Method::decode(&payload)? {
            Method::QueueDeclareOk(ok) => Ok(ok.message_count),
            other => bail!("{} instead of queue.declare-ok", other.name()),
        }
    }

    /// Consumes with manual acks; the queue's name is the consumer's tag. 0 is no limit.
    pub(crate) fn consume(&mut self, queue: &str, prefetch_count: u16) -> Result<()> {
        let qos = BasicQos { prefetch_size: 0, prefetch_count, global: false };
        self.send(CHANNEL, &qos.into())?;
        self.answer("basic.qos-ok")?;
        let consume = BasicConsume { queue, consumer_tag: queue, ..BasicConsume::default() };
        self.send(CHANNEL, &consume.into())?;
        self.answer("basic.consume-ok").map(drop)
    }

    /// Appends a message to what [`Client::flush`] sends.
    pub(crate) fn publish(&mut self, queue: &str, persistent: bool, body: &[u8]) {
        let publish = BasicPublish { routing_key: queue.into(), ..BasicPublish::default() };
        frame::write_method(&mut self.out, CHANNEL, &publish.into());
        let properties = if persistent { Properties(&self.persistent) } else { Properties::EMPTY };
        frame::write_content(&mut self.out, CHANNEL, properties, body, self.frame_max);
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        let out = std::mem::take(&mut self.out);
        self.stream.write_all(&out).context("write")
    }

    pub(crate) fn ack(&mut self, delivery_tag: u64, multiple: bool) -> Result<()> {
        self.send(CHANNEL, &BasicAck { delivery_tag, multiple }.into())
    }

    /// Puts one delivery back into its queue.
    pub(crate) fn requeue(&mut self, delivery_tag: u64) -> Result<()> {
        let nack = BasicNack { delivery_tag, multiple: false, requeue: true };
        self.send(CHANNEL, &nack.into())
    }

    /// The next event, or `None` after `limit`.
    pub(crate) fn next(&mut self, limit: Duration) -> Option<Event> {
        if let Some(event) = self.early.pop_front() {
            return Some(event);
        }
        match self.events.recv_timeout(limit) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Event::Closed("disconnected".into())),
        }
    }

    fn send(&mut self, channel: u16, method: &Method<'_>) -> Result<()> {
        frame::write_method(&mut self.out, channel, method);
        self.flush()
    }

    /// Waits for a method; other events are kept for [`Client::next`].
    fn answer(&mut self, name: &str) -> Result<Vec<u8>> {
        let mut others = VecDeque::new();
        let payload = loop {
            match self.next(ANSWER) {
                Some(Event::Method(got, payload)) if got == name => break payload,
                Some(Event::Closed(reason)) => bail!("closed while waiting for {name}: {reason}"),
                Some(other) => others.push_back(other),
                None => bail!("no {name} in {} s", ANSWER.as_secs()),
            }
        };
        others.append(&mut self.early);
        self.early = others;
        Ok(payload)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Ends the reader thread too, whose handle is a clone of this socket.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The reader thread.
fn read(stream: TcpStream, events: &Sender<Event>) {
    let reason = match Reader::new(stream).run(events) {
        Ok(()) => "end of stream".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    let _ = events.send(Event::Closed(reason));
}

/// Turns bytes into events.
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The delivery whose content is coming, and how many bytes of its body are missing.
    partial: Option<(Delivery, u64)>,
}

impl Reader {
    fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new(), partial: None }
    }

    fn run(mut self, events: &Sender<Event>) -> Result<()> {
        let mut piece = vec![0; 256 * 1024];
        loop {
            let count = self.stream.read(&mut piece).context("read")?;
            if count == 0 {
                return Ok(());
            }
            self.buffer.extend_from_slice(&piece[..count]);
            let buffer = std::mem::take(&mut self.buffer);
            let mut at = 0;
            while let Some((frame, used)) = frame::parse(&buffer[at..], 0)? {
                at += used;
                if let Some(event) = self.frame(&frame)?
                    && events.send(event).is_err()
                {
                    return Ok(());
                }
            }
            self.buffer.extend_from_slice(&buffer[at..]);
        }
    }

    fn frame(&mut self, frame: &frame::Frame<'_>) -> Result<Option<Event>> {
        match frame.kind {
            FrameKind::Method => self.method(frame.payload),
            FrameKind::Header => {
                let header = ContentHeader::decode(frame.payload)?;
                let (_, missing) = self.partial.as_mut().context("a header without a method")?;
                *missing = header.body_size;
                Ok(self.whole())
            }
            FrameKind::Body => {
                let (delivery, missing) =
                    self.partial.as_mut().context("a body without a method")?;
                delivery.body.extend_from_slice(frame.payload);
                let count = u64::try_from(frame.payload.len())?;
                *missing = missing.checked_sub(count).context("a body beyond its size")?;
                Ok(self.whole())
            }
            FrameKind::Heartbeat => Ok(None),
        }
    }

    fn whole(&mut self) -> Option<Event> {
        let (delivery, _) = self.partial.take_if(|(_, missing)| *missing == 0)?;
        Some(Event::Delivery(delivery))
    }

    fn method(&mut self, payload: &[u8]) -> Result<Option<Event>> {
        let event = match Method::decode(payload)? {
            Method::BasicAck(ack) => Event::Ack { tag: ack.delivery_tag, multiple: ack.multiple },
            Method::BasicNack(nack) => {
                Event::Nack { tag: nack.delivery_tag, multiple: nack.multiple }
            }
            Method::BasicDeliver(deliver) => {
                let delivery = Delivery {
                    tag: deliver.delivery_tag,
                    redelivered: deliver.redelivered,
                    consumer: deliver.consumer_tag.to_owned(),
                    body: Vec::new(),
                };
                self.partial = Some((delivery, u64::MAX));
                return Ok(None);
            }
            Method::ConnectionBlocked(blocked) => Event::Blocked(blocked.reason.to_owned()),
            Method::ConnectionUnblocked(_) => Event::Unblocked,
            Method::ConnectionClose(close) => Event::Closed(close.reply_text.to_owned()),
            Method::ChannelClose(close) => Event::Closed(close.reply_text.to_owned()),
            other => Event::Method(other.name(), payload.to_vec()),
        };
        Ok(Some(event))
    }
}
