//! Reply codes with their scope, the error that is sent to a peer, and what a decoder may find.

use std::fmt;

use thiserror::Error;

/// Why a channel or a connection is closed: the constants of the 0-9-1 specification, section 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum ReplyCode {
    ContentTooLarge = 311,
    NoRoute = 312,
    NoConsumers = 313,
    ConnectionForced = 320,
    InvalidPath = 402,
    AccessRefused = 403,
    NotFound = 404,
    ResourceLocked = 405,
    PreconditionFailed = 406,
    FrameError = 501,
    SyntaxError = 502,
    CommandInvalid = 503,
    ChannelError = 504,
    UnexpectedFrame = 505,
    ResourceError = 506,
    NotAllowed = 530,
    NotImplemented = 540,
    InternalError = 541,
}

impl ReplyCode {
    /// Every code, in the order of its number.
    pub const ALL: [ReplyCode; 18] = [
        ReplyCode::ContentTooLarge,
        ReplyCode::NoRoute,
        ReplyCode::NoConsumers,
        ReplyCode::ConnectionForced,
        ReplyCode::InvalidPath,
        ReplyCode::AccessRefused,
        ReplyCode::NotFound,
        ReplyCode::ResourceLocked,
        ReplyCode::PreconditionFailed,
        ReplyCode::FrameError,
        ReplyCode::SyntaxError,
        ReplyCode::CommandInvalid,
        ReplyCode::ChannelError,
        ReplyCode::UnexpectedFrame,
        ReplyCode::ResourceError,
        ReplyCode::NotAllowed,
        ReplyCode::NotImplemented,
        ReplyCode::InternalError,
    ];

    /// The number on the wire.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The specification's name in capitals, with which every reply text starts.
    pub fn name(self) -> &'static str {
        match self {
            ReplyCode::ContentTooLarge => "CONTENT_TOO_LARGE",
            ReplyCode::NoRoute => "NO_ROUTE",
            ReplyCode::NoConsumers => "NO_CONSUMERS",
            ReplyCode::ConnectionForced => "CONNECTION_FORCED",
            ReplyCode::InvalidPath => "INVALID_PATH",
            ReplyCode::AccessRefused => "ACCESS_REFUSED",
            ReplyCode::NotFound => "NOT_FOUND",
            ReplyCode::ResourceLocked => "RESOURCE_LOCKED",
            ReplyCode::PreconditionFailed => "PRECONDITION_FAILED",
            ReplyCode::FrameError => "FRAME_ERROR",
            ReplyCode::SyntaxError => "SYNTAX_ERROR",
            ReplyCode::CommandInvalid => "COMMAND_INVALID",
            ReplyCode::ChannelError => "CHANNEL_ERROR",
            ReplyCode::UnexpectedFrame => "UNEXPECTED_FRAME",
            ReplyCode::ResourceError => "RESOURCE_ERROR",
            ReplyCode::NotAllowed => "NOT_ALLOWED",
            ReplyCode::NotImplemented => "NOT_IMPLEMENTED",
            ReplyCode::InternalError => "INTERNAL_ERROR",
        }
    }

    /// Whether the error closes the whole connection; a soft one closes only its channel.
    pub fn is_hard(self) -> bool {
        match self {
            ReplyCode::ContentTooLarge
            | ReplyCode::NoRoute
            | ReplyCode::NoConsumers
            | ReplyCode::AccessRefused
            | ReplyCode::NotFound
            | ReplyCode::ResourceLocked
            | ReplyCode::PreconditionFailed => false,
            ReplyCode::ConnectionForced
            | ReplyCode::InvalidPath
            | ReplyCode::FrameError
            | ReplyCode::SyntaxError
            | ReplyCode::CommandInvalid
            | ReplyCode::ChannelError
            | ReplyCode::UnexpectedFrame
            | ReplyCode::ResourceError
            | ReplyCode::NotAllowed
            | ReplyCode::NotImplemented
            | ReplyCode::InternalError => true,
        }
    }
}

