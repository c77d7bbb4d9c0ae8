//! Puts a publish together from its method, header and body frames, and knows what frame comes next.

use amqp::content::{ContentHeader, Properties};
use amqp::error::{AmqpError, ReplyCode};
use amqp::method::BasicPublish;

/// Method and class of `basic.publish`, the only content that clients send.
pub(crate) const BASIC_PUBLISH: (u16, u16) = (60, 40);

/// A body is not reserved beyond this before its bytes come: 1 MiB.
const RESERVE_BYTES_MAX: usize = 1 << 20;

/// A publish whose frames are not all there.
pub(crate) struct Assembly {
    pub(crate) publish: OwnedPublish,
    remaining: Option<u64>,
}

/// A publish that outlives the bytes it came in.
pub(crate) struct OwnedPublish {
    pub(crate) exchange: Box<str>,
    pub(crate) routing_key: Box<[u8]>,
    pub(crate) mandatory: bool,
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Assembly {
    /// Starts with the method.
    pub(crate) fn new(method: &BasicPublish<'_>) -> Assembly {
        let publish = OwnedPublish {
            exchange: method.exchange.into(),
            routing_key: method.routing_key.0.into(),
            mandatory: method.mandatory,
            properties: Vec::new(),
            body: Vec::new(),
        };
        Assembly { publish, remaining: None }
    }

    /// Takes the header frame; true when there is no body to come.
    pub(crate) fn header(&mut self, payload: &[u8], size_max: u64) -> Result<bool, AmqpError> {
        if self.remaining.is_some() {
            return Err(unexpected("expected content body, got non content body frame instead"));
        }
        let header = decode_header(payload, size_max)?;
        self.publish.properties.extend_from_slice(header.properties.0);
        let size = header.body_size;
        self.publish.body.reserve_exact((size as usize).min(RESERVE_BYTES_MAX));
        self.remaining = Some(size);
        Ok(size == 0)
    }

    /// Takes a body frame; true when it was the last one.
    pub(crate) fn body(&mut self, payload: &[u8]) -> Result<bool, AmqpError> {
        let Some(remaining) = &mut self.remaining else {
            let text = "expected content header for class 60, got non content header frame instead";
            return Err(unexpected(text));
        };
        let Some(rest) = remaining.checked_sub(payload.len() as u64) else {
            let text = "content body is longer than its header says";
            return Err(unexpected(text));
        };
        *remaining = rest;
        self.publish.body.extend_from_slice(payload);
        Ok(rest == 0)
    }

    /// The error for a method frame in the middle of a content.
    pub(crate) fn interrupted(&self) -> AmqpError {
        match self.remaining {
            None => unexpected(
                "expected content header for class 60, got non content header frame instead",
            ),
            Some(_) => unexpected("expected content body, got non content body frame instead"),
        }
    }
}

/// Decodes and checks a header frame of a publish.
pub(crate) fn decode_header(payload: &[u8], size_max: u64) -> Result<ContentHeader<'_>, AmqpError> {
    let header = ContentHeader::decode(payload)
        .map_err(|error| AmqpError::new(error.reply_code(), error.to_string()).at(BASIC_PUBLISH))?;
    if header.class_id != BASIC_PUBLISH.0 {
        return Err(unexpected(&format!(
            "expected content header for class 60, got one for class {} with size {} instead",
            header.class_id, header.body_size
        )));
    }
    if header.body_size > size_max {
        let text = format!(
            "message size {} is larger than configured max size {size_max}",
            header.body_size
        );
        return Err(AmqpError::new(ReplyCode::PreconditionFailed, text).at(BASIC_PUBLISH));
    }
    Ok(header)
}

/// 505 in the middle of a publish.
fn unexpected(text: &str) -> AmqpError {
    AmqpError::new(ReplyCode::UnexpectedFrame, text).at(BASIC_PUBLISH)
}

impl OwnedPublish {
    pub(crate) fn as_publish(&self) -> broker::Publish<'_> {
        broker::Publish {
            exchange: self.exchange.as_bytes(),
            routing_key: &self.routing_key,
            mandatory: self.mandatory,
            properties: Properties(&self.properties),
            body: &self.body,
        }
    }
}
