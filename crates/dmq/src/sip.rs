//! SIP messages, as far as a bus of `KDMQ` requests needs them (RFC 3261): read without copies,
//! written in the form of Kamailio's.
//!
//! Knows no sockets, no time and no randomness. What is read borrows the packet, and costs no
//! allocation however many headers there are.

pub mod frame;
pub mod grammar;
pub mod headers;
pub mod parse;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
pub mod via;
pub mod write;

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::address::NodeUri;
use headers::{Headers, Name};
use parse::ParseError;

/// What we call ourselves in `User-Agent` and `Server`; Leveret nodes know each other by it.
pub const AGENT: &str = concat!("Leveret/", env!("CARGO_PKG_VERSION"));

/// The method of the bus.
pub const KDMQ: &str = "KDMQ";

/// A SIP message.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// Wants something.
    Request(Request<'a>),
    /// Answers.
    Response(Response<'a>),
}

impl<'a> Message<'a> {
    /// Reads a datagram, or one message of a stream (see [`frame::Framer`]).
    ///
    /// As tolerant as RFC 3261 wants: compact names, folded lines, blanks around the colon, lines
    /// that end in LF, headers in any order. Bytes after the body are dropped; without a
    /// `Content-Length` the body is all that is there.
    ///
    /// # Errors
    /// It is not SIP, or a request that cannot even be refused. What can be refused is returned
    /// with a [`Request::fault`].
    pub fn parse(packet: &'a [u8]) -> Result<Message<'a>, ParseError> {
        parse::message(packet)
    }
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method as it was written: methods in other letter cases are other methods.
    pub method: &'a str,
    /// The request URI.
    pub uri: &'a str,
    /// The headers.
    pub headers: Headers<'a>,
    /// The body; empty when the fault is about its length.
    pub body: &'a [u8],
    /// What is wrong with it, so that it should be answered 400 and nothing else be done.
    pub fault: Option<ParseError>,
}

impl<'a> Request<'a> {
    /// The peer that it is for: the user part of the request URI, in which Kamailio's nodes look
    /// for it too. Escapes are left as they are.
    pub fn peer(&self) -> Option<&'a str> {
        grammar::user(self.uri)
    }

    /// Who says that he sent it, when that can be a node.
    pub fn from_node(&self) -> Option<NodeUri> {
        self.headers.from_uri()?.parse().ok()
    }

    /// How many hops it may still go; `None` when it does not say.
    pub fn max_forwards(&self) -> Option<u8> {
        grammar::decimal(self.headers.get(Name::MaxForwards)?)
    }

    /// The type of the body, on one line; empty when there is none.
    pub fn content_type(&self) -> Cow<'a, str> {
        grammar::unfolded(self.headers.get(Name::ContentType).unwrap_or_default())
    }

    /// What the sender calls himself, on one line; empty when he does not.
    pub fn agent(&self) -> Cow<'a, str> {
        grammar::unfolded(self.headers.get(Name::UserAgent).unwrap_or_default())
    }

    /// Where the reply to a datagram goes: back to the address that it came from, to the port that
    /// its Via names (RFC 3261 18.2.2), or to the one that it came from when the sender asks for
    /// that (RFC 3581). Never to another address, so that no request has us send to third parties.
    pub fn reply_address(&self, source: SocketAddr) -> SocketAddr {
        let via = self.headers.via();
        if via.wants_rport() {
            return source;
        }
        SocketAddr::new(source.ip(), via.port_or_default())
    }
}

/// A response.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// From 100 to 699.
    pub code: u16,
    /// The words for it; may be empty.
    pub reason: &'a str,
    /// The headers.
    pub headers: Headers<'a>,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Response<'a> {
    /// What the answering side calls itself, on one line; empty when it does not.
    pub fn agent(&self) -> Cow<'a, str> {
        grammar::unfolded(self.headers.get(Name::Server).unwrap_or_default())
    }
}

/// The words for a code that we answer: Kamailio's for what DMQ says, else those of RFC 3261 21.
pub fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "User Not Found",
        405 => "Method Not Allowed",
        413 => "Request Entity Too Large",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}
