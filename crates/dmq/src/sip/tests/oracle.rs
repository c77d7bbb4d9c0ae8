//! Another SIP library reads the same in what both accept.

use std::net::IpAddr;

use bytes::Bytes;
use ezk_sip_types::header::typed::{CSeq, CallID, ContentLength, FromTo, Via};
use ezk_sip_types::host::Host;
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::{Headers, Name as TheirName};
use proptest::prelude::*;

use super::wild::{damaged, parts, reworded};
use crate::sip::Message;
use crate::sip::grammar::unfolded;
use crate::sip::headers::Name;
use crate::sip::samples::packets;

/// What both can say about a message.
#[derive(Debug, PartialEq)]
struct Summary {
    /// Method or code.
    start: String,
    /// Transport, host and port.
    via: (String, String, Option<u16>),
    branch: Option<String>,
    /// The hosts' ports, and tags, of From and To.
    parties: [(Option<u16>, Option<String>); 2],
    call_id: String,
    cseq: (u32, String),
    body: Vec<u8>,
}

fn ours(packet: &[u8]) -> Option<Summary> {
    let (start, headers, body) = match Message::parse(packet).ok()? {
        Message::Request(request) if request.fault.is_some() => return None,
        Message::Request(request) => (request.method.to_owned(), request.headers, request.body),
        Message::Response(response) => (response.code.to_string(), response.headers, response.body),
    };
    let via = headers.via();
    let party = |name| {
        let party = headers.party(name)?;
        let (_, port) = party.uri.split_once(';').unwrap_or((party.uri, "")).0.rsplit_once(':')?;
        Some((port.parse().ok(), party.tag.map(str::to_owned)))
    };
    let (number, method) = headers.cseq()?;
    Some(Summary {
        start,
        via: (via.transport.to_owned(), via.host.to_ascii_lowercase(), via.port),
        branch: via.branch.map(str::to_owned),
        parties: [party(Name::From)?, party(Name::To)?],
        call_id: headers.call_id().to_owned(),
        cseq: (number, method.to_owned()),
        body: body.to_vec(),
    })
}

fn theirs(packet: &[u8]) -> Option<Summary> {
    let bytes = Bytes::copy_from_slice(packet);
    let mut lines = PullParser::new(&bytes, 0);
    let first: MessageLine = std::str::from_utf8(lines.next()?.ok()?).ok()?.parse().ok()?;
    let mut headers = Headers::new();
    for line in lines.by_ref() {
        let line = std::str::from_utf8(line.ok()?).ok()?;
        let (_, Line { name, value }) = Line::parse(&bytes, line).ok()?;
        headers.insert(name, value);
    }
    let start = match &first {
        MessageLine::Request(request) => request.method.to_string(),
        MessageLine::Response(response) => response.code.into_u16().to_string(),
    };
    let via: Via = headers.get_named().ok()?;
    let host = match &via.sent_by.host {
        Host::IP4(ip) => IpAddr::from(*ip).to_string(),
        Host::IP6(ip) => ip.to_string(),
        Host::Name(name) => name.to_string().to_ascii_lowercase(),
    };
    let party = |name| {
        let party: FromTo = headers.get(name).ok()?;
        Some((party.uri.uri.host_port.port, party.tag.map(|tag| tag.to_string())))
    };
    let CallID(call_id) = headers.get_named().ok()?;
    let cseq: CSeq = headers.get_named().ok()?;
    let rest = &packet[lines.head_end()..];
    let body = match headers.get_named() {
        Ok(ContentLength(length)) => rest.get(..length)?,
        Err(_) => rest,
    };
    Some(Summary {
        start,
        via: (via.transport.to_string(), host, via.sent_by.port),
        branch: via.params.get_val("branch").map(|branch| branch.to_string()),
        parties: [party(TheirName::FROM)?, party(TheirName::TO)?],
        call_id: call_id.to_string(),
        cseq: (cseq.cseq, cseq.method.to_string()),
        body: body.to_vec(),
    })
}

#[test]
fn both_read_the_captured_packets_alike() {
    for (name, packet) in packets() {
        let ours = ours(&packet);
        assert!(ours.is_some(), "{name}");
        assert_eq!(ours, theirs(&packet), "{name}");
    }
}

/// Without the line ends that may stand before a message, which the other library leaves to its
/// caller.
fn from_first_line(packet: &[u8]) -> &[u8] {
    let start = packet.iter().position(|byte| !b"\r\n".contains(byte));
    &packet[start.unwrap_or(packet.len())..]
}

/// The lines of a message as the other library cuts them: names, and values without folds.
fn their_lines(packet: &[u8]) -> Option<Vec<(TheirName, String)>> {
    let bytes = Bytes::copy_from_slice(packet);
    let lines = PullParser::new(&bytes, 0).skip(1).map(|line| {
        let line = std::str::from_utf8(line.ok()?).ok()?;
        let (_, Line { name, value }) = Line::parse(&bytes, line).ok()?;
        Some((name, unfolded(value.trim()).into_owned()))
    });
    lines.collect()
}

proptest! {
    #[test]
    fn both_read_what_we_write_alike(parts in parts()) {
        let mut packet = Vec::new();
        parts.kdmq().write(&mut packet);
        let ours = ours(&packet);
        prop_assert!(ours.is_some());
        prop_assert_eq!(ours, theirs(&packet));
    }

    #[test]
    fn other_words_change_nothing((plain, odd) in reworded()) {
        let plain = ours(&plain);
        prop_assert!(plain.is_some());
        prop_assert_eq!(&ours(&odd), &plain);
        prop_assert_eq!(theirs(from_first_line(&odd)), plain);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn both_find_the_same_headers_in_damaged_packets(packet in damaged()) {
        let headers = match Message::parse(&packet) {
            Ok(Message::Request(request)) if request.fault.is_none() => request.headers,
            Ok(Message::Response(response)) => response.headers,
            _ => return Ok(()),
        };
        let Some(lines) = their_lines(from_first_line(&packet)) else { return Ok(()) };
        for (name, theirs) in [
            (Name::Via, TheirName::VIA),
            (Name::From, TheirName::FROM),
            (Name::To, TheirName::TO),
            (Name::CallId, TheirName::CALL_ID),
            (Name::CSeq, TheirName::CSEQ),
            (Name::ContentLength, TheirName::CONTENT_LENGTH),
            (Name::ContentType, TheirName::CONTENT_TYPE),
            (Name::MaxForwards, TheirName::MAX_FORWARDS),
        ] {
            let ours: Vec<String> =
                headers.all(name).map(|value| unfolded(value).into_owned()).collect();
            let theirs: Vec<String> =
                lines.iter().filter(|(of, _)| *of == theirs).map(|(_, v)| v.clone()).collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}
