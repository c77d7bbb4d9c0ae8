//! A SIP message as it was on the wire, read by rules of its own: these tests believe no parser that
//! they test.

use std::net::SocketAddr;
use std::time::Instant;

/// How a message travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Udp,
    Tcp,
    /// Between real nodes only; no scripted one speaks it.
    Tls,
}

/// One message that a scripted node got.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) at: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) over: Over,
    pub(crate) bytes: Vec<u8>,
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "from {} by {:?}:\n{}",
            self.from,
            self.over,
            String::from_utf8_lossy(&self.bytes)
        )
    }
}

/// The value of a header in the head of a message, the first of them.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    headers(head, name).next()
}

fn headers<'a>(head: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let short = SHORT.iter().find(|(_, long)| long.eq_ignore_ascii_case(name));
    let is = move |key: &str| {
        key.eq_ignore_ascii_case(name) || short.is_some_and(|(s, _)| key.eq_ignore_ascii_case(s))
    };
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(move |(key, _)| is(key.trim_end())).map(|(_, value)| value.trim())
}

/// Headers that may be written short.
const SHORT: &[(&str, &str)] =
    &[("v", "Via"), ("f", "From"), ("t", "To"), ("i", "Call-ID"), ("l", "Content-Length")];

impl Packet {
    /// First line and headers, without the blank line.
    #[track_caller]
    pub(crate) fn head(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.head_bytes()]).expect("the head is text")
    }

    fn head_bytes(&self) -> usize {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        end.unwrap_or_else(|| panic!("no blank line: {self:?}"))
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.head_bytes() + 4..]
    }

    /// The body, which is text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.body()).expect("the body is text")
    }

    pub(crate) fn first_line(&self) -> &str {
        self.head().split("\r\n").next().expect("there is a first line")
    }

    /// A header that may be missing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        header(self.head(), name)
    }

    /// A header that must be there.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    /// All headers of a name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        headers(self.head(), name).collect()
    }

    /// Whether it is a response.
    pub(crate) fn is_reply(&self) -> bool {
        self.bytes.starts_with(b"SIP/2.0 ")
    }

    /// The method of a request.
    pub(crate) fn method(&self) -> &str {
        self.first_line().split(' ').next().expect("there is a word")
    }

    /// The code of a response.
    #[track_caller]
    pub(crate) fn code(&self) -> u16 {
        assert!(self.is_reply(), "{self:?}");
        self.first_line().split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a code")
    }

    /// The words behind the code of a response.
    pub(crate) fn reason(&self) -> &str {
        self.first_line().splitn(3, ' ').nth(2).expect("a reason")
    }

    /// The URI of a request.
    pub(crate) fn uri(&self) -> &str {
        self.first_line().split(' ').nth(1).expect("a URI")
    }

    /// The peer that a KDMQ request is for; that of a response stands in its `To`.
    pub(crate) fn peer(&self) -> &str {
        let uri = if self.is_reply() { self.header("To") } else { self.uri() };
        let user = uri.split_once("sip:").and_then(|(_, rest)| rest.split_once('@'));
        user.map_or("", |(user, _)| user)
    }

    /// The branch of the topmost Via.
    pub(crate) fn branch(&self) -> &str {
        let via = self.header("Via");
        let branch = via.split(';').find_map(|part| part.strip_prefix("branch="));
        branch.unwrap_or_else(|| panic!("no branch: {via}"))
    }

    /// Whether it is a KDMQ request for this peer.
    pub(crate) fn asks(&self, peer: &str) -> bool {
        !self.is_reply() && self.method() == "KDMQ" && self.peer() == peer
    }

    /// Whether it is a request of the notification peer with this `Max-Forwards`.
    pub(crate) fn notifies(&self, max_forwards: &str) -> bool {
        self.asks(NOTIFICATION) && self.get("Max-Forwards") == Some(max_forwards)
    }

    /// The lines of a node list.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.text().split_terminator("\r\n").collect()
    }
}

/// The peer by which nodes tell of each other.
pub(crate) const NOTIFICATION: &str = "notification_peer";

/// Takes the next whole message off the front of a stream's bytes.
pub(crate) fn framed(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    bytes.drain(..blanks);
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).expect("the head is text");
    let length = header(text, "Content-Length").expect("streams need Content-Length");
    let end = head + 4 + length.parse::<usize>().expect("a length");
    (bytes.len() >= end).then(|| bytes.drain(..end).collect())
}
