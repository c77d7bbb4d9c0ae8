//! The methods of AMQP 0-9-1 with RabbitMQ's extensions: what the payload of a method frame says.
//!
//! The table at the end reads like the specification: class id, method id, type, name, and the
//! fields in their order. Everything else is derived from it.

use crate::error::{AmqpError, DecodeError, Octets, ReplyCode, SHORTSTR_BYTES_MAX};
use crate::value::{RawTable, Short};
use crate::wire::{Field, Reader, Writer};

/// The arguments of one method.
trait Arguments<'a>: Sized {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
    fn write(&self, writer: &mut Writer<'_>);
}

/// Derives the types from the table. A row's `[…]` lists reserved fields before and after the
/// others: they are written as 0 or empty, and what a peer writes there is ignored.
macro_rules! methods {
    ($(
        $class:literal $method:literal $name:ident $(<$lifetime:lifetime>)? $text:literal
        $([$($before:ty),+])? { $($field:ident: $type:ty),* } $([$($after:ty),+])?
    )*) => {
        /// A method with its arguments, which borrow from the frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Method<'a> {
            $(
                #[doc = concat!("`", $text, "`, ", $class, ".", $method)]
                $name($name $(<$lifetime>)?),
            )*
        }

        /// Class id, method id and name of every method.
        pub const METHODS: &[(u16, u16, &str)] = &[$(($class, $method, $text)),*];

        impl Method<'_> {
            /// Reads the payload of a method frame; nothing may follow the last argument.
            ///
            /// # Errors
            /// Any [`DecodeError`] but [`DecodeError::BadHeader`]. Tables are checked as well.
            pub fn decode(payload: &[u8]) -> Result<Method<'_>, DecodeError> {
                let mut reader = Reader::new(payload);
                let method = match (reader.u16()?, reader.u16()?) {
                    $(($class, $method) => Method::$name($name::read(&mut reader)?),)*
                    (class, method) => return Err(DecodeError::UnknownMethod(class, method)),
                };
                reader.finish()?;
                Ok(method)
            }

            /// Appends class id, method id and arguments, without a frame around them. Short
            /// strings are cut to 255 bytes.
            pub fn encode(&self, out: &mut Vec<u8>) {
                let (class, method) = self.id();
                let mut writer = Writer::new(out);
                class.write(&mut writer);
                method.write(&mut writer);
                match self {
                    $(Method::$name(arguments) => arguments.write(&mut writer),)*
                }
            }

            /// Class id and method id.
            pub fn id(&self) -> (u16, u16) {
                match self {
                    $(Method::$name(_) => ($class, $method),)*
                }
            }

            /// The specification's name, as in `basic.publish` or `queue.declare-ok`.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Method::$name(_) => $text,)*
                }
            }
        }

        $(
            #[doc = concat!("Arguments of `", $text, "`.")]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $name $(<$lifetime>)? {
                $(
                    #[doc = concat!("The specification's `", stringify!($field), "`.")]
                    pub $field: $type,
                )*
            }

            impl<'a> Arguments<'a> for $name $(<$lifetime>)? {
                #[inline]
                fn read(_reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                    $($(<$before>::read(_reader)?;)+)?
                    $(let $field = <$type>::read(_reader)?;)*
                    $($(<$after>::read(_reader)?;)+)?
                    Ok($name { $($field),* })
                }

                #[inline]
                fn write(&self, _writer: &mut Writer<'_>) {
                    $($(<$before>::default().write(_writer);)+)?
                    $(self.$field.write(_writer);)*
                    $($(<$after>::default().write(_writer);)+)?
                }
            }

            impl<'a> From<$name $(<$lifetime>)?> for Method<'a> {
                fn from(arguments: $name $(<$lifetime>)?) -> Method<'a> {
                    Method::$name(arguments)
                }
            }
        )*
    };
}

