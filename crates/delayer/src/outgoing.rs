//! How a message is published again: where to, and what has to change so that the broker takes it
//! and takes it once. Everything else stays byte for byte. Pure functions.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use amqp::content::{Properties, PropertyScan};
use amqp::value::{RawField, RawTable, Table, Value};

use crate::config::UseReplyTo;
use crate::desk::Counters;
use crate::message::{Message, Millis};
use crate::source::{DELAY_HEADER, DUE_HEADER, EXCHANGE_HEADER, ROUTING_KEY_HEADER};

/// Headers by which the broker routes a message once more, and what they are called afterwards: the
/// copies went out when the message was first published.
const COPIES: [(&[u8], &[u8]); 2] = [(b"CC", b"x-original-cc"), (b"BCC", b"x-original-bcc")];

/// Where the `user-id` of another login is kept: the broker closes the channel for it.
const USER_HEADER: &str = "x-original-user-id";

/// Where messages are published to.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    /// The queue that is read.
    pub(crate) queue: Vec<u8>,
    /// The exchange that is published to.
    pub(crate) exchange: Vec<u8>,
    /// The routing key; empty for that of each message.
    pub(crate) routing_key: Vec<u8>,
    /// Whether a message's `reply-to` names the exchange.
    pub(crate) use_reply_to: UseReplyTo,
    /// Our login, by which the broker judges `user-id`; `None` when it is not known.
    pub(crate) user: Option<Vec<u8>>,
    /// Whether `x-delay` makes messages due; then it is negated, as the plugin did, so that they
    /// are not delayed twice.
    pub(crate) negate_delay: bool,
}

/// What is published, and where to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outgoing<'a> {
    /// The exchange.
    pub(crate) exchange: Cow<'a, [u8]>,
    /// The routing key.
    pub(crate) routing_key: Cow<'a, [u8]>,
    /// The properties as on the wire.
    pub(crate) properties: Cow<'a, [u8]>,
}

impl Routes {
    /// A message that is due.
    pub(crate) fn forward<'a>(
        &'a self,
        message: &'a Message,
        counters: &mut Counters,
    ) -> Outgoing<'a> {
        let (exchange, routing_key) = self.target(message);
        let properties = self.properties(message, None, counters);
        Outgoing { exchange, routing_key, properties }
    }

    /// A message that goes back to the queue it came from, to be delayed by somebody else.
    pub(crate) fn give_back<'a>(
        &'a self,
        message: &'a Message,
        due_ms: Millis,
        counters: &mut Counters,
    ) -> Outgoing<'a> {
        Outgoing {
            exchange: Cow::Borrowed(b""),
            routing_key: Cow::Borrowed(&self.queue),
            properties: self.properties(message, Some(due_ms), counters),
        }
    }

    /// Whether what is published there comes back at once, for ever.
    pub(crate) fn loops(&self, outgoing: &Outgoing<'_>) -> bool {
        outgoing.exchange.is_empty() && outgoing.routing_key == self.queue
    }

    fn target<'a>(&'a self, message: &'a Message) -> (Cow<'a, [u8]>, Cow<'a, [u8]>) {
        let key: &[u8] = match &*self.routing_key {
            b"" => &message.routing_key,
            key => key,
        };
        let own = (Cow::Borrowed(&*self.exchange), Cow::Borrowed(key));
        if self.use_reply_to == UseReplyTo::False {
            return own;
        }
        let reply_to = Properties(&message.properties).reply_to().unwrap_or_default();
        if reply_to.is_empty() {
            return own;
        }
        if self.use_reply_to == UseReplyTo::Split
            && let Some(colon) = reply_to.iter().position(|byte| *byte == b':')
        {
            let (exchange, key) = (&reply_to[..colon], &reply_to[colon + 1..]);
            return (exchange.to_vec().into(), key.to_vec().into());
        }
        (reply_to.to_vec().into(), Cow::Borrowed(key))
    }

    /// The properties, changed only where they have to be.
    fn properties<'a>(
        &self,
        message: &'a Message,
        give_back: Option<Millis>,
        counters: &mut Counters,
    ) -> Cow<'a, [u8]> {
        let unchanged = Cow::Borrowed(&*message.properties);
        let Ok(mut scan) = Properties(&message.properties).scan() else {
            return unchanged;
        };
        let mut added = Table::new();
        if let Some(user) = scan.user_id.filter(|user| Some(*user) != self.user.as_deref()) {
            added.insert(USER_HEADER, Value::LongStr(user.to_vec()));
            scan.user_id = None;
            counters.user_ids_moved += 1;
        }
        if let Some(due_ms) = give_back {
            added.insert(EXCHANGE_HEADER, Value::LongStr(message.exchange.clone()));
            added.insert(ROUTING_KEY_HEADER, Value::LongStr(message.routing_key.clone()));
            added.insert(DUE_HEADER, Value::I64(due_ms as i64));
        }
        let negate = self.negate_delay && give_back.is_none();
        let headers = scan.headers.unwrap_or_default();
        let Some(edited) = edited(headers, negate, counters) else {
            return unchanged;
        };
        if edited.is_none() && added.is_empty() {
            return unchanged;
        }
        let mut table = edited.unwrap_or_else(|| headers.0.to_vec());
        let mut encoded = Vec::new();
        added.encode(&mut encoded);
        table.extend_from_slice(&encoded[4..]);
        let headers = Some(RawTable(&table));
        Cow::Owned(PropertyScan { headers, ..scan }.encode())
    }
}

