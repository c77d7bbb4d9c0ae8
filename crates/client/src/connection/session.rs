//! What the frames of a connection mean: channels, consumers, messages in pieces, and the answers
//! to requests. No I/O happens here.

use std::collections::VecDeque;
use std::sync::Arc;

use amqp::frame::{self, Frame, FrameError, FrameKind};
use amqp::method::{BasicCancelOk, ChannelCloseOk, ChannelFlowOk, ConnectionCloseOk, Method};

use super::content::{BodyLimits, Content, Fields, Kind};
use crate::error::Error;
use crate::event::{ChannelClosed, Delivery, Event};

#[derive(Debug)]
pub(super) struct Session {
    /// Few, so that a search is cheaper than a map.
    channels: Vec<Channel>,
    /// The number that the next channel gets if it is free. Numbers go round, so that an old
    /// number means nothing for long.
    next_channel: u16,
    pub(super) events: VecDeque<Event>,
    /// The request whose owner waits: its channel, and its number there.
    waiting: Option<(u16, u64)>,
    answer: Option<Answer>,
    /// Consumer of what `get` fetches.
    nobody: Arc<str>,
    body_limits: BodyLimits,
    /// Whether we said goodbye: all but the answer to that is ignored.
    pub(super) closing: bool,
    /// Whether it was answered.
    pub(super) closed: bool,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) number: u16,
    /// Messages published since it was opened, or made a confirm channel.
    pub(super) published: u64,
    /// Whether we asked to close it: all but the answer to that is ignored.
    closing: bool,
    /// Requests are answered in their order, so that counting tells which one an answer is for,
    /// even when the owner of one before no longer waits.
    asked: u64,
    answered: u64,
    consumers: Vec<Arc<str>>,
    content: Option<Content>,
}

/// The answer to a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// Class and method id of an answer that says nothing more.
    Done((u16, u16)),
    /// `queue.declare-ok`
    Queue { name: String, messages: u32, consumers: u32 },
    /// `queue.purge-ok` or `queue.delete-ok`
    Messages(u32),
    /// `basic.consume-ok`
    Consumer(Arc<str>),
    /// `basic.get-ok` with its message, or `basic.get-empty`
    Got(Option<Delivery>),
    /// `channel.close`, the answer to anything
    Closed(ChannelClosed),
}

impl Session {
    pub(super) fn new(body_limits: BodyLimits) -> Session {
        Session {
            channels: Vec::new(),
            next_channel: 1,
            events: VecDeque::new(),
            waiting: None,
            answer: None,
            nobody: Arc::from(""),
            body_limits,
            closing: false,
            closed: false,
        }
    }

    /// Adds a channel with a free number up to `channel_max`.
    pub(super) fn add_channel(&mut self, channel_max: u16) -> Option<u16> {
        if self.channels.len() >= usize::from(channel_max) {
            return None;
        }
        let mut number = self.next_channel;
        let following = |number: u16| if number >= channel_max { 1 } else { number + 1 };
        while self.channels.iter().any(|channel| channel.number == number) {
            number = following(number);
        }
        self.next_channel = following(number);
        self.channels.push(Channel {
            number,
            published: 0,
            closing: false,
            asked: 0,
            answered: 0,
            consumers: Vec::new(),
            content: None,
        });
        Some(number)
    }