impl Method<'_> {
    /// Class id and method id at the start of a method frame's payload, known method or not.
    pub fn ids_of(payload: &[u8]) -> Option<(u16, u16)> {
        let mut reader = Reader::new(payload);
        Some((reader.u16().ok()?, reader.u16().ok()?))
    }

    /// What to close the connection with when [`Method::decode`] refuses `payload`: RabbitMQ's
    /// words, and the method's ids where it names them.
    pub fn refusal(payload: &[u8], error: DecodeError) -> AmqpError {
        let ids = Method::ids_of(payload).unwrap_or_default();
        match error {
            DecodeError::Truncated | DecodeError::Trailing => {
                // The text is cut anyway, and no octet takes less than one of its bytes.
                let arguments = payload.get(4..).unwrap_or_default();
                let arguments = arguments.get(..SHORTSTR_BYTES_MAX).unwrap_or(arguments);
                let text = format!("cannot decode {}", Octets(arguments));
                AmqpError::new(ReplyCode::FrameError, text).at(ids)
            }
            DecodeError::Utf8 => AmqpError::from(error),
            _ => AmqpError::from(error).at(ids),
        }
    }

    /// Whether a header frame and a body follow.
    pub fn has_content(&self) -> bool {
        matches!(
            self,
            Method::BasicPublish(_)
                | Method::BasicReturn(_)
                | Method::BasicDeliver(_)
                | Method::BasicGetOk(_)
        )
    }
}

