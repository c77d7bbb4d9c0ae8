//! Writes messages in the form of Kamailio 5.6.3's: the same headers in the same order.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;

use super::grammar::unfolded;
use super::headers::Name;
use super::parse::{ParseError, body_start, without_keep_alive};
use super::via::OurVia;
use super::{AGENT, Message, Request};
use crate::address::{NodeUri, Transport};

/// A `KDMQ` request of ours.
#[derive(Clone, Copy, Debug)]
pub struct Kdmq<'a> {
    /// The channel; must be [`super::grammar::is_peer`].
    pub peer: &'a str,
    /// The node that it goes to, over its transport.
    pub to: &'a NodeUri,
    /// Ourselves, as in our own line of the node list.
    pub from: &'a NodeUri,
    /// Of [`crate::transaction::Clients::branch`].
    pub branch: &'a str,
    /// The tag of `From`.
    pub tag: &'a str,
    /// The `Call-ID`, new for each message and destination.
    pub call_id: &'a str,
    /// 2 for a join, which is told to all others; else 1.
    pub max_forwards: u8,
    /// Must be [`super::grammar::is_content_type`]; no header when it is empty.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Kdmq<'_> {
    /// Writes it behind what is in `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let to = PeerUri { peer: self.peer, node: self.to };
        let from = PeerUri { peer: self.peer, node: self.from };
        let Kdmq { tag, call_id, max_forwards, content_type, body, .. } = self;
        let via = OurVia { transport: self.to.transport, sent_by: self.from, branch: self.branch };
        out.reserve(512 + body.len());
        put(out, format_args!("KDMQ {to} SIP/2.0\r\nVia: {via}\r\nTo: <{to}>\r\n"));
        put(out, format_args!("From: <{from}>;tag={tag}\r\nCSeq: 10 KDMQ\r\n"));
        put(out, format_args!("Call-ID: {call_id}\r\nContent-Length: {}\r\n", body.len()));
        put(out, format_args!("User-Agent: {AGENT}\r\nMax-Forwards: {max_forwards}\r\n"));
        if !content_type.is_empty() {
            put(out, format_args!("Content-Type: {content_type}\r\n"));
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
    }
}

/// A reply of ours. What it answers is told when it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    /// From 100 to 699.
    pub code: u16,
    /// The words for it; see [`super::reason`].
    pub reason: &'a str,
    /// The tag of `To`, when the request has none there.
    pub tag: &'a str,
    /// The methods that we answer, for a 405 and for OPTIONS; no header when it is empty.
    pub allow: &'a str,
    /// The type of the body; no header when it is empty.
    pub content_type: &'a str,
    /// The body. Kamailio reads each 200 to a script's message as a node list, so that only replies
    /// to notifications may have one.
    pub body: &'a [u8],
}

impl Reply<'_> {
    /// Writes the reply to a request from `source` behind what is in `out` (RFC 3261 8.2.6).
    pub fn write(&self, to: &Request<'_>, source: SocketAddr, out: &mut Vec<u8>) {
        let headers = &to.headers;
        let value = |name| unfolded(headers.get(name).unwrap_or_default());
        out.reserve(512 + self.body.len());
        put(out, format_args!("SIP/2.0 {} ", self.code));
        // The words may quote the request: no line end may come of it.
        out.extend(self.reason.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }));
        out.extend_from_slice(b"\r\nVia: ");
        let via = headers.via();
        via.write(source, out);
        let mut vias = headers.all(Name::Via);
        let behind_top = &vias.next().unwrap_or_default()[via.len()..];
        out.extend_from_slice(unfolded(behind_top).as_bytes());
        for via in vias {
            put(out, format_args!("\r\nVia: {}", unfolded(via)));
        }
        put(out, format_args!("\r\nTo: {}", value(Name::To)));
        let has_tag = headers.party(Name::To).is_some_and(|party| party.tag.is_some());
        if !has_tag {
            put(out, format_args!(";tag={}", self.tag));
        }
        put(out, format_args!("\r\nFrom: {}\r\n", value(Name::From)));
        put(out, format_args!("CSeq: {}\r\n", value(Name::CSeq)));
        put(out, format_args!("Call-ID: {}\r\n", value(Name::CallId)));
        for (name, value) in [("Allow", self.allow), ("Content-Type", self.content_type)] {
            if !value.is_empty() {
                put(out, format_args!("{name}: {value}\r\n"));
            }
        }
        put(out, format_args!("Server: {AGENT}\r\nContent-Length: {}\r\n\r\n", self.body.len()));
        out.extend_from_slice(self.body);
    }
}

/// Writes a request as `t_replicate` sends it on: unchanged, with a Via of ours on top. Bytes after
/// the body are left out, and the `Content-Length` is added when it is missing, since a stream
/// needs it.
///
/// # Errors
/// It is no request, or one with a [`Request::fault`].
pub fn replicate(
    request: &[u8],
    sent_by: &NodeUri,
    transport: Transport,
    branch: &str,
    out: &mut Vec<u8>,
) -> Result<(), ParseError> {
    let Message::Request(parsed) = Message::parse(request)? else {
        return Err(ParseError::Response);
    };
    if let Some(fault) = parsed.fault {
        return Err(fault);
    }
    let request = without_keep_alive(request);
    let first_line = request.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let head = body_start(request, 0).unwrap_or(request.len());
    let via = OurVia { transport, sent_by, branch };
    out.reserve(256 + request.len());
    out.extend_from_slice(&request[..first_line]);
    put(out, format_args!("Via: {via}\r\n"));
    if parsed.headers.content_length().is_none() {
        put(out, format_args!("Content-Length: {}\r\n", parsed.body.len()));
    }
    out.extend_from_slice(&request[first_line..head]);
    out.extend_from_slice(parsed.body);
    Ok(())
}

/// `sip:peer@host:port`, and `;transport=` except for UDP.
struct PeerUri<'a> {
    peer: &'a str,
    node: &'a NodeUri,
}

impl fmt::Display for PeerUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sip:{}@", self.peer)?;
        self.node.host_port(f)?;
        match self.node.transport {
            Transport::Udp => Ok(()),
            other => write!(f, ";transport={}", other.word()),
        }
    }
}

/// Writes text behind what is in `out`.
pub(super) fn put(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes whatever is written");
}