    /// A channel that can be used.
    pub(super) fn open_channel(&mut self, number: u16) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.number == number && !channel.closing)
    }

    /// Notes that a request goes out whose owner waits for [`Session::answer`].
    pub(super) fn asked(&mut self, number: u16, closing: bool) -> Result<(), Error> {
        let channel = self.open_channel(number).ok_or(Error::NotOpen(number))?;
        channel.asked += 1;
        if closing {
            channel.closing = true;
            channel.content = None;
        }
        self.waiting = Some((number, channel.asked));
        Ok(())
    }

    /// The answer that its owner waits for.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        self.answer.take().inspect(|_| self.waiting = None)
    }

    /// Nobody waits any more. That the channel was closed is not only the owner's business.
    pub(super) fn abandon(&mut self) {
        self.waiting = None;
        if let Some(Answer::Closed(closed)) = self.answer.take() {
            self.events.push_back(Event::ChannelClosed(closed));
        }
    }

    /// Handles every complete frame of `input`, and says how many bytes those were; `out` is for
    /// what has to be answered.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        frame_max: u32,
        out: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        let mut used = 0;
        let broken = |error: FrameError| Error::Protocol(error.to_string());
        while let Some((frame, bytes)) = frame::parse(&input[used..], frame_max).map_err(broken)? {
            self.frame(frame, out)?;
            used += bytes;
        }
        Ok(used)
    }

    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        match frame.kind {
            FrameKind::Heartbeat => Ok(()),
            FrameKind::Method if frame.channel == 0 => self.connection_method(frame.payload, out),
            _ if self.closing => Ok(()),
            FrameKind::Method => self.channel_method(frame.channel, frame.payload, out),
            FrameKind::Header | FrameKind::Body => self.content(frame),
        }
    }

    fn connection_method(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut fields = Fields::new(payload);
        match Method::ids_of(payload) {
            Some((10, 50)) => {
                let close_ok = Method::ConnectionCloseOk(ConnectionCloseOk {});
                frame::write_method(out, 0, &close_ok);
                // Both said goodbye: nothing is left to wait for.
                self.closed = self.closing;
                if self.closing {
                    return Ok(());
                }
                Err(Error::Closed { code: fields.u16()?, text: fields.text()? })
            }
            Some((10, 51)) if self.closing => {
                self.closed = true;
                Ok(())
            }
            Some((10, 60)) => {
                self.events.push_back(Event::Blocked(fields.text()?));
                Ok(())
            }
            Some((10, 61)) => {
                self.events.push_back(Event::Unblocked);
                Ok(())
            }
            _ if self.closing => Ok(()),
            ids => Err(Error::Protocol(format!("method {ids:?} on channel 0"))),
        }
    }

    fn channel_method(
        &mut self,
        number: u16,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Some(at) = self.channels.iter().position(|channel| channel.number == number) else {
            // It was on its way when the channel was closed.
            return Ok(());
        };
        let channel = &mut self.channels[at];
        let ids = Method::ids_of(payload).unwrap_or_default();
        let mut fields = Fields::new(payload);
        match ids {
            (20, 40) => return self.closed_by_peer(at, fields, out),
            _ if channel.closing && ids != (20, 41) => return Ok(()),
            _ if channel.content.is_some() => {
                let text = format!("method {ids:?} in the middle of a message");
                return Err(Error::Protocol(text));
            }
            (60, 60) => {
                let tag = fields.short()?;
                let consumer = match channel.consumers.iter().find(|c| c.as_bytes() == tag) {
                    Some(consumer) => consumer.clone(),
                    None => Arc::from(String::from_utf8_lossy(tag)),
                };
                let delivery = fields.delivery(number, consumer)?;
                channel.content = Some(Content::new(Kind::Delivery(delivery)));
            }
            (60, 80 | 120) => {
                let (channel, tag, multiple) = (number, fields.u64()?, fields.u8()? & 1 != 0);
                self.events.push_back(match ids {
                    (60, 80) => Event::Acked { channel, tag, multiple },
                    _ => Event::Nacked { channel, tag, multiple },
                });
            }
            (60, 50) => {
                let returned = fields.returned(number)?;
                channel.content = Some(Content::new(Kind::Returned(returned)));
            }
            (60, 71) => {
                let got = fields.delivery(number, self.nobody.clone())?;
                channel.content = Some(Content::new(Kind::Got(got)));
            }
            _ => return self.rare_method(at, payload, out),
        }
        Ok(())
    }

    /// The methods that come once in a while.
    fn rare_method(&mut self, at: usize, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let method = Method::decode(payload).map_err(|e| Error::Protocol(e.to_string()))?;
        let channel = &mut self.channels[at];
        let number = channel.number;
        let answer = match method {
            Method::BasicCancel(cancel) => {
                if !cancel.no_wait {
                    let ok = BasicCancelOk { consumer_tag: cancel.consumer_tag };
                    frame::write_method(out, number, &Method::BasicCancelOk(ok));
                }
                channel.consumers.retain(|consumer| **consumer != *cancel.consumer_tag);
                let consumer = Arc::from(cancel.consumer_tag);
                self.events.push_back(Event::Cancelled { channel: number, consumer });
                return Ok(());
            }
            Method::ChannelFlow(flow) => {
                let ok = ChannelFlowOk { active: flow.active };
                frame::write_method(out, number, &Method::ChannelFlowOk(ok));
                self.events.push_back(Event::Flow { channel: number, active: flow.active });
                return Ok(());
            }
            Method::BasicConsumeOk(ok) => {
                let consumer: Arc<str> = Arc::from(ok.consumer_tag);
                channel.consumers.push(consumer.clone());
                Answer::Consumer(consumer)
            }
            Method::BasicCancelOk(ok) => {
                channel.consumers.retain(|consumer| **consumer != *ok.consumer_tag);
                Answer::Done(method.id())
            }
            Method::QueueDeclareOk(ok) => Answer::Queue {
                name: ok.queue.to_owned(),
                messages: ok.message_count,
                consumers: ok.consumer_count,
            },
            Method::QueuePurgeOk(ok) => Answer::Messages(ok.message_count),
            Method::QueueDeleteOk(ok) => Answer::Messages(ok.message_count),
            Method::BasicGetEmpty(_) => Answer::Got(None),
            Method::ConfirmSelectOk(_) => {
                channel.published = 0;
                Answer::Done(method.id())
            }
            Method::ChannelCloseOk(_) => {
                self.answered(at, Answer::Done(method.id()))?;
                self.channels.swap_remove(at);
                return Ok(());
            }
            Method::ChannelOpenOk(_)
            | Method::ExchangeDeclareOk(_)
            | Method::ExchangeDeleteOk(_)
            | Method::ExchangeBindOk(_)
            | Method::ExchangeUnbindOk(_)
            | Method::QueueBindOk(_)
            | Method::QueueUnbindOk(_)
            | Method::BasicQosOk(_)
            | Method::BasicRecoverOk(_) => Answer::Done(method.id()),
            other => {
                return Err(Error::Protocol(format!("{} on channel {number}", other.name())));
            }
        };
        self.answered(at, answer)
    }

    fn content(&mut self, frame: Frame<'_>) -> Result<(), Error> {
        let found = self.channels.iter().position(|channel| channel.number == frame.channel);
        let Some(at) = found.filter(|at| !self.channels[*at].closing) else { return Ok(()) };
        let channel = &mut self.channels[at];
        let Some(content) = &mut channel.content else {
            return Err(Error::Protocol("a piece of a message without its method".into()));
        };
        let whole = match frame.kind {
            FrameKind::Header => content.header(frame.payload, self.body_limits)?,
            _ => content.body(frame.payload)?,
        };
        if whole && let Some(content) = channel.content.take() {
            match content.kind {
                Kind::Delivery(delivery) => self.events.push_back(Event::Delivery(delivery)),
                Kind::Returned(returned) => self.events.push_back(Event::Returned(returned)),
                Kind::Got(got) => return self.answered(at, Answer::Got(Some(got))),
            }
        }
        Ok(())
    }

    fn answered(&mut self, at: usize, answer: Answer) -> Result<(), Error> {
        let channel = &mut self.channels[at];
        if channel.answered == channel.asked {
            return Err(Error::Protocol(format!("an answer to nothing: {answer:?}")));
        }
        channel.answered += 1;
        if self.waiting == Some((channel.number, channel.answered)) {
            self.answer = Some(answer);
        }
        Ok(())
    }

    /// Confirms that a channel is closed and forgets it, unless our own request to close it is on
    /// its way, which is answered too.
    fn closed_by_peer(
        &mut self,
        at: usize,
        mut fields: Fields<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let number = self.channels[at].number;
        frame::write_method(out, number, &Method::ChannelCloseOk(ChannelCloseOk {}));
        if self.channels[at].closing {
            return Ok(());
        }
        let (code, text) = (fields.u16()?, fields.text()?);
        let (class_id, method_id) = (fields.u16()?, fields.u16()?);
        let closed = ChannelClosed { channel: number, code, text, class_id, method_id };
        self.channels.swap_remove(at);
        // Whatever was asked last, this is the answer.
        if self.waiting.is_some_and(|(channel, _)| channel == number) && self.answer.is_none() {
            self.answer = Some(Answer::Closed(closed));
        } else {
            self.events.push_back(Event::ChannelClosed(closed));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
