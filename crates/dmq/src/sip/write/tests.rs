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
}

/// A request with these Vias, To and body, its lines ended in this way.
fn asked(vias: &str, to: &str, line_end: &str) -> Vec<u8> {
    let text = format!(
        "KDMQ sip:peer@10.0.0.1 SIP/2.0\n{vias}\nTo: {to}\nf: <sip:peer@10.0.0.2>;tag=a\n\
         CSeq: 10 KDMQ\nCall-ID: c\n\n"
    );
    text.replace('\n', line_end).into_bytes()
}

#[test]
fn a_reply_takes_its_way_and_its_parties_from_the_request() {
    let vias = "v: SIP/2.0/UDP a;branch=b;rport;x=y , SIP/2.0/UDP b\nVia: SIP/2.0/TCP\n c;branch=d";
    let packet = asked(vias, "\"To; you\" <sip:peer@10.0.0.1;tag=no>", "\n");
    let reply = Reply {
        code: 405,
        reason: "one\r\nline\0",
        tag: "ours",
        allow: "KDMQ, OPTIONS",
        content_type: "text/plain",
        body: b"body",
    };
    assert_eq!(
        text(|out| reply.write(&request(&packet), address("10.0.0.2:4000"), out)),
        format!(
            "SIP/2.0 405 one  line \r\n\
             Via: SIP/2.0/UDP a;branch=b;rport=4000;x=y;received=10.0.0.2 , SIP/2.0/UDP b\r\n\
             Via: SIP/2.0/TCP c;branch=d\r\n\
             To: \"To; you\" <sip:peer@10.0.0.1;tag=no>;tag=ours\r\n\
             From: <sip:peer@10.0.0.2>;tag=a\r\n\
             CSeq: 10 KDMQ\r\n\
             Call-ID: c\r\n\
             Allow: KDMQ, OPTIONS\r\n\
             Content-Type: text/plain\r\n\
             Server: {AGENT}\r\n\
             Content-Length: 4\r\n\
             \r\n\
             body"
        )
    );
}

#[test]
fn a_tag_that_is_there_is_kept() {
    let reply = Reply { code: 200, reason: "OK", tag: "ours", ..Reply::default() };
    for (to, wanted) in [
        ("sip:a@b", "sip:a@b;tag=ours"),
        ("<sip:a@b>", "<sip:a@b>;tag=ours"),
        ("<sip:a@b>;tag=theirs", "<sip:a@b>;tag=theirs"),
        ("sip:a@b;x=\";tag=\" ; TAG = theirs", "sip:a@b;x=\";tag=\" ; TAG = theirs"),
    ] {
        let packet = asked("Via: SIP/2.0/UDP h;branch=b", to, "\r\n");
        let text = text(|out| reply.write(&request(&packet), address("10.0.0.2:4000"), out));
        assert!(text.contains(&format!("\r\nTo: {wanted}\r\n")), "{text}");
    }
}

#[test]
fn a_replicated_request_can_go_over_a_stream() {
    let ours: NodeUri = "sip:[2001:db8::1]:5060".parse().expect("a node");
    let original = [&b"\r\n"[..], &asked("v: SIP/2.0/UDP h", "<sip:a@b>", "\n"), b"hi"].concat();
    assert_eq!(
        text(|out| {
            replicate(&original, &ours, Transport::Tcp, "z9hG4bKx", out).expect("a request");
        }),
        "KDMQ sip:peer@10.0.0.1 SIP/2.0\n\
         Via: SIP/2.0/TCP [2001:db8::1];branch=z9hG4bKx\r\n\
         Content-Length: 2\r\n\
         v: SIP/2.0/UDP h\nTo: <sip:a@b>\nf: <sip:peer@10.0.0.2>;tag=a\nCSeq: 10 KDMQ\n\
         Call-ID: c\n\nhi"
    );
    let mut out = Vec::new();
    let mut refused = |packet: &[u8]| {
        let refused = replicate(packet, &ours, Transport::Udp, "b", &mut out);
        assert!(out.is_empty());
        refused.expect_err("it is wrong").to_string()
    };
    assert_eq!(refused(b"hello"), "no empty line ends the headers");
    assert_eq!(refused(&packet("16.02.raw")), "this is a response and no request");
    let faulty = asked("v: SIP/2.0/UDP h", "nobody", "\n");
    assert_eq!(refused(&faulty), "the To cannot be understood");
    assert_eq!(refused(&asked("X: y", "<sip:a@b>", "\n")), "there is no Via");
}
