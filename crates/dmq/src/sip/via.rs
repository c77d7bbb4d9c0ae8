//! The Via: who sent a packet, and how the reply finds back to him.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};

use super::grammar::{BLANKS, decimal, find_unquoted, is_token, parameters, unfolded};
use super::write::put;
use crate::address::{NodeUri, PORT, TLS_PORT, Transport};

/// One Via that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// How it was sent, as it was written: `UDP`, `TCP`, `TLS` or anything else.
    pub transport: &'a str,
    /// The sender's host; an IPv6 address without brackets.
    pub host: &'a str,
    /// The sender's port, when it is named.
    pub port: Option<u16>,
    /// What tells the sender's transactions apart. Old clients have none (RFC 2543).
    pub branch: Option<&'a str>,
    /// All of it as it was written, without what follows the comma in the same header.
    text: &'a str,
    /// Where `rport` ends in the text, when the sender asks for a value (RFC 3581).
    rport_end: Option<usize>,
    /// Whether it says already where it was received from.
    has_received: bool,
}

impl<'a> Via<'a> {
    /// Reads the first Via of a header's value.
    pub(super) fn parse(value: &'a str) -> Option<Via<'a>> {
        let text = &value[..find_unquoted(value, b',').unwrap_or(value.len())];
        let (sent, rest) = text.split_at(find_unquoted(text, b';').unwrap_or(text.len()));
        let (name, sent) = sent.split_once('/')?;
        let (version, sent) = sent.split_once('/')?;
        let is_sip = name.trim_ascii().eq_ignore_ascii_case("SIP");
        if !is_sip || version.trim_ascii() != "2.0" {
            return None;
        }
        let (transport, sent_by) = sent.trim_ascii_start().split_once(BLANKS)?;
        let (host, port) = split_sent_by(sent_by.trim_ascii())?;
        if !is_token(transport) {
            return None;
        }
        let parameters_start = text.len() - rest.len();
        let text = text.trim_ascii_end();
        let mut via =
            Via { transport, host, port, branch: None, text, rport_end: None, has_received: false };
        for parameter in parameters(rest) {
            if parameter.is("branch") {
                via.branch = Some(parameter.value.filter(|branch| is_token(branch))?);
            } else if parameter.is("rport") && parameter.value.is_none() {
                via.rport_end = Some(parameters_start + parameter.end);
            } else if parameter.is("received") {
                via.has_received = true;
            }
        }
        Some(via)
    }

    /// Whether the sender wants replies at the port that his request came from (RFC 3581).
    pub fn wants_rport(&self) -> bool {
        self.rport_end.is_some()
    }

    /// The port at which the sender wants replies (RFC 3261 18.2.2).
    pub fn port_or_default(&self) -> u16 {
        let is_tls = self.transport.eq_ignore_ascii_case("TLS");
        self.port.unwrap_or(if is_tls { TLS_PORT } else { PORT })
    }

    /// How many bytes of the header's value this one takes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Writes it as it stands in a reply: with `received` when the source is not the address that
    /// it names (RFC 3261 18.2.1), and with the source's port where that is asked for (RFC 3581 4).
    pub(super) fn write(&self, source: SocketAddr, out: &mut Vec<u8>) {
        let ip = source.ip().to_canonical();
        let (before, after) = self.text.split_at(self.rport_end.unwrap_or(self.text.len()));
        out.extend_from_slice(unfolded(before).as_bytes());
        if self.wants_rport() {
            put(out, format_args!("={}", source.port()));
        }
        out.extend_from_slice(unfolded(after).as_bytes());
        let is_source = self.host.parse() == Ok(ip);
        if !self.has_received && (self.wants_rport() || !is_source) {
            put(out, format_args!(";received={ip}"));
        }
    }
}

/// The host and the port of a `host:port`, in which blanks may stand around the colon.
fn split_sent_by(sent_by: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match sent_by.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            match rest.trim_ascii_start() {
                "" => (host, None),
                rest => (host, Some(rest.strip_prefix(':')?)),
            }
        }
        None => {
            let (host, port) = match sent_by.split_once(':') {
                Some((host, port)) => (host.trim_ascii_end(), Some(port)),
                None => (sent_by, None),
            };
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_name) {
                return None;
            }
            (host, port)
        }
    };
    let port = match port {
        None => None,
        Some(port) => Some(decimal(port.trim_ascii_start()).filter(|&port| port != 0)?),
    };
    Some((host, port))
}

/// A Via of ours, in the form of Kamailio's: no `rport`, and no port when it is 5060.
pub(super) struct OurVia<'a> {
    /// How the packet goes.
    pub(super) transport: Transport,
    /// Where replies shall come.
    pub(super) sent_by: &'a NodeUri,
    /// The transaction's.
    pub(super) branch: &'a str,
}

impl fmt::Display for OurVia<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} ", self.transport.token())?;
        if self.sent_by.port == PORT && self.transport != Transport::Tls {
            let host = &self.sent_by.host;
            if host.contains(':') { write!(f, "[{host}]")? } else { f.write_str(host)? }
        } else {
            self.sent_by.host_port(f)?;
        }
        write!(f, ";branch={}", self.branch)
    }
}
