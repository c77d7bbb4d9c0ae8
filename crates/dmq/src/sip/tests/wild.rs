//! Whatever arrives, nothing panics; and what is answered, sent on or written can be read.

use proptest::prelude::*;

use crate::address::{NodeUri, Transport};
use crate::sip::frame::Framer;
use crate::sip::grammar::{is_content_type, is_peer};
use crate::sip::samples::{address, packets, request, response};
use crate::sip::write::{Kdmq, Reply, replicate};
use crate::sip::{Message, Request};

/// Packets as they were captured, damaged: bits flip, parts go missing, are doubled or come from
/// another packet.
pub(super) fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let packets: Vec<Vec<u8>> = packets().into_iter().map(|(_, packet)| packet).collect();
    let one = prop::sample::select(packets);
    let position = any::<prop::sample::Index>;
    let damage = (0..5_u8, position(), position(), position(), any::<u8>());
    (one.clone(), one, prop::collection::vec(damage, 0..6)).prop_map(|(packet, other, damages)| {
        damages.into_iter().fold(packet, |mut packet, (kind, from, to, with, byte)| {
            let end = packet.len() + 1;
            let (from, to) = (from.index(end), to.index(end));
            let (from, to) = (from.min(to), from.max(to));
            let with = with.index(other.len());
            match kind {
                0 if from < packet.len() => packet[from] ^= 1 << (byte & 7),
                1 => packet.truncate(to),
                2 => drop(packet.splice(from..to, [])),
                3 => drop(packet.splice(from..from, other[with..].iter().take(40).copied())),
                _ => packet.insert(from, b" \t\r\n:;,\"<>@/=\\"[usize::from(byte) % 14]),
            }
            packet
        })
    })
}

/// All that can be done with a packet.
fn handle(packet: &[u8]) {
    let source = address("[2001:db8::7]:40000");
    let mut framer = Framer::new(1000);
    framer.push(packet);
    while let Ok(Some(message)) = framer.take() {
        let _ = Message::parse(message);
    }
    let Ok(message) = Message::parse(packet) else { return };
    let asked = match message {
        Message::Request(asked) => asked,
        Message::Response(response) => {
            let _ = (response.agent(), format!("{response:?}"));
            return;
        }
    };
    let _ = (asked.from_node(), asked.peer(), asked.agent(), asked.content_type());
    assert_eq!(asked.reply_address(source).ip(), source.ip());
    let mut out = Vec::new();
    let reason = asked.fault.map(|fault| fault.to_string()).unwrap_or_default();
    let reply = Reply { code: 400, reason: &reason, tag: "ours", ..Reply::default() };
    reply.write(&asked, source, &mut out);
    if asked.fault.is_some() {
        return;
    }
    let read = response(&out);
    assert_eq!(same(&read.headers), same(&asked.headers));
    assert!(read.body.is_empty());
    out.clear();
    let ours: NodeUri = "sip:10.1.2.3:5070".parse().expect("a node");
    replicate(packet, &ours, Transport::Tcp, "z9hG4bKours", &mut out).expect("it has no fault");
    let copy = request(&out);
    assert_eq!(copy.headers.via().branch, Some("z9hG4bKours"));
    assert_eq!((copy.method, copy.uri, copy.body), (asked.method, asked.uri, asked.body));
    assert_eq!(copy.headers.content_length(), Some(copy.body.len()));
    let mut framer = Framer::new(usize::MAX);
    framer.push(&out);
    assert_eq!(framer.take(), Ok(Some(out.as_slice())));

    /// What a reply takes from its request.
    fn same(headers: &crate::sip::headers::Headers<'_>) -> String {
        let via = headers.via();
        let sender = (via.transport.to_owned(), via.host.to_owned(), via.port, via.branch);
        format!("{sender:?} {} {:?} {:?}", headers.call_id(), headers.cseq(), headers.from_uri())
    }
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        any::<[u8; 16]>().prop_map(|ip| format!("[{}]", std::net::Ipv6Addr::from(ip))),
        "[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]([a-z0-9]{0,5}))?",
    ]
}

pub(super) fn node() -> impl Strategy<Value = NodeUri> {
    let transport = prop::sample::select(vec!["", ";transport=tcp", ";transport=tls"]);
    let port = prop_oneof![Just(5060_u16), Just(5061), 1..=u16::MAX];
    (host(), port, transport).prop_map(|(host, port, transport)| {
        format!("sip:{host}:{port}{transport}").parse().expect("a node")
    })
}

/// What is different from one request of ours to the next.
#[derive(Debug)]
pub(super) struct Parts {
    peer: String,
    to: NodeUri,
    from: NodeUri,
    words: [String; 3],
    max_forwards: u8,
    content_type: String,
    body: Vec<u8>,
}

impl Parts {
    pub(super) fn kdmq(&self) -> Kdmq<'_> {
        let Parts { peer, to, from, words, max_forwards, content_type, body } = self;
        let [branch, tag, call_id] = words;
        let max_forwards = *max_forwards;
        Kdmq { peer, to, from, branch, tag, call_id, max_forwards, content_type, body }
    }
}

