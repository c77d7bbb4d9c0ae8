//! Content headers and message properties, which stay as they came unless a message is rewritten.

use crate::error::DecodeError;
use crate::value::{RawTable, Table};
use crate::wire::{Reader, put_long_bytes, put_short_bytes};

/// The flag of each property in the first flag word, in the order of the list that follows.
mod flag {
    pub(super) const CONTENT_TYPE: u16 = 1 << 15;
    pub(super) const CONTENT_ENCODING: u16 = 1 << 14;
    pub(super) const HEADERS: u16 = 1 << 13;
    pub(super) const DELIVERY_MODE: u16 = 1 << 12;
    pub(super) const PRIORITY: u16 = 1 << 11;
    pub(super) const CORRELATION_ID: u16 = 1 << 10;
    pub(super) const REPLY_TO: u16 = 1 << 9;
    pub(super) const EXPIRATION: u16 = 1 << 8;
    pub(super) const MESSAGE_ID: u16 = 1 << 7;
    pub(super) const TIMESTAMP: u16 = 1 << 6;
    pub(super) const KIND: u16 = 1 << 5;
    pub(super) const USER_ID: u16 = 1 << 4;
    pub(super) const APP_ID: u16 = 1 << 3;
    pub(super) const CLUSTER_ID: u16 = 1 << 2;
    /// Another flag word follows, of which no property has its flag. Bit 1 means nothing at all.
    pub(super) const MORE: u16 = 1;
}

/// The payload of a header frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHeader<'a> {
    /// The class of the method before it; 60 for every method that has content.
    pub class_id: u16,
    /// Bytes in the body frames that follow, together.
    pub body_size: u64,
    /// Not looked at yet.
    pub properties: Properties<'a>,
}

impl ContentHeader<'_> {
    /// Reads the payload of a header frame; the properties are left to [`Properties::scan`].
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or [`DecodeError::BadHeader`] for a weight other than 0.
    #[inline]
    pub fn decode(payload: &[u8]) -> Result<ContentHeader<'_>, DecodeError> {
        let mut reader = Reader::new(payload);
        let class_id = reader.u16()?;
        if reader.u16()? != 0 {
            return Err(DecodeError::BadHeader);
        }
        let body_size = reader.u64()?;
        Ok(ContentHeader { class_id, body_size, properties: Properties(reader.rest()) })
    }
}

/// The properties of a message exactly as on the wire: flag word, then the list.
///
/// The accessors look at the list anew each time and take a malformed one for an empty one; what
/// comes from a peer goes through [`Properties::check`] first, and [`Properties::scan`] is the way
/// to read several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties<'a>(pub &'a [u8]);

impl Default for Properties<'_> {
    fn default() -> Self {
        Properties::EMPTY
    }
}

impl<'a> Properties<'a> {
    /// No property: one flag word without a flag.
    pub const EMPTY: Properties<'static> = Properties(&[0, 0]);

    /// Walks the whole list, the headers included; allocates nothing.
    ///
    /// # Errors
    /// As [`Properties::scan`] and [`Table::decode`].
    pub fn check(&self) -> Result<(), DecodeError> {
        self.scan()?.headers.map_or(Ok(()), |headers| headers.check())
    }

