//! What we write is what Kamailio writes.

use super::*;
use crate::sip::Response;
use crate::sip::samples::{address, packet, packets, request};

/// The packet with our name in place of Kamailio's.
fn renamed(packet: &[u8]) -> String {
    let text = str::from_utf8(packet).expect("the samples are text");
    text.replace("kamailio (5.6.3 (x86_64/linux))", AGENT)
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("text")
}

#[test]
fn requests_are_written_as_kamailio_writes_them() {
    let mut compared = 0;
    for (name, packet) in packets() {
        let Ok(Message::Request(request)) = Message::parse(&packet) else { continue };
        if !request.agent().starts_with("kamailio") || request.method != "KDMQ" {
            continue;
        }
        let kdmq = Kdmq {
            peer: request.peer().expect("a peer"),
            to: &request.uri.parse().expect("a node"),
            from: &request.from_node().expect("a node"),
            branch: request.headers.via().branch.expect("a branch"),
            tag: request.headers.party(Name::From).and_then(|from| from.tag).expect("a tag"),
            call_id: request.headers.call_id(),
            max_forwards: request.max_forwards().expect("it is there"),
            content_type: &request.content_type(),
            body: request.body,
        };
        assert_eq!(text(|out| kdmq.write(out)), renamed(&packet), "{name}");
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn replies_are_written_as_kamailio_writes_them() {
    let packets = packets();
    let mut compared = 0;
    for (name, packet) in &packets {
        let Ok(Message::Response(theirs)) = Message::parse(packet) else { continue };
        if !theirs.agent().starts_with("kamailio") {
            continue;
        }
        let asked = packets.iter().find_map(|(_, packet)| match Message::parse(packet) {
            Ok(Message::Request(request)) if request.headers.via() == theirs.headers.via() => {
                Some(request)
            }
            _ => None,
        });
        let Some(asked) = asked else { continue };
        let tag = theirs.headers.party(Name::To).and_then(|to| to.tag).expect("a tag");
        let content_type = theirs.headers.get(Name::ContentType).unwrap_or_default();
        let Response { code, reason, body, .. } = theirs;
        let reply = Reply { code, reason, tag, content_type, body, ..Reply::default() };
        let via = asked.headers.via();
        let source = format!("{}:{}", via.host, via.port_or_default());
        assert_eq!(
            text(|out| reply.write(&asked, address(&source), out)),
            renamed(packet),
            "{name}"
        );
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn requests_are_replicated_as_kamailio_does() {
    let original = packet("16.01.raw");
    let ours = "sip:127.0.0.1:5060".parse().expect("a node");
    for copy in ["16.03.raw", "16.04.raw"] {
        let theirs = packet(copy);
        let branch = request(&theirs).headers.via().branch.expect("a branch");
        let copied = text(|out| {
            replicate(&original, &ours, Transport::Udp, branch, out).expect("a request");
        });
        assert_eq!(copied, renamed(&theirs));
    }
    let refused = replicate(&packet("16.02.raw"), &ours, Transport::Udp, "b", &mut Vec::new());
    assert_eq!(refused, Err(ParseError::Response));
}