pub(super) fn parts() -> impl Strategy<Value = Parts> {
    let words = ["z9hG4bK[a-z0-9]{1,40}(\\.[0-9a-f]{1,8})?", "[a-f0-9]{1,32}", "[a-z0-9.@-]{1,40}"];
    let content_type = "([a-z]{1,9}/[a-z+.-]{1,20}(; ?charset=\"[a-z -]{1,9}\")?)?";
    let body = prop::collection::vec(any::<u8>(), 0..200);
    ("[a-zA-Z0-9_.!~*'()&=+$,-]{1,64}", node(), node(), words, any::<u8>(), content_type, body)
        .prop_map(|(peer, to, from, words, max_forwards, content_type, body)| Parts {
            peer,
            to,
            from,
            words,
            max_forwards,
            content_type,
            body,
        })
}

/// A request of ours, and the same in other but legal words: compact and odd names, folds, blanks,
/// another order, line ends of one byte, more headers.
pub(super) fn reworded() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let lines = (prop::collection::vec(0..7_u8, 10), any::<prop::sample::Index>(), any::<bool>());
    (parts(), lines).prop_map(|(parts, (ways, turned, lf_alone))| {
        let mut plain = Vec::new();
        parts.kdmq().write(&mut plain);
        let head = plain.len() - parts.body.len();
        let text = str::from_utf8(&plain[..head]).expect("text");
        let mut lines: Vec<String> = text.trim_end().split("\r\n").map(str::to_owned).collect();
        let first = lines.remove(0);
        for (line, way) in lines.iter_mut().zip(ways) {
            let (name, value) = line.split_once(": ").expect("a header");
            *line = match way {
                0 => compact(name).to_owned() + ":" + value,
                1 => name.to_ascii_uppercase() + ":  " + value,
                2 => format!("{name}\t : {value} \t"),
                3 => format!("{name}:\r\n  {value}"),
                4 => format!("{name}: {}", value.replacen(' ', "\r\n\t", 1)),
                5 => format!("Subject: <;,\" \r\n x: y\r\n{name}: {value}"),
                _ => continue,
            };
        }
        let turned = turned.index(lines.len());
        lines.rotate_left(turned);
        let other = "Via: SIP/2.0/UDP other.example:5080;branch=z9hG4bKother";
        let odd = format!("\r\n{first}\r\n{}\r\n{other}\r\n\r\n", lines.join("\r\n"));
        let odd = if lf_alone { odd.replace("\r\n", "\n") } else { odd };
        let odd = [odd.as_bytes(), &parts.body].concat();
        (plain, odd)
    })
}

fn compact(name: &str) -> &str {
    match name {
        "Via" => "v",
        "To" => "t",
        "From" => "f",
        "Call-ID" => "i",
        "Content-Length" => "l",
        "Content-Type" => "c",
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_are_survived(packet in prop::collection::vec(any::<u8>(), 0..300)) {
        handle(&packet);
    }

    #[test]
    fn damaged_packets_are_survived(packet in damaged()) {
        handle(&packet);
    }
}

proptest! {
    #[test]
    fn random_lines_are_survived(
        head in "(KDMQ sip:[a-z@:;]{0,6} SIP/2.0|SIP/2.0 [0-9]{3} )(\r\n(v|t|f|i|cseq|l|c|x) ?: ?(SIP/2.0/UDP )?[a-z0-9 <>\";:@=,.\t\\\\]{0,20}(\r\n )?){0,9}",
    ) {
        handle(format!("{head}\r\n\r\nhi").as_bytes());
    }

    #[test]
    fn what_we_write_is_read_again(parts in parts(), reply_body in "[a-z\r\n]{0,50}") {
        let kdmq = parts.kdmq();
        prop_assert!(is_peer(kdmq.peer) && is_content_type(kdmq.content_type));
        let mut packet = Vec::new();
        kdmq.write(&mut packet);
        handle(&packet);
        let read: Request<'_> = request(&packet);
        let via = read.headers.via();
        prop_assert_eq!(read.fault, None);
        prop_assert_eq!(read.peer(), Some(kdmq.peer));
        prop_assert_eq!(read.uri.parse(), Ok(kdmq.to.clone()));
        prop_assert_eq!(read.from_node(), Some(kdmq.from.clone()));
        prop_assert_eq!(via.transport, kdmq.to.transport.token());
        prop_assert_eq!((via.host, via.port_or_default()), (&*kdmq.from.host, kdmq.from.port));
        prop_assert_eq!(via.branch, Some(kdmq.branch));
        prop_assert_eq!(read.headers.call_id(), kdmq.call_id);
        prop_assert_eq!(read.max_forwards(), Some(kdmq.max_forwards));
        prop_assert_eq!(read.content_type(), kdmq.content_type);
        prop_assert_eq!(read.body, kdmq.body);

        let (content_type, body) = (kdmq.content_type, reply_body.as_bytes());
        let reply = Reply { code: 200, reason: "OK", tag: "t", allow: "KDMQ", content_type, body };
        let mut packet = Vec::new();
        reply.write(&read, address("10.0.0.1:1"), &mut packet);
        let answer = response(&packet);
        prop_assert_eq!((answer.code, answer.reason, answer.body), (200, "OK", body));
        prop_assert_eq!(answer.headers.via().branch, Some(kdmq.branch));
    }
}