methods! {
    10 10 ConnectionStart<'a> "connection.start" {
        version_major: u8, version_minor: u8, server_properties: RawTable<'a>,
        mechanisms: &'a [u8], locales: &'a [u8]
    }
    10 11 ConnectionStartOk<'a> "connection.start-ok" {
        client_properties: RawTable<'a>, mechanism: &'a str, response: &'a [u8], locale: &'a str
    }
    10 20 ConnectionSecure<'a> "connection.secure" { challenge: &'a [u8] }
    10 21 ConnectionSecureOk<'a> "connection.secure-ok" { response: &'a [u8] }
    10 30 ConnectionTune "connection.tune" { channel_max: u16, frame_max: u32, heartbeat: u16 }
    10 31 ConnectionTuneOk "connection.tune-ok" { channel_max: u16, frame_max: u32, heartbeat: u16 }
    10 40 ConnectionOpen<'a> "connection.open" { virtual_host: &'a str } [&str, bool]
    10 41 ConnectionOpenOk "connection.open-ok" {} [&str]
    10 50 ConnectionClose<'a> "connection.close" {
        reply_code: u16, reply_text: &'a str, class_id: u16, method_id: u16
    }
    10 51 ConnectionCloseOk "connection.close-ok" {}
    10 60 ConnectionBlocked<'a> "connection.blocked" { reason: &'a str }
    10 61 ConnectionUnblocked "connection.unblocked" {}
    10 70 ConnectionUpdateSecret<'a> "connection.update-secret" {
        new_secret: &'a [u8], reason: &'a str
    }
    10 71 ConnectionUpdateSecretOk "connection.update-secret-ok" {}

    20 10 ChannelOpen "channel.open" {} [&str]
    20 11 ChannelOpenOk "channel.open-ok" {} [&[u8]]
    20 20 ChannelFlow "channel.flow" { active: bool }
    20 21 ChannelFlowOk "channel.flow-ok" { active: bool }
    20 40 ChannelClose<'a> "channel.close" {
        reply_code: u16, reply_text: &'a str, class_id: u16, method_id: u16
    }
    20 41 ChannelCloseOk "channel.close-ok" {}

    30 10 AccessRequest<'a> "access.request" {
        realm: &'a str, exclusive: bool, passive: bool, active: bool, write: bool, read: bool
    }
    30 11 AccessRequestOk "access.request-ok" { ticket: u16 }

    40 10 ExchangeDeclare<'a> "exchange.declare" [u16] {
        exchange: &'a str, kind: &'a str, passive: bool, durable: bool, auto_delete: bool,
        internal: bool, no_wait: bool, arguments: RawTable<'a>
    }
    40 11 ExchangeDeclareOk "exchange.declare-ok" {}
    40 20 ExchangeDelete<'a> "exchange.delete" [u16] {
        exchange: &'a str, if_unused: bool, no_wait: bool
    }
    40 21 ExchangeDeleteOk "exchange.delete-ok" {}
    40 30 ExchangeBind<'a> "exchange.bind" [u16] {
        destination: &'a str, source: &'a str, routing_key: &'a str, no_wait: bool,
        arguments: RawTable<'a>
    }
    40 31 ExchangeBindOk "exchange.bind-ok" {}
    40 40 ExchangeUnbind<'a> "exchange.unbind" [u16] {
        destination: &'a str, source: &'a str, routing_key: &'a str, no_wait: bool,
        arguments: RawTable<'a>
    }
    40 51 ExchangeUnbindOk "exchange.unbind-ok" {}

    50 10 QueueDeclare<'a> "queue.declare" [u16] {
        queue: &'a str, passive: bool, durable: bool, exclusive: bool, auto_delete: bool,
        no_wait: bool, arguments: RawTable<'a>
    }
    50 11 QueueDeclareOk<'a> "queue.declare-ok" {
        queue: &'a str, message_count: u32, consumer_count: u32
    }
    50 20 QueueBind<'a> "queue.bind" [u16] {
        queue: &'a str, exchange: &'a str, routing_key: &'a str, no_wait: bool,
        arguments: RawTable<'a>
    }
    50 21 QueueBindOk "queue.bind-ok" {}
    50 30 QueuePurge<'a> "queue.purge" [u16] { queue: &'a str, no_wait: bool }
    50 31 QueuePurgeOk "queue.purge-ok" { message_count: u32 }
    50 40 QueueDelete<'a> "queue.delete" [u16] {
        queue: &'a str, if_unused: bool, if_empty: bool, no_wait: bool
    }
    50 41 QueueDeleteOk "queue.delete-ok" { message_count: u32 }
    50 50 QueueUnbind<'a> "queue.unbind" [u16] {
        queue: &'a str, exchange: &'a str, routing_key: &'a str, arguments: RawTable<'a>
    }
    50 51 QueueUnbindOk "queue.unbind-ok" {}

    60 10 BasicQos "basic.qos" { prefetch_size: u32, prefetch_count: u16, global: bool }
    60 11 BasicQosOk "basic.qos-ok" {}
    60 20 BasicConsume<'a> "basic.consume" [u16] {
        queue: &'a str, consumer_tag: &'a str, no_local: bool, no_ack: bool, exclusive: bool,
        no_wait: bool, arguments: RawTable<'a>
    }
    60 21 BasicConsumeOk<'a> "basic.consume-ok" { consumer_tag: &'a str }
    60 30 BasicCancel<'a> "basic.cancel" { consumer_tag: &'a str, no_wait: bool }
    60 31 BasicCancelOk<'a> "basic.cancel-ok" { consumer_tag: &'a str }
    60 40 BasicPublish<'a> "basic.publish" [u16] {
        exchange: &'a str, routing_key: Short<'a>, mandatory: bool, immediate: bool
    }
    60 50 BasicReturn<'a> "basic.return" {
        reply_code: u16, reply_text: &'a str, exchange: &'a str, routing_key: Short<'a>
    }
    60 60 BasicDeliver<'a> "basic.deliver" {
        consumer_tag: &'a str, delivery_tag: u64, redelivered: bool, exchange: &'a str,
        routing_key: Short<'a>
    }
    60 70 BasicGet<'a> "basic.get" [u16] { queue: &'a str, no_ack: bool }
    60 71 BasicGetOk<'a> "basic.get-ok" {
        delivery_tag: u64, redelivered: bool, exchange: &'a str, routing_key: Short<'a>,
        message_count: u32
    }
    60 72 BasicGetEmpty "basic.get-empty" {} [&str]
    60 80 BasicAck "basic.ack" { delivery_tag: u64, multiple: bool }
    60 90 BasicReject "basic.reject" { delivery_tag: u64, requeue: bool }
    60 100 BasicRecoverAsync "basic.recover-async" { requeue: bool }
    60 110 BasicRecover "basic.recover" { requeue: bool }
    60 111 BasicRecoverOk "basic.recover-ok" {}
    60 120 BasicNack "basic.nack" { delivery_tag: u64, multiple: bool, requeue: bool }

    85 10 ConfirmSelect "confirm.select" { no_wait: bool }
    85 11 ConfirmSelectOk "confirm.select-ok" {}

    90 10 TxSelect "tx.select" {}
    90 11 TxSelectOk "tx.select-ok" {}
    90 20 TxCommit "tx.commit" {}
    90 21 TxCommitOk "tx.commit-ok" {}
    90 30 TxRollback "tx.rollback" {}
    90 31 TxRollbackOk "tx.rollback-ok" {}
}

#[cfg(test)]
mod tests;