    /// Takes the list apart in one pass; the insides of the headers are not looked at. Allocates
    /// nothing.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], [`DecodeError::Trailing`], or [`DecodeError::BadHeader`] when
    /// there is a second flag word: nobody has properties to put there, RabbitMQ refuses it too,
    /// and a consumer would take it for the first property. A flag without a property is ignored.
    #[inline]
    pub fn scan(&self) -> Result<PropertyScan<'a>, DecodeError> {
        let mut reader = Reader::new(self.0);
        let flags = reader.u16()?;
        let mut scan = PropertyScan::default();
        if flags & flag::MORE != 0 {
            return Err(DecodeError::BadHeader);
        }
        if flags & flag::CONTENT_TYPE != 0 {
            scan.content_type = Some(reader.short_bytes()?);
        }
        if flags & flag::CONTENT_ENCODING != 0 {
            scan.content_encoding = Some(reader.short_bytes()?);
        }
        if flags & flag::HEADERS != 0 {
            scan.headers = Some(RawTable(reader.long_bytes()?));
        }
        if flags & flag::DELIVERY_MODE != 0 {
            scan.delivery_mode = Some(reader.u8()?);
        }
        if flags & flag::PRIORITY != 0 {
            scan.priority = Some(reader.u8()?);
        }
        if flags & flag::CORRELATION_ID != 0 {
            scan.correlation_id = Some(reader.short_bytes()?);
        }
        if flags & flag::REPLY_TO != 0 {
            scan.reply_to = Some(reader.short_bytes()?);
        }
        if flags & flag::EXPIRATION != 0 {
            scan.expiration = Some(reader.short_bytes()?);
        }
        if flags & flag::MESSAGE_ID != 0 {
            scan.message_id = Some(reader.short_bytes()?);
        }
        if flags & flag::TIMESTAMP != 0 {
            scan.timestamp = Some(reader.u64()?);
        }
        if flags & flag::KIND != 0 {
            scan.kind = Some(reader.short_bytes()?);
        }
        if flags & flag::USER_ID != 0 {
            scan.user_id = Some(reader.short_bytes()?);
        }
        if flags & flag::APP_ID != 0 {
            scan.app_id = Some(reader.short_bytes()?);
        }
        if flags & flag::CLUSTER_ID != 0 {
            scan.cluster_id = Some(reader.short_bytes()?);
        }
        reader.finish()?;
        Ok(scan)
    }

    /// The media type of the body.
    pub fn content_type(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.content_type
    }

    /// The encoding of the body.
    pub fn content_encoding(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.content_encoding
    }

    /// The headers table.
    pub fn headers(&self) -> Option<RawTable<'a>> {
        self.scan().ok()?.headers
    }

    /// 2 is persistent, anything else is not.
    pub fn delivery_mode(&self) -> Option<u8> {
        self.scan().ok()?.delivery_mode
    }

    /// The priority in a queue that has priorities.
    pub fn priority(&self) -> Option<u8> {
        self.scan().ok()?.priority
    }

    /// What a reply is recognised by.
    pub fn correlation_id(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.correlation_id
    }

    /// The routing key of a reply.
    pub fn reply_to(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.reply_to
    }

    /// Time to live: milliseconds as a decimal string.
    pub fn expiration(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.expiration
    }

    /// The sender's name for the message.
    pub fn message_id(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.message_id
    }

    /// Seconds since 1970, by the sender's clock.
    pub fn timestamp(&self) -> Option<u64> {
        self.scan().ok()?.timestamp
    }

    /// The specification's `type`: the sender's name for the sort of message.
    pub fn kind(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.kind
    }

    /// The user who published the message.
    pub fn user_id(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.user_id
    }

    /// The application that published the message.
    pub fn app_id(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.app_id
    }

    /// Deprecated by the specification and passed on.
    pub fn cluster_id(&self) -> Option<&'a [u8]> {
        self.scan().ok()?.cluster_id
    }
}

/// The properties that are there. The strings are short strings that need not be UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertyScan<'a> {
    /// See [`Properties::content_type`].
    pub content_type: Option<&'a [u8]>,
    /// See [`Properties::content_encoding`].
    pub content_encoding: Option<&'a [u8]>,
    /// See [`Properties::headers`].
    pub headers: Option<RawTable<'a>>,
    /// See [`Properties::delivery_mode`].
    pub delivery_mode: Option<u8>,
    /// See [`Properties::priority`].
    pub priority: Option<u8>,
    /// See [`Properties::correlation_id`].
    pub correlation_id: Option<&'a [u8]>,
    /// See [`Properties::reply_to`].
    pub reply_to: Option<&'a [u8]>,
    /// See [`Properties::expiration`].
    pub expiration: Option<&'a [u8]>,
    /// See [`Properties::message_id`].
    pub message_id: Option<&'a [u8]>,
    /// See [`Properties::timestamp`].
    pub timestamp: Option<u64>,
    /// See [`Properties::kind`].
    pub kind: Option<&'a [u8]>,
    /// See [`Properties::user_id`].
    pub user_id: Option<&'a [u8]>,
    /// See [`Properties::app_id`].
    pub app_id: Option<&'a [u8]>,
    /// See [`Properties::cluster_id`].
    pub cluster_id: Option<&'a [u8]>,
}

impl PropertyScan<'_> {
    /// Flag word and list, as [`Properties`] has them: what was scanned comes out byte for byte.
    /// Short strings are cut to 255 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut list = List { flags: 0, out: vec![0, 0] };
        list.short(flag::CONTENT_TYPE, self.content_type);
        list.short(flag::CONTENT_ENCODING, self.content_encoding);
        if let Some(headers) = self.headers {
            list.flags |= flag::HEADERS;
            put_long_bytes(&mut list.out, headers.0);
        }
        list.octet(flag::DELIVERY_MODE, self.delivery_mode);
        list.octet(flag::PRIORITY, self.priority);
        list.short(flag::CORRELATION_ID, self.correlation_id);
        list.short(flag::REPLY_TO, self.reply_to);
        list.short(flag::EXPIRATION, self.expiration);
        list.short(flag::MESSAGE_ID, self.message_id);
        if let Some(timestamp) = self.timestamp {
            list.flags |= flag::TIMESTAMP;
            list.out.extend_from_slice(&timestamp.to_be_bytes());
        }
        list.short(flag::KIND, self.kind);
        list.short(flag::USER_ID, self.user_id);
        list.short(flag::APP_ID, self.app_id);
        list.short(flag::CLUSTER_ID, self.cluster_id);
        list.out[..2].copy_from_slice(&list.flags.to_be_bytes());
        list.out
    }
}