/// The headers with copies renamed and, if so wanted, the delay negated: `Some(None)` when nothing
/// changes, `None` when they cannot be read.
fn edited(headers: RawTable<'_>, negate: bool, counters: &mut Counters) -> Option<Option<Vec<u8>>> {
    let mut table = Vec::new();
    let mut changed = false;
    for field in headers.fields() {
        let field = field.ok()?;
        let copy = COPIES.iter().find(|(name, _)| *name == field.key);
        let negated = (negate && field.key == DELAY_HEADER.as_bytes()).then(|| negated(field));
        if !changed && (copy.is_some() || matches!(negated, Some(Some(_)))) {
            changed = true;
            let before = headers.0.len() - remaining(headers, field);
            table.extend_from_slice(&headers.0[..before]);
        }
        if !changed {
            continue;
        }
        match (copy, negated.flatten()) {
            (Some((_, name)), _) => {
                counters.cc_moved += 1;
                field.write(name, &mut table);
            }
            (None, Some(value)) => RawField { value: &value, ..field }.write(field.key, &mut table),
            (None, None) => field.write(field.key, &mut table),
        }
    }
    Some(changed.then_some(table))
}

/// Bytes of a table from `field`, which is one of its own, to the end.
fn remaining(headers: RawTable<'_>, field: RawField<'_>) -> usize {
    // A key stands behind the octet of its length.
    let at = field.key.as_ptr() as usize - headers.0.as_ptr() as usize - 1;
    headers.0.len() - at
}

/// The field's value, negated: a positive delay as a signed number that is not.
fn negated(field: RawField<'_>) -> Option<Vec<u8>> {
    let value = field.decode().ok()?;
    let delay = match &value {
        Value::LongStr(_) => value.as_str()?.trim().parse().ok()?,
        _ => value.as_i64()?,
    };
    if delay <= 0 {
        return None;
    }
    let value = match value {
        Value::I8(n) => Value::I8(-n),
        Value::I16(n) => Value::I16(-n),
        Value::I32(n) => Value::I32(-n),
        Value::LongStr(_) => Value::from(&*(-delay).to_string()),
        _ => Value::I64(-delay),
    };
    let mut table = Table::new();
    table.insert("", value);
    let mut encoded = Vec::new();
    table.encode(&mut encoded);
    // Behind the length of the table and that of the empty key.
    Some(encoded.split_off(5))
}
