//! Reads a message: the first line, the headers, and how much of the rest is the body.

#[cfg(test)]
mod tests;

use super::grammar::{decimal, has_blank, is_token};
use super::headers::{HEADERS_MAX, Headers, Name};
use super::{Message, Request, Response};

/// The longest head (first line and headers), in bytes. Kamailio's requests have about 500.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What is wrong with a message. The text goes into logs and, when it can be answered, into the
/// words of the 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Line ends and zeros alone, by which phones keep their way through a NAT open.
    #[error("a keep-alive and no message")]
    KeepAlive,
    /// The end is missing.
    #[error("no empty line ends the headers")]
    NoEnd,
    /// See [`HEAD_BYTES_MAX`].
    #[error("the headers have more than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// See [`HEADERS_MAX`].
    #[error("there are more than {HEADERS_MAX} headers")]
    TooManyHeaders,
    /// RFC 3261 7: the head is UTF-8.
    #[error("the headers are not UTF-8")]
    NotText,
    /// A control character, or a CR without a LF, which some would take for the end of a line.
    #[error("a control character in the headers")]
    Control,
    /// Anything but SIP.
    #[error("the first line is no request's and no response's")]
    FirstLine,
    /// A version from the future.
    #[error("the version is not SIP/2.0")]
    Version,
    /// The request URI is none.
    #[error("the request URI is none")]
    Uri,
    /// A line without name and colon; the first line is number 1, a folded one counts once.
    #[error("line {line} is no header")]
    NoHeader {
        /// Its number.
        line: usize,
    },
    /// It cannot be answered without this.
    #[error("there is no {0}")]
    Missing(Name),
    /// Who reads the first and who reads the last would disagree.
    #[error("there are several {0}")]
    Repeated(Name),
    /// A header's value is wrong.
    #[error("the {0} cannot be understood")]
    Bad(Name),
    /// RFC 3261 8.1.1.5: they are the same.
    #[error("the CSeq is another method's")]
    OtherMethod,
    /// The packet was cut.
    #[error("the body has {bytes} bytes and not {length} as Content-Length says")]
    Short {
        /// What there is.
        bytes: usize,
        /// What should be there.
        length: usize,
    },
    /// Only requests can be replicated.
    #[error("this is a response and no request")]
    Response,
}

/// Reads a message; see [`Message::parse`].
pub(super) fn message(packet: &[u8]) -> Result<Message<'_>, ParseError> {
    let packet = without_keep_alive(packet);
    if packet.is_empty() || packet.iter().all(|&byte| byte == 0) {
        return Err(ParseError::KeepAlive);
    }
    let within = &packet[..packet.len().min(HEAD_BYTES_MAX)];
    let Some(body_start) = body_start(within, 0) else {
        let is_long = packet.len() > HEAD_BYTES_MAX;
        return Err(if is_long { ParseError::HeadTooLong } else { ParseError::NoEnd });
    };
    let (head, rest) = packet.split_at(body_start);
    if has_control(head) {
        return Err(ParseError::Control);
    }
    let head = str::from_utf8(head).map_err(|_| ParseError::NotText)?;
    let mut lines = Lines::new(head);
    let first = FirstLine::parse(lines.next().unwrap_or_default())?;
    let (headers, mut fault) = Headers::read(lines)?;
    let body = body(&headers, rest).unwrap_or_else(|wrong| {
        fault = fault.or(Some(wrong));
        &[]
    });
    let cseq = headers.cseq();
    fault = fault.or_else(|| wrong_value(&headers, cseq.is_some()));
    match first {
        FirstLine::Request { method, uri, fault: wrong } => {
            let wrong = wrong.or(fault);
            let is_other = cseq.is_some_and(|(_, of)| of != method);
            let fault = wrong.or(is_other.then_some(ParseError::OtherMethod));
            Ok(Message::Request(Request { method, uri, headers, body, fault }))
        }
        FirstLine::Response { code, reason } => match fault {
            Some(fault) => Err(fault),
            None => Ok(Message::Response(Response { code, reason, headers, body })),
        },
    }
}

/// The first line, taken apart.
enum FirstLine<'a> {
    Request { method: &'a str, uri: &'a str, fault: Option<ParseError> },
    Response { code: u16, reason: &'a str },
}

