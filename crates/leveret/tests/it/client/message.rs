//! Messages, as they are sent and as they come.

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};

/// A publish in the making.
#[derive(Clone, Default)]
pub(crate) struct Message {
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) mandatory: bool,
    pub(crate) immediate: bool,
    pub(crate) properties: PropertiesBuf,
    /// The properties as they go over the wire, in place of `properties`.
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
}

/// A transient message without properties.
pub(crate) fn message(exchange: &str, key: &str, body: impl AsRef<[u8]>) -> Message {
    Message {
        exchange: exchange.to_owned(),
        key: key.to_owned(),
        body: body.as_ref().to_vec(),
        ..Message::default()
    }
}

impl Message {
    pub(crate) fn mandatory(self) -> Message {
        Message { mandatory: true, ..self }
    }

    pub(crate) fn immediate(self) -> Message {
        Message { immediate: true, ..self }
    }

    pub(crate) fn persistent(mut self) -> Message {
        self.properties.delivery_mode = Some(2);
        self
    }

    pub(crate) fn priority(mut self, priority: u8) -> Message {
        self.properties.priority = Some(priority);
        self
    }

    pub(crate) fn expiration(mut self, expiration: &str) -> Message {
        self.properties.expiration = Some(expiration.as_bytes().to_vec());
        self
    }

    pub(crate) fn reply_to(mut self, queue: &str) -> Message {
        self.properties.reply_to = Some(queue.as_bytes().to_vec());
        self
    }

    pub(crate) fn user_id(mut self, user: &str) -> Message {
        self.properties.user_id = Some(user.as_bytes().to_vec());
        self
    }

    pub(crate) fn header(mut self, key: &str, value: impl Into<Value>) -> Message {
        self.properties.headers.get_or_insert_default().insert(key, value.into());
        self
    }

    /// With this `timestamp` property.
    pub(crate) fn timestamp(mut self, timestamp: u64) -> Message {
        self.properties.timestamp = Some(timestamp);
        self
    }

    /// With this `message-id`.
    pub(crate) fn id(mut self, id: impl AsRef<[u8]>) -> Message {
        self.properties.message_id = Some(id.as_ref().to_vec());
        self
    }

    /// With this routing key.
    pub(crate) fn key(self, key: &str) -> Message {
        Message { key: key.to_owned(), ..self }
    }

    /// With these bytes as its properties.
    pub(crate) fn raw(self, properties: Vec<u8>) -> Message {
        Message { raw: Some(properties), ..self }
    }
}

/// An array of strings, as CC and BCC want it.
pub(crate) fn list(items: &[&str]) -> Value {
    Value::Array(items.iter().map(|item| Value::from(*item)).collect())
}

/// A message that came by `basic.deliver` or `basic.get-ok`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivery {
    /// Empty for `basic.get`.
    pub(crate) consumer: String,
    pub(crate) tag: u64,
    pub(crate) redelivered: bool,
    pub(crate) exchange: String,
    pub(crate) key: String,
    /// Messages left in the queue, for `basic.get`.
    pub(crate) left: Option<u32>,
    pub(crate) properties: PropertiesBuf,
    /// The properties as they came over the wire.
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Delivery {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn headers(&self) -> Table {
        self.properties.headers.clone().unwrap_or_default()
    }
}

/// A message that came back by `basic.return`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Returned {
    pub(crate) code: u16,
    pub(crate) text: String,
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) properties: PropertiesBuf,
    pub(crate) body: Vec<u8>,
}
