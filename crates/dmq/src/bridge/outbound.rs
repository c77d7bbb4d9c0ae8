//! What a message of the queue asks for, and how it is settled when that is done. Pure functions.

#[cfg(test)]
mod tests;

use amqp::content::{Properties, PropertyScan};
use amqp::value::RawTable;
use client::event::Delivery;
use serde::Serialize;

use super::inbound::{NODE_HEADER, PEER_HEADER, Publication, SOURCE_HEADER};
use crate::address::{NodeUri, UriError};
use crate::desk::SendError;
use crate::message::{Delivered, Outcome, Outgoing, Recipient};
use crate::outcomes::Outcomes;

/// Why a message of the queue can never be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    #[error("its properties or headers cannot be read")]
    Properties,
    #[error(
        "it has the header {SOURCE_HEADER}: it came from the bus, and would go round in circles; take that header off"
    )]
    FromBus,
    #[error(
        "it names no peer: publish it with the peer as the routing key, or with the header {PEER_HEADER}"
    )]
    NoPeer,
    #[error("its header {0} is not text")]
    NotText(&'static str),
    #[error("its header {NODE_HEADER} is no node: {0}; write sip:host:port")]
    Node(#[from] UriError),
    #[error("its content type is not text")]
    ContentType,
    #[error("its body has {bytes} bytes, and {bytes_max} are the most (body_bytes_max)")]
    TooLarge { bytes: u64, bytes_max: usize },
}

/// Where the outcomes are to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplyTo {
    queue: Vec<u8>,
    correlation_id: Option<Vec<u8>>,
    delivery_mode: Option<u8>,
}

/// How a delivery is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// At least one node took it.
    Ack,
    /// It is of no use to try again: for the queue's dead-letter exchange.
    Reject,
    /// It was not sent to anybody: back into the queue.
    Requeue,
}

/// What the message asks for.
///
/// The peer is the header `dmq-peer`, or a routing key of one word; what was published to the queue
/// itself, over the default exchange, has the queue's name there. It goes to the node in the header
/// `dmq-node`, or else to all.
pub(super) fn asked(delivery: &Delivery, body_bytes_max: usize) -> Result<Outgoing, Bad> {
    let bytes = delivery.body_bytes;
    if bytes > body_bytes_max as u64 {
        return Err(Bad::TooLarge { bytes, bytes_max: body_bytes_max });
    }
    let scan = Properties(&delivery.properties).scan().map_err(|_| Bad::Properties)?;
    let headers = scan.headers.unwrap_or_default();
    if headers.get(SOURCE_HEADER).map_err(|_| Bad::Properties)?.is_some() {
        return Err(Bad::FromBus);
    }
    let peer = match text(headers, PEER_HEADER)? {
        Some(peer) => peer,
        None => match str::from_utf8(&delivery.routing_key) {
            Ok(key) if is_word(key) && !delivery.exchange.is_empty() => key.to_owned(),
            _ => return Err(Bad::NoPeer),
        },
    };
    let to = match text(headers, NODE_HEADER)? {
        Some(node) => Recipient::One(node.parse::<NodeUri>()?),
        None => Recipient::All,
    };
    let content_type = str::from_utf8(scan.content_type.unwrap_or_default());
    Ok(Outgoing {
        peer: peer.into(),
        to,
        content_type: content_type.map_err(|_| Bad::ContentType)?.into(),
        body: delivery.body.as_slice().into(),
        lane: 0,
    })
}

fn is_word(key: &str) -> bool {
    !key.is_empty() && !key.contains('.')
}

fn text(headers: RawTable<'_>, name: &'static str) -> Result<Option<String>, Bad> {
    let Some(value) = headers.get(name).map_err(|_| Bad::Properties)? else { return Ok(None) };
    let text = value.as_bytes().and_then(|bytes| str::from_utf8(bytes).ok());
    text.map(|text| Some(text.to_owned())).ok_or(Bad::NotText(name))
}

/// Where the message wants its outcomes; `None` when it does not want them.
pub(super) fn reply_to(delivery: &Delivery) -> Option<ReplyTo> {
    let scan = Properties(&delivery.properties).scan().ok()?;
    let queue = scan.reply_to.filter(|queue| !queue.is_empty())?.to_vec();
    let correlation_id = scan.correlation_id.or(scan.message_id).map(<[u8]>::to_vec);
    Some(ReplyTo { queue, correlation_id, delivery_mode: scan.delivery_mode })
}

/// How a message is settled, and, unless it was taken, why.
pub(super) fn verdict(outcome: &Result<Vec<Delivered>, SendError>) -> (Verdict, String) {
    let delivered = match outcome {
        Err(error) => return (Verdict::Reject, error.to_string()),
        Ok(delivered) => delivered,
    };
    if delivered.iter().any(|one| one.outcome.is_taken()) {
        return (Verdict::Ack, String::new());
    }
    match delivered.first() {
        None => (Verdict::Reject, "no other node is active".into()),
        Some(_) if delivered.iter().all(|one| one.outcome == Outcome::Dropped) => {
            (Verdict::Requeue, "it was not sent before its nodes left, or we stop".into())
        }
        Some(first) => {
            let (node, word) = (&first.node, first.outcome.word());
            (Verdict::Reject, format!("none of {} nodes took it; {node}: {word}", delivered.len()))
        }
    }
}

/// The body of the answer: the outcomes, or why there are none.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Outcomes(Outcomes<'a>),
    Error { error: &'a str },
}

/// The answer to a message whose outcomes are wanted.
pub(super) fn reply(to: ReplyTo, outcome: Result<&[Delivered], &str>) -> Publication {
    let answer = match outcome {
        Ok(delivered) => Answer::Outcomes(Outcomes::of(delivered)),
        Err(error) => Answer::Error { error },
    };
    let properties = PropertyScan {
        content_type: Some(b"application/json"),
        correlation_id: to.correlation_id.as_deref(),
        delivery_mode: to.delivery_mode,
        ..PropertyScan::default()
    };
    Publication {
        exchange: Vec::new(),
        properties: properties.encode(),
        routing_key: to.queue,
        body: serde_json::to_vec(&answer).expect("strings and numbers are always JSON"),
    }
}