impl<'a> FirstLine<'a> {
    /// Reads `METHOD URI SIP/2.0` or `SIP/2.0 CODE words` (RFC 3261 7.1, 7.2).
    fn parse(line: &'a str) -> Result<FirstLine<'a>, ParseError> {
        let (start, rest) = line.split_once(' ').ok_or(ParseError::FirstLine)?;
        if is_version(start) {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            return match decimal(code) {
                Some(status @ 100..=699) if code.len() == 3 && !line.contains('\n') => {
                    Ok(FirstLine::Response { code: status, reason })
                }
                _ => Err(ParseError::FirstLine),
            };
        }
        let (uri, version) = rest.rsplit_once(' ').ok_or(ParseError::FirstLine)?;
        let is_sip = version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/"));
        if !is_token(start) || !is_sip || line.contains('\n') {
            return Err(ParseError::FirstLine);
        }
        let is_uri = uri.split_once(':').is_some_and(|(scheme, rest)| {
            is_token(scheme) && !rest.is_empty() && !uri.contains([' ', '\t', '<', '>', '"'])
        });
        let fault = if !is_version(version) {
            Some(ParseError::Version)
        } else if !is_uri {
            Some(ParseError::Uri)
        } else {
            None
        };
        Ok(FirstLine::Request { method: start, uri, fault })
    }
}

fn is_version(text: &str) -> bool {
    text.eq_ignore_ascii_case("SIP/2.0")
}

/// The body: as long as `Content-Length` says (RFC 3261 18.3).
fn body<'a>(headers: &Headers<'_>, rest: &'a [u8]) -> Result<&'a [u8], ParseError> {
    if headers.get(Name::ContentLength).is_none() {
        return Ok(rest);
    }
    let length = headers.content_length().ok_or(ParseError::Bad(Name::ContentLength))?;
    rest.get(..length).ok_or(ParseError::Short { bytes: rest.len(), length })
}

/// The first header whose value makes no sense, although it can be echoed in a reply.
fn wrong_value(headers: &Headers<'_>, has_cseq: bool) -> Option<ParseError> {
    let call_id = headers.call_id();
    let is_bad_hops = |hops| decimal::<u8>(hops).is_none();
    let wrong = if !has_cseq {
        Name::CSeq
    } else if call_id.is_empty() || has_blank(call_id) {
        Name::CallId
    } else if headers.party(Name::From).is_none() {
        Name::From
    } else if headers.party(Name::To).is_none() {
        Name::To
    } else if headers.get(Name::MaxForwards).is_some_and(is_bad_hops) {
        Name::MaxForwards
    } else {
        return None;
    };
    Some(ParseError::Bad(wrong))
}

/// Without the line ends that may stand before a message (RFC 3261 7.5), or alone.
pub(super) fn without_keep_alive(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !b"\r\n".contains(byte));
    &bytes[start.unwrap_or(bytes.len())..]
}

/// Where the body starts: after the first empty line. What is before `from` was searched already.
pub(super) fn body_start(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'\n')? + 1;
        match bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Whether there is a control character that is neither a tab nor part of a line's end.
fn has_control(head: &[u8]) -> bool {
    // No branches, so that many bytes are looked at in one step.
    let is_control = |byte: u8| {
        ((byte < b' ') & (byte != b'\t') & (byte != b'\r') & (byte != b'\n')) | (byte == 0x7f)
    };
    let pairs = head.iter().zip(&head[1..]);
    head.iter().fold(false, |found, &byte| found | is_control(byte))
        || pairs.fold(false, |found, (&one, &next)| found | ((one == b'\r') & (next != b'\n')))
}

/// The lines of a head, without their ends: one that starts with a blank goes on with the one
/// before (RFC 3261 7.3.1).
pub(super) struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Lines<'a> {
    /// All lines before the first empty one.
    pub(super) fn new(head: &'a str) -> Lines<'a> {
        Lines { rest: head.trim_end_matches(['\r', '\n']) }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let rest = &self.rest.as_bytes()[end..];
            end += rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
            if !matches!(self.rest.as_bytes().get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(line.trim_ascii_end())
    }
}
