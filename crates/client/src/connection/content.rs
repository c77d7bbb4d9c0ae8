//! The frames of messages: read leniently, because their strings may be any bytes, and written
//! without a method in between.

use std::sync::Arc;

use amqp::content::ContentHeader;
use amqp::frame::FRAME_END;

use crate::error::Error;
use crate::event::{Delivery, Returned};

/// Bytes of a header frame that are not properties: envelope, class, weight, body size.
pub(super) const HEADER_BYTES: usize = 8 + 12;

/// A body is given memory for at most this much more than has arrived, or as much again.
const STEP_BYTES: usize = 1024 * 1024;

/// A message whose frames are still coming.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) kind: Kind,
    /// Bytes of body that are missing; `None` before the header came.
    missing: Option<u64>,
    /// Whether the body is read and forgotten.
    skipped: bool,
}

/// How large bodies may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// A larger one ends the connection.
    pub(super) max: u64,
    /// A larger one of a delivery is not kept.
    pub(super) keep: u64,
}

/// What a message came with.
#[derive(Debug)]
pub(super) enum Kind {
    Delivery(Delivery),
    /// The answer to `basic.get`.
    Got(Delivery),
    Returned(Returned),
}

impl Content {
    pub(super) fn new(kind: Kind) -> Content {
        Content { kind, missing: None, skipped: false }
    }

    /// Takes a header frame; true when there is no body.
    pub(super) fn header(&mut self, payload: &[u8], limits: BodyLimits) -> Result<bool, Error> {
        let header = ContentHeader::decode(payload)
            .map_err(|e| Error::Protocol(format!("content header: {e}")))?;
        if self.missing.is_some() {
            return Err(Error::Protocol("a second content header for one message".into()));
        }
        let bytes = header.body_size;
        if bytes > limits.max {
            return Err(Error::TooLarge { bytes, max: limits.max });
        }
        self.missing = Some(bytes);
        if let Kind::Delivery(delivery) | Kind::Got(delivery) = &mut self.kind {
            delivery.body_bytes = bytes;
            self.skipped = bytes > limits.keep;
        }
        let skipped = self.skipped;
        let (properties, body) = self.parts();
        *properties = header.properties.0.to_vec();
        let kept = if skipped { 0 } else { bytes };
        *body = Vec::with_capacity(usize::try_from(kept).unwrap_or(STEP_BYTES).min(STEP_BYTES));
        Ok(bytes == 0)
    }

    /// Takes a body frame; true when it is the last.
    pub(super) fn body(&mut self, payload: &[u8]) -> Result<bool, Error> {
        let Some(missing) = self.missing else {
            return Err(Error::Protocol("a body before its content header".into()));
        };
        let missing = missing.checked_sub(payload.len() as u64).ok_or_else(|| {
            Error::Protocol("a body is longer than its content header says".into())
        })?;
        self.missing = Some(missing);
        if self.skipped {
            return Ok(missing == 0);
        }
        let (_, body) = self.parts();
        if body.capacity() - body.len() < payload.len() {
            let rest = usize::try_from(missing).unwrap_or(usize::MAX);
            body.reserve_exact(payload.len() + rest.min(body.len().max(STEP_BYTES)));
        }
        body.extend_from_slice(payload);
        Ok(missing == 0)
    }

    fn parts(&mut self) -> (&mut Vec<u8>, &mut Vec<u8>) {
        match &mut self.kind {
            Kind::Delivery(delivery) | Kind::Got(delivery) => {
                (&mut delivery.properties, &mut delivery.body)
            }
            Kind::Returned(returned) => (&mut returned.properties, &mut returned.body),
        }
    }
}

/// The arguments of a method, taken one after the other.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Behind the ids of a method frame's payload.
    pub(super) fn new(payload: &'a [u8]) -> Fields<'a> {
        Fields(payload.get(4..).unwrap_or_default())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(short_method)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn short(&mut self) -> Result<&'a [u8], Error> {
        let len = usize::from(self.u8()?);
        let (head, rest) = self.0.split_at_checked(len).ok_or_else(short_method)?;
        self.0 = rest;
        Ok(head)
    }

    /// A short string for people.
    pub(super) fn text(&mut self) -> Result<String, Error> {
        self.short().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// What `basic.deliver` and `basic.get-ok` have in common.
    pub(super) fn delivery(&mut self, channel: u16, consumer: Arc<str>) -> Result<Delivery, Error> {
        Ok(Delivery {
            channel,
            consumer,
            tag: self.u64()?,
            redelivered: self.u8()? & 1 != 0,
            exchange: self.short()?.to_vec(),
            routing_key: self.short()?.to_vec(),
            properties: Vec::new(),
            body: Vec::new(),
            body_bytes: 0,
        })
    }

    /// The arguments of `basic.return`.
    pub(super) fn returned(&mut self, channel: u16) -> Result<Returned, Error> {
        Ok(Returned {
            channel,
            code: self.u16()?,
            text: self.text()?,
            exchange: self.short()?.to_vec(),
            routing_key: self.short()?.to_vec(),
            properties: Vec::new(),
            body: Vec::new(),
        })
    }
}

fn short_method() -> Error {
    Error::Protocol("a method is shorter than its arguments".into())
}

/// Appends `basic.publish`. No name is longer than 255 bytes.
pub(super) fn write_publish(
    out: &mut Vec<u8>,
    channel: u16,
    exchange: &[u8],
    routing_key: &[u8],
    mandatory: bool,
) {
    let size = (4 + 2 + 1 + exchange.len() + 1 + routing_key.len() + 1) as u32;
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = size.to_be_bytes();
    let [exchange_len, key_len] = [exchange, routing_key].map(|name| name.len() as u8);
    out.extend_from_slice(&[1, c1, c0, s3, s2, s1, s0, 0, 60, 0, 40, 0, 0, exchange_len]);
    out.extend_from_slice(exchange);
    out.push(key_len);
    out.extend_from_slice(routing_key);
    out.extend_from_slice(&[u8::from(mandatory), FRAME_END]);
}
