//! A message that somebody makes up.

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};
use bytes::Bytes;
use service::config::nearest;

use super::TrialError;
use crate::message::Message;

/// Names of queues and keys, and texts of properties, have at most so many bytes.
const SHORT_BYTES_MAX: usize = 255;

/// What a made-up message says.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The body.
    pub body: Vec<u8>,
    /// `NAME=VALUE`; the values are texts.
    pub headers: Vec<String>,
    /// `NAME=VALUE`, by the names of the protocol, such as `content-type`.
    pub properties: Vec<String>,
    /// Empty for the default exchange.
    pub exchange: String,
    /// The queue's name without one.
    pub routing_key: Option<String>,
}

/// Where a property's value goes.
enum Place<'a> {
    Text(&'a mut Option<Vec<u8>>),
    Octet(&'a mut Option<u8>),
    Seconds(&'a mut Option<u64>),
}

/// A property by its name.
type Property = (&'static str, fn(&mut PropertiesBuf) -> Place<'_>);

/// The properties that a message can have.
const PROPERTIES: [Property; 13] = [
    ("content-type", |p| Place::Text(&mut p.content_type)),
    ("content-encoding", |p| Place::Text(&mut p.content_encoding)),
    ("delivery-mode", |p| Place::Octet(&mut p.delivery_mode)),
    ("priority", |p| Place::Octet(&mut p.priority)),
    ("correlation-id", |p| Place::Text(&mut p.correlation_id)),
    ("reply-to", |p| Place::Text(&mut p.reply_to)),
    ("expiration", |p| Place::Text(&mut p.expiration)),
    ("message-id", |p| Place::Text(&mut p.message_id)),
    ("timestamp", |p| Place::Seconds(&mut p.timestamp)),
    ("type", |p| Place::Text(&mut p.kind)),
    ("user-id", |p| Place::Text(&mut p.user_id)),
    ("app-id", |p| Place::Text(&mut p.app_id)),
    ("cluster-id", |p| Place::Text(&mut p.cluster_id)),
];

impl Sample {
    pub(super) fn message(&self, queue: &str) -> Result<Message, TrialError> {
        let mut properties = PropertiesBuf::default();
        for pair in &self.properties {
            let (name, value) = split("property", pair)?;
            set(&mut properties, name, value)?;
        }
        if !self.headers.is_empty() {
            let mut table = Table::new();
            for pair in &self.headers {
                let (name, value) = split("header", pair)?;
                table.insert(name, Value::from(value));
            }
            properties.headers = Some(table);
        }
        let routing_key = self.routing_key.as_deref().unwrap_or(queue);
        for (what, name) in [("exchange", &*self.exchange), ("routing key", routing_key)] {
            if name.len() > SHORT_BYTES_MAX {
                return Err(refused(format!("the {what} is longer than {SHORT_BYTES_MAX} bytes")));
            }
        }
        Ok(Message {
            delivery_tag: 1,
            redelivered: false,
            exchange: self.exchange.clone().into_bytes(),
            routing_key: routing_key.as_bytes().to_vec(),
            properties: properties.encode(),
            body: Bytes::copy_from_slice(&self.body),
            body_bytes: self.body.len() as u64,
        })
    }
}

fn split<'a>(what: &str, pair: &'a str) -> Result<(&'a str, &'a str), TrialError> {
    let found =
        pair.split_once('=').filter(|(name, _)| !name.is_empty() && name.len() <= SHORT_BYTES_MAX);
    found.ok_or_else(|| refused(format!("--{what}: expected NAME=VALUE, got {pair:?}")))
}

fn set(to: &mut PropertiesBuf, name: &str, value: &str) -> Result<(), TrialError> {
    let names = || PROPERTIES.iter().map(|(known, _)| *known);
    let Some((_, place)) = PROPERTIES.iter().find(|(known, _)| *known == name) else {
        let advice = match nearest(name, names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        };
        return Err(refused(format!("--property: unknown property {name}; {advice}")));
    };
    let wrong =
        |expected: &str| refused(format!("--property {name}: expected {expected}, got {value:?}"));
    match place(to) {
        Place::Text(_) if value.len() > SHORT_BYTES_MAX => return Err(wrong("at most 255 bytes")),
        Place::Text(text) => *text = Some(value.as_bytes().to_vec()),
        Place::Octet(octet) => {
            *octet = Some(value.parse().map_err(|_| wrong("a number from 0 to 255"))?);
        }
        Place::Seconds(seconds) => {
            *seconds = Some(value.parse().map_err(|_| wrong("seconds since 1970"))?);
        }
    }
    Ok(())
}

fn refused(text: String) -> TrialError {
    TrialError::Sample(text)
}
