//! The way back: what a reply says about it, and where it goes.

use super::*;
use crate::sip::samples::{address, request};

#[test]
fn replies_go_back_to_who_sent_the_request() {
    let cases = [
        // Via, source, Via of the reply, where the reply goes
        ("UDP 10.0.0.2", "10.0.0.2:5060", "UDP 10.0.0.2", "10.0.0.2:5060"),
        ("UDP 10.0.0.2", "10.0.0.2:9", "UDP 10.0.0.2", "10.0.0.2:5060"),
        ("UDP 10.0.0.2:5070", "10.0.0.2:9", "UDP 10.0.0.2:5070", "10.0.0.2:5070"),
        ("TLS 10.0.0.2", "10.0.0.2:9", "TLS 10.0.0.2", "10.0.0.2:5061"),
        ("UDP 10.0.0.2;x", "10.0.0.3:9", "UDP 10.0.0.2;x;received=10.0.0.3", "10.0.0.3:5060"),
        ("UDP node:1", "10.0.0.3:9", "UDP node:1;received=10.0.0.3", "10.0.0.3:1"),
        ("UDP 10.0.0.2", "[::ffff:10.0.0.2]:9", "UDP 10.0.0.2", "[::ffff:10.0.0.2]:5060"),
        ("UDP [2001:DB8:0::1]:7", "[2001:db8::1]:9", "UDP [2001:DB8:0::1]:7", "[2001:db8::1]:7"),
        ("UDP [::1]", "[::2]:9", "UDP [::1];received=::2", "[::2]:5060"),
        (
            "UDP 10.0.0.2;rport;branch=b",
            "10.0.0.2:9",
            "UDP 10.0.0.2;rport=9;branch=b;received=10.0.0.2",
            "10.0.0.2:9",
        ),
        (
            "UDP h:7 ; RPORT , SIP/2.0/UDP i;rport",
            "10.0.0.2:9",
            "UDP h:7 ; RPORT=9;received=10.0.0.2 , SIP/2.0/UDP i;rport",
            "10.0.0.2:9",
        ),
        ("UDP 10.0.0.2;rport=5", "10.0.0.2:9", "UDP 10.0.0.2;rport=5", "10.0.0.2:5060"),
        // Where it is to go is not the sender's to choose.
        (
            "UDP 10.0.0.2;received=10.9.9.9;maddr=10.9.9.9",
            "10.0.0.3:9",
            "UDP 10.0.0.2;received=10.9.9.9;maddr=10.9.9.9",
            "10.0.0.3:5060",
        ),
    ];
    for (via, source, wanted, goes_to) in cases {
        let packet = format!(
            "KDMQ sip:p@h SIP/2.0\r\nVia: SIP/2.0/{via}\r\nTo: <sip:p@h>\r\nFrom: <sip:p@h>\r\n\
             CSeq: 1 KDMQ\r\nCall-ID: c\r\n\r\n"
        );
        let request = request(packet.as_bytes());
        let source = address(source);
        assert_eq!(request.reply_address(source), address(goes_to), "{via}");
        let mut out = Vec::new();
        crate::sip::write::Reply::default().write(&request, source, &mut out);
        let reply = String::from_utf8(out).expect("text");
        assert!(reply.contains(&format!("Via: SIP/2.0/{wanted}\r\n")), "{via}: {reply}");
    }
}

#[test]
fn our_via_is_written_as_kamailio_writes_it() {
    for (transport, sent_by, wanted) in [
        (Transport::Udp, "sip:10.0.0.1:5060", "SIP/2.0/UDP 10.0.0.1;branch=b"),
        (Transport::Udp, "sip:10.0.0.1:5061", "SIP/2.0/UDP 10.0.0.1:5061;branch=b"),
        (Transport::Tcp, "sip:node.example:5060", "SIP/2.0/TCP node.example;branch=b"),
        (Transport::Udp, "sip:[::1]:5060", "SIP/2.0/UDP [::1];branch=b"),
        (Transport::Udp, "sip:[::1]:5070", "SIP/2.0/UDP [::1]:5070;branch=b"),
        (Transport::Tls, "sip:10.0.0.1:5060", "SIP/2.0/TLS 10.0.0.1:5060;branch=b"),
        (Transport::Tls, "sip:10.0.0.1:5061", "SIP/2.0/TLS 10.0.0.1:5061;branch=b"),
    ] {
        let sent_by = sent_by.parse().expect("a node");
        let text = OurVia { transport, sent_by: &sent_by, branch: "b" }.to_string();
        assert_eq!(text, wanted);
        let read = Via::parse(&text).expect("a Via");
        assert_eq!((read.host, read.port_or_default()), (&*sent_by.host, sent_by.port));
    }
}