/// Properties that can be changed, for a message that the broker rewrites.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PropertiesBuf {
    /// See [`Properties::content_type`].
    pub content_type: Option<Vec<u8>>,
    /// See [`Properties::content_encoding`].
    pub content_encoding: Option<Vec<u8>>,
    /// See [`Properties::headers`].
    pub headers: Option<Table>,
    /// See [`Properties::delivery_mode`].
    pub delivery_mode: Option<u8>,
    /// See [`Properties::priority`].
    pub priority: Option<u8>,
    /// See [`Properties::correlation_id`].
    pub correlation_id: Option<Vec<u8>>,
    /// See [`Properties::reply_to`].
    pub reply_to: Option<Vec<u8>>,
    /// See [`Properties::expiration`].
    pub expiration: Option<Vec<u8>>,
    /// See [`Properties::message_id`].
    pub message_id: Option<Vec<u8>>,
    /// See [`Properties::timestamp`].
    pub timestamp: Option<u64>,
    /// See [`Properties::kind`].
    pub kind: Option<Vec<u8>>,
    /// See [`Properties::user_id`].
    pub user_id: Option<Vec<u8>>,
    /// See [`Properties::app_id`].
    pub app_id: Option<Vec<u8>>,
    /// See [`Properties::cluster_id`].
    pub cluster_id: Option<Vec<u8>>,
}

impl PropertiesBuf {
    /// Copies and decodes what came from the wire.
    ///
    /// # Errors
    /// As [`Properties::check`].
    pub fn from(properties: Properties<'_>) -> Result<PropertiesBuf, DecodeError> {
        let scan = properties.scan()?;
        Ok(PropertiesBuf {
            content_type: scan.content_type.map(<[u8]>::to_vec),
            content_encoding: scan.content_encoding.map(<[u8]>::to_vec),
            headers: scan.headers.map(|headers| headers.decode()).transpose()?,
            delivery_mode: scan.delivery_mode,
            priority: scan.priority,
            correlation_id: scan.correlation_id.map(<[u8]>::to_vec),
            reply_to: scan.reply_to.map(<[u8]>::to_vec),
            expiration: scan.expiration.map(<[u8]>::to_vec),
            message_id: scan.message_id.map(<[u8]>::to_vec),
            timestamp: scan.timestamp,
            kind: scan.kind.map(<[u8]>::to_vec),
            user_id: scan.user_id.map(<[u8]>::to_vec),
            app_id: scan.app_id.map(<[u8]>::to_vec),
            cluster_id: scan.cluster_id.map(<[u8]>::to_vec),
        })
    }

    /// Flag word and list, as [`Properties`] has them. Short strings are cut to 255 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut headers = Vec::new();
        if let Some(table) = &self.headers {
            table.encode(&mut headers);
        }
        let scan = PropertyScan {
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            // Behind the length that the table's encoding starts with.
            headers: self.headers.as_ref().map(|_| RawTable(&headers[4..])),
            delivery_mode: self.delivery_mode,
            priority: self.priority,
            correlation_id: self.correlation_id.as_deref(),
            reply_to: self.reply_to.as_deref(),
            expiration: self.expiration.as_deref(),
            message_id: self.message_id.as_deref(),
            timestamp: self.timestamp,
            kind: self.kind.as_deref(),
            user_id: self.user_id.as_deref(),
            app_id: self.app_id.as_deref(),
            cluster_id: self.cluster_id.as_deref(),
        };
        scan.encode()
    }
}

/// A property list that is being written.
struct List {
    flags: u16,
    out: Vec<u8>,
}

impl List {
    fn short(&mut self, flag: u16, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.flags |= flag;
            put_short_bytes(&mut self.out, value);
        }
    }

    fn octet(&mut self, flag: u16, value: Option<u8>) {
        if let Some(value) = value {
            self.flags |= flag;
            self.out.push(value);
        }
    }
}

#[cfg(test)]
mod tests;