/// Bytes in the longest short string, and so in the longest reply text.
pub const SHORTSTR_BYTES_MAX: usize = 255;

/// What `channel.close` or `connection.close` tells the peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", self.reply_text())]
pub struct AmqpError {
    /// The reply code; its scope says which of the two is closed.
    pub code: ReplyCode,
    /// The explanation, without the `NAME - ` prefix and not yet cut.
    pub text: String,
    /// Class of the method that failed; 0 when none did.
    pub class_id: u16,
    /// Method that failed; 0 when none did.
    pub method_id: u16,
}

impl AmqpError {
    /// An error that no method caused; [`AmqpError::at`] names one.
    pub fn new(code: ReplyCode, text: impl Into<String>) -> AmqpError {
        AmqpError { code, text: text.into(), class_id: 0, method_id: 0 }
    }

    /// The same error, caused by the method with these class and method ids.
    pub fn at(self, (class_id, method_id): (u16, u16)) -> AmqpError {
        AmqpError { class_id, method_id, ..self }
    }

    /// `NAME - explanation`. A text of more than 255 bytes ends in `...` at most at byte 255, cut
    /// between characters so that it stays a valid short string.
    pub fn reply_text(&self) -> String {
        const ELLIPSIS: &str = "...";
        let mut text = format!("{} - {}", self.code.name(), self.text);
        if text.len() > SHORTSTR_BYTES_MAX {
            text.truncate(text.floor_char_boundary(SHORTSTR_BYTES_MAX - ELLIPSIS.len()));
            text.push_str(ELLIPSIS);
        }
        text
    }
}

impl From<DecodeError> for AmqpError {
    fn from(error: DecodeError) -> AmqpError {
        let at = match error {
            DecodeError::UnknownMethod(class, method) => (class, method),
            _ => (0, 0),
        };
        AmqpError::new(error.reply_code(), error.to_string()).at(at)
    }
}

/// Why bytes are not what they should be. `Display` is the explanation to send to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A field reaches past the end of its frame or table.
    #[error("cannot decode: a field reaches past the end")]
    Truncated,
    /// Bytes are left after the last field.
    #[error("cannot decode: bytes are left after the last field")]
    Trailing,
    /// A short string of a method is not UTF-8. The words are RabbitMQ's.
    #[error("Malformed UTF-8 in shortstr")]
    Utf8,
    /// Class and method id of a method that neither the specification nor RabbitMQ has.
    #[error("unknown method {0}.{1}")]
    UnknownMethod(u16, u16),
    /// The type tag of a field value is not one that RabbitMQ reads.
    #[error("unknown field value type {0}")]
    BadTag(u8),
    /// Tables and arrays are nested deeper than [`MAX_DEPTH`](crate::value::MAX_DEPTH).
    #[error("field table nested too deeply")]
    TooDeep,
    /// A content header has a weight other than 0, or says that it has more properties than exist.
    #[error("malformed content header")]
    BadHeader,
}

impl DecodeError {
    /// The code with which the connection is closed; each of them is a hard one.
    ///
    /// RabbitMQ answers 501 to arguments that it cannot take apart, 541 to properties, and drops
    /// the connection without a word at bad tags and unknown methods. Those get 502 and 540 here,
    /// which say more.
    pub fn reply_code(&self) -> ReplyCode {
        match self {
            DecodeError::Truncated
            | DecodeError::Trailing
            | DecodeError::Utf8
            | DecodeError::BadHeader => ReplyCode::FrameError,
            DecodeError::BadTag(_) | DecodeError::TooDeep => ReplyCode::SyntaxError,
            DecodeError::UnknownMethod(..) => ReplyCode::NotImplemented,
        }
    }
}

/// Bytes as Erlang writes a binary: `<<0,9,255>>`.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Octets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<<")?;
        for (index, byte) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{byte}")?;
        }
        write!(f, ">>")
    }
}

#[cfg(test)]
mod tests;
