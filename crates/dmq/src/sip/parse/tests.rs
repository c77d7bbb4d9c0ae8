//! What counts as SIP: odd but legal ways to write a request, and wrong ones.

use super::*;
use crate::sip::samples::{address, packets, request, response};

/// A request as nodes write it. The tables below change something in it.
const PLAIN: &str = "KDMQ sip:peer@10.0.0.1:5060 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKa\r\n\
    To: <sip:peer@10.0.0.1:5060>\r\n\
    From: <sip:peer@10.0.0.2:5060>;tag=t\r\n\
    CSeq: 10 KDMQ\r\n\
    Call-ID: c@10.0.0.2\r\n\
    Content-Length: 2\r\n\
    Max-Forwards: 1\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    hi";

#[track_caller]
fn changed(from: &str, to: &str) -> String {
    assert!(PLAIN.contains(from), "{from:?} is not in the plain request");
    PLAIN.replacen(from, to, 1)
}

/// All that a request says.
fn facts(request: &Request<'_>) -> String {
    let Request { method, uri, headers, body, fault } = request;
    let via = headers.via();
    let tag = |name| headers.party(name).and_then(|party| party.tag);
    format!(
        "{method} {uri} peer={:?} via={} {} {:?} {:?} from={:?} {:?} to={:?} call={} cseq={:?} \
         hops={:?} type={:?} body={:?} fault={fault:?}",
        request.peer(),
        via.transport,
        via.host,
        via.port,
        via.branch,
        request.from_node().map(|node| node.to_string()),
        tag(Name::From),
        headers.party(Name::To),
        headers.call_id(),
        headers.cseq(),
        request.max_forwards(),
        request.content_type(),
        String::from_utf8_lossy(body),
    )
}

#[test]
fn odd_spellings_mean_the_same() {
    let plain = facts(&request(PLAIN.as_bytes()));
    assert_eq!(
        plain,
        "KDMQ sip:peer@10.0.0.1:5060 peer=Some(\"peer\") via=UDP 10.0.0.2 None Some(\"z9hG4bKa\") \
         from=Some(\"sip:10.0.0.2:5060\") Some(\"t\") to=Some(Party { uri: \
         \"sip:peer@10.0.0.1:5060\", tag: None }) call=c@10.0.0.2 cseq=Some((10, \"KDMQ\")) \
         hops=Some(1) type=\"text/plain\" body=\"hi\" fault=None"
    );
    let oddities = [
        ("Via:", "v:"),
        ("To:", "t:"),
        ("From:", "f:"),
        ("Call-ID:", "i:"),
        ("Content-Length:", "l:"),
        ("Content-Type:", "c:"),
        ("Call-ID: ", "CALL-id \t:"),
        ("Max-Forwards: 1", "max-FORWARDS : 001"),
        ("text/plain", "\r\n\ttext/plain \t"),
        ("CSeq: 10 KDMQ", "cSeQ:0010\r\n\t KDMQ "),
        ("Via: SIP/2.0/UDP 10.0.0.2;", "Via: sip / 2.0 /\r\n UDP  10.0.0.2 ;\r\n ttl=1; "),
        ("branch=z9hG4bKa", "BRANCH = \tz9hG4bKa ;maddr=224.2.0.1;x=\"a,;branch=b\\\"\""),
        ("z9hG4bKa", "z9hG4bKa , SIP/2.0/TCP [2001:db8::1]:5061;branch=b"),
        ("To:", "Via: SIP/2.0/TLS other:1\r\nTo:"),
        ("From: <", "From: \"A <sip:x@y>; tag=z \\\" \\\\\" <"),
        ("From: <", "From: A node.of ours\t<"),
        ("From: <", "From:<\r\n "),
        ("From: <sip:peer@10.0.0.2:5060>;", "From: sip:peer@10.0.0.2:5060 ; "),
        (";tag=t", " ;x=\";tag=z\";y;TAG= t"),
        ("From: <sip:", "From: <SIPS:"),
        ("To: <", "To: \"\" <"),
        ("Content-Length: 2\r\n", ""),
        (
            "Content-Length: 2",
            "Content-Length: 002\r\nX-New_~*: ;;,,\r\nSubject:\r\nx : \r\n \r\n a",
        ),
        ("hi", "hi\r\nwhat is behind the body"),
        ("KDMQ sip:", "\r\n\r\nKDMQ sip:"),
        ("SIP/2.0\r\n", "sip/2.0\r\n"),
        ("SIP/2.0\r\n", "SIP/2.0 \r\n"),
    ];
    for (from, to) in oddities {
        // Without a length everything is the body.
        let text = changed(from, to);
        let text = if to.is_empty() { text } else { text + "\n" };
        assert_eq!(facts(&request(text.as_bytes())), plain, "{text}");
    }
    let lines = PLAIN.replace("\r\n", "\n");
    assert_eq!(facts(&request(lines.as_bytes())), plain);
    let (first, rest) = PLAIN.split_once("\r\n").expect("lines");
    let (head, body) = rest.split_once("\r\n\r\n").expect("an empty line");
    let upside_down: Vec<&str> = head.split("\r\n").collect::<Vec<_>>().into_iter().rev().collect();
    let turned = format!("{first}\r\n{}\r\n\r\n{body}", upside_down.join("\r\n"));
    assert_eq!(facts(&request(turned.as_bytes())), plain);
}

#[test]
fn requests_may_say_other_things() {
    let is = |from: &str, to: &str, wanted: &str| {
        let text = changed(from, to);
        let facts = facts(&request(text.as_bytes()));
        assert!(facts.contains(wanted) && facts.ends_with("fault=None"), "{wanted}: {facts}");
    };
    let method = |to: &str| {
        let text = PLAIN.replace("KDMQ", to);
        let request = request(text.as_bytes());
        (request.method.to_owned(), request.fault)
    };
    assert_eq!(method("kdmq"), ("kdmq".to_owned(), None));
    assert_eq!(method("!.-*%_+`'~Aa0"), ("!.-*%_+`'~Aa0".to_owned(), None));
    is("sip:peer@", "sip:a%20b;c=d?e/f:secret@", "peer=Some(\"a%20b;c=d?e/f\")");
    is("KDMQ sip:peer@", "KDMQ SIPS:peer@", "peer=Some(\"peer\")");
    is("KDMQ sip:peer@", "KDMQ sip:", "peer=None");
    is("KDMQ sip:peer@", "KDMQ sip:@", "peer=None");
    is("KDMQ sip:peer@10.0.0.1:5060", "KDMQ tel:+123", "peer=None");
    is("KDMQ sip:peer@10.0.0.1", "KDMQ sip:peer@[2001:db8::1]", "peer=Some(\"peer\")");
    is("UDP 10.0.0.2", "TCP [2001:db8::2]:5070", "via=TCP 2001:db8::2 Some(5070)");
    is("UDP 10.0.0.2", "UDP [::1] : 5070 ", "via=UDP ::1 Some(5070)");
    is("UDP 10.0.0.2", "SCTP node_1.example : 5070", "via=SCTP node_1.example Some(5070)");
    is(";branch=z9hG4bKa", "", "None None from");
    is(";branch=z9hG4bKa", ";;branch=old", "Some(\"old\")");
    is("From: <sip:peer@10.0.0.2:5060>", "From: <tel:+123>", "from=None");
    is(
        "From: <sip:peer@10.0.0.2:5060>;tag=t",
        "From: <sip:h;transport=tcp?a=b>",
        "5060;transport=tcp\") None",
    );
    is("5060>\r\nFrom", "5060>;tag=x\r\nFrom", "tag: Some(\"x\")");
    is("5060>\r\nFrom", "5060;tag=x>\r\nFrom", "tag: None");
    is("CSeq: 10", "CSeq: 4294967295", "cseq=Some((4294967295");
    is("Max-Forwards: 1\r\n", "", "hops=None");
    is("Max-Forwards: 1\r\n", "Max-Forwards: 255\r\n", "hops=Some(255)");
    is("Content-Type: text/plain\r\n", "", "type=\"\"");
    is("text/plain", "multipart/mixed;\r\n  boundary=x", "type=\"multipart/mixed; boundary=x\"");
    is("text/plain", "text/pl\u{e4}in", "type=\"text/pl\u{e4}in\"");
    is("Content-Length: 2", "Content-Length: 0", "body=\"\"");
    is("Content-Length: 2", "Content-Length: 1", "body=\"h\"");
}

/// What is wrong with the plain request after a change: a fault, or that it is none at all.
#[track_caller]
fn wrong(from: &str, to: &str) -> (&'static str, String) {
    let text = changed(from, to);
    match Message::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => {
            ("400", request.fault.map(|fault| fault.to_string()).unwrap_or_default())
        }
        Ok(Message::Response(response)) => panic!("{response:?}"),
        Err(error) => ("-", error.to_string()),
    }
}

/// What is changed to what, and what is wrong with it then, although it can be answered.
const FAULTS: &[(&str, &str, &str)] = &[
    ("SIP/2.0\r\n", "SIP/3.0\r\n", "the version is not SIP/2.0"),
    ("KDMQ sip:peer@10.0.0.1:5060 ", "KDMQ peer ", "the request URI is none"),
    ("KDMQ sip:peer@10.0.0.1:5060", "KDMQ <sip:p@h>", "the request URI is none"),
    ("KDMQ sip:peer", "KDMQ  sip:peer", "the request URI is none"),
    ("KDMQ sip:peer", "KDMQ sip:p eer", "the request URI is none"),
    ("KDMQ sip:peer@10.0.0.1:5060", "KDMQ sip:", "the request URI is none"),
    ("To:", "No header\r\nTo:", "line 3 is no header"),
    ("To:", ": nameless\r\nTo:", "line 3 is no header"),
    ("To:", "Two words: x\r\nTo:", "line 3 is no header"),
    ("To:", "From: <sip:a@b>\r\nTo:", "there are several From"),
    ("To:", "t: <sip:a@b>\r\nTo:", "there are several To"),
    ("To:", "l: 2\r\nTo:", "there are several Content-Length"),
    ("To:", "i: c@10.0.0.2\r\nTo:", "there are several Call-ID"),
    ("Content-Length: 2", "Content-Length: two", "the Content-Length cannot be understood"),
    ("Content-Length: 2", "Content-Length: -2", "the Content-Length cannot be understood"),
    ("Content-Length: 2", "Content-Length: +2", "the Content-Length cannot be understood"),
    ("Content-Length: 2", "Content-Length:", "the Content-Length cannot be understood"),
    (
        "Content-Length: 2",
        "Content-Length: 99999999999999999999",
        "the Content-Length cannot be understood",
    ),
    (
        "Content-Length: 2",
        "Content-Length: 3",
        "the body has 2 bytes and not 3 as Content-Length says",
    ),
    ("CSeq: 10 KDMQ", "CSeq: 10", "the CSeq cannot be understood"),
    ("CSeq: 10 KDMQ", "CSeq: x KDMQ", "the CSeq cannot be understood"),
    ("CSeq: 10 KDMQ", "CSeq: 4294967296 KDMQ", "the CSeq cannot be understood"),
    ("CSeq: 10 KDMQ", "CSeq: 10 K D", "the CSeq cannot be understood"),
    ("CSeq: 10 KDMQ", "CSeq: 10 kdmq", "the CSeq is another method's"),
    ("CSeq: 10 KDMQ", "CSeq: 10 INVITE", "the CSeq is another method's"),
    ("Call-ID: c@10.0.0.2", "Call-ID:", "the Call-ID cannot be understood"),
    ("Call-ID: c@10.0.0.2", "Call-ID: a b", "the Call-ID cannot be understood"),
    ("From: <sip:", "From: <", "the From cannot be understood"),
    ("From: <sip:", "From: \"A <sip:", "the From cannot be understood"),
    ("From: <sip:peer@10.0.0.2:5060>", "From: <sip:a@b", "the From cannot be understood"),
    ("5060>;tag=t", "5060>tag=t", "the From cannot be understood"),
    ("To: <sip:peer@10.0.0.1:5060>", "To:", "the To cannot be understood"),
    ("To: <sip:peer@", "To: <sip:pe er@", "the To cannot be understood"),
    ("Max-Forwards: 1", "Max-Forwards: 256", "the Max-Forwards cannot be understood"),
    ("Max-Forwards: 1", "Max-Forwards: few", "the Max-Forwards cannot be understood"),
];

/// The same, where it cannot be answered.
const REFUSALS: &[(&str, &str, &str)] = &[
    ("Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKa\r\n", "", "there is no Via"),
    ("From: <sip:peer@10.0.0.2:5060>;tag=t\r\n", "", "there is no From"),
    ("To: <sip:peer@10.0.0.1:5060>\r\n", "", "there is no To"),
    ("CSeq: 10 KDMQ\r\n", "", "there is no CSeq"),
    ("Call-ID: c@10.0.0.2\r\n", "", "there is no Call-ID"),
    ("SIP/2.0/UDP 10", "SIP/2.1/UDP 10", "the Via cannot be understood"),
    ("SIP/2.0/UDP 10", "HTTP/2.0/UDP 10", "the Via cannot be understood"),
    ("SIP/2.0/UDP 10", "SIP/2.0/ 10", "the Via cannot be understood"),
    ("UDP 10.0.0.2;", "UDP ;", "the Via cannot be understood"),
    ("UDP 10.0.0.2;", "UDP 10.0.0.2:0;", "the Via cannot be understood"),
    ("UDP 10.0.0.2;", "UDP 10.0.0.2:65536;", "the Via cannot be understood"),
    ("UDP 10.0.0.2;", "UDP 10.0.0.2:;", "the Via cannot be understood"),
    ("UDP 10.0.0.2;", "UDP 2001:db8::1;", "the Via cannot be understood"),
    ("UDP 10.0.0.2;", "UDP [2001:db8::1;", "the Via cannot be understood"),
    ("UDP 10.0.0.2;", "UDP [10.0.0.2];", "the Via cannot be understood"),
    ("UDP 10.0.0.2;", "UDP a b;", "the Via cannot be understood"),
    ("UDP 10.0.0.2;", "UDP a\"b;", "the Via cannot be understood"),
    ("branch=z9hG4bKa", "branch", "the Via cannot be understood"),
    ("branch=z9hG4bKa", "branch=a b", "the Via cannot be understood"),
    ("branch=z9hG4bKa", "branch=\"a\"", "the Via cannot be understood"),
    ("\r\n\r\n", "\r\n", "no empty line ends the headers"),
    ("z9hG4bKa", "z9hG4\0bKa", "a control character in the headers"),
    ("z9hG4bKa", "z9hG4\x7fbKa", "a control character in the headers"),
    ("z9hG4bKa", "z9hG4\rbKa", "a control character in the headers"),
    ("KDMQ sip", " KDMQ sip", "the first line is no request's and no response's"),
    ("KDMQ sip", "KD/MQ sip", "the first line is no request's and no response's"),
    (" SIP/2.0\r\n", "\r\n", "the first line is no request's and no response's"),
    (" SIP/2.0\r\n", "\r\n SIP/2.0\r\n", "the first line is no request's and no response's"),
    (" SIP/2.0\r\n", " HTTP/1.1\r\n", "the first line is no request's and no response's"),
];

#[test]
fn what_is_wrong_is_named_and_answered_when_that_is_possible() {
    for (from, to, error) in FAULTS {
        assert_eq!(wrong(from, to), ("400", (*error).to_owned()), "{from:?} -> {to:?}");
    }
    for (from, to, error) in REFUSALS {
        assert_eq!(wrong(from, to), ("-", (*error).to_owned()), "{from:?} -> {to:?}");
    }
    let many = "X: y\r\n".repeat(HEADERS_MAX) + "To:";
    assert_eq!(wrong("To:", &many), ("-", "there are more than 64 headers".to_owned()));
    let long = format!("X: {}\r\nTo:", "y".repeat(HEAD_BYTES_MAX));
    assert_eq!(wrong("To:", &long), ("-", "the headers have more than 16384 bytes".to_owned()));
    let error = |packet: &[u8]| Message::parse(packet).expect_err("no message").to_string();
    assert_eq!(error(b""), "a keep-alive and no message");
    assert_eq!(error(b"\r\n\r\n"), "a keep-alive and no message");
    assert_eq!(error(b"\0\0\0\0"), "a keep-alive and no message");
    assert_eq!(error(b"\r\n\r\n\r\n?"), "no empty line ends the headers");
    let latin = PLAIN.replace("peer@", "pe\u{1}r@");
    let latin: Vec<u8> = latin.bytes().map(|b| if b == 1 { 0xe4 } else { b }).collect();
    assert_eq!(error(&latin), "the headers are not UTF-8");
    assert_eq!(error(&[0xff; 20_000]), "the headers have more than 16384 bytes");
}

/// The reply to the plain request, with another first line.
fn reply(first: &str) -> String {
    changed("KDMQ sip:peer@10.0.0.1:5060 SIP/2.0", first)
}

#[test]
fn responses_have_codes_from_100_to_699() {
    for (first, wanted) in [
        ("SIP/2.0 200 OK", Some((200, "OK"))),
        ("SIP/2.0 404 User Not Found", Some((404, "User Not Found"))),
        ("SIP/2.0 100 ", Some((100, ""))),
        ("SIP/2.0 699", Some((699, ""))),
        ("sip/2.0 200 \u{d6}K ?:;,", Some((200, "\u{d6}K ?:;,"))),
        ("SIP/2.0 099 x", None),
        ("SIP/2.0 0200 x", None),
        ("SIP/2.0 700 x", None),
        ("SIP/2.0 4294967301 x", None),
        ("SIP/2.0 +20 x", None),
        ("SIP/2.0 ", None),
        ("SIP/2.0  200 OK", None),
        ("SIP/2.0 200\tOK", None),
        ("SIP/2.0 200 O\r\n K", None),
        ("SIP/3.0 200 OK", None),
    ] {
        let text = reply(first);
        let read = match Message::parse(text.as_bytes()) {
            Ok(Message::Response(response)) => Some((response.code, response.reason)),
            Ok(Message::Request(request)) => panic!("{request:?}"),
            Err(error) => {
                assert_eq!(error, ParseError::FirstLine, "{first}");
                None
            }
        };
        assert_eq!(read, wanted, "{first}");
    }
    let short = reply("SIP/2.0 200 OK").replace("Length: 2", "Length: 3");
    assert_eq!(
        Message::parse(short.as_bytes()).expect_err("nobody answers a response"),
        ParseError::Short { bytes: 2, length: 3 }
    );
}

#[test]
fn all_captured_packets_are_read() {
    let (mut requests, mut responses) = (0, 0);
    for (name, packet) in packets() {
        match Message::parse(&packet) {
            Ok(Message::Request(request)) => {
                assert_eq!(request.fault, None, "{name}");
                assert!(request.from_node().is_some(), "{name}");
                assert!(request.peer().is_some(), "{name}");
                requests += 1;
            }
            Ok(Message::Response(response)) => {
                assert!((200..=500).contains(&response.code), "{name}");
                responses += 1;
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert_eq!((requests, responses), (62, 59));
}

/// RFC 4475 3.1.1.1 collects the odd ways to write a header; this is such a message.
#[test]
fn blanks_and_folds_may_stand_nearly_everywhere() {
    let text = "KDMQ sip:peer@example.com;unknownparam SIP/2.0\n\
        TO :\n sip:peer@example.com ;   tag    = 1918181833n\n\
        from   : \"J Rosenberg \\\\\\\"\"       <sip:jd@example.com>\n  ;\n  tag = 98asjd8\n\
        MaX-fOrWaRdS: 0068\n\
        Call-ID: wsinv.ndaksdj@192.0.2.1\n\
        Content-Length   : 2\n\
        cseq: 0009\n  KDMQ\n\
        Via  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\n\
        s :\n\
        NewFangledHeader:   newfangled value\n continued newfangled value\n\
        UnknownHeaderWithUnusualValue: ;;,,;;,;\n\
        v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n \
        SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239\n\
        \n\
        hi";
    let request = request(text.as_bytes());
    assert_eq!(request.fault, None);
    assert_eq!(
        request.from_node().map(|node| node.to_string()),
        Some("sip:example.com:5060".into())
    );
    assert_eq!(request.headers.party(Name::From).and_then(|from| from.tag), Some("98asjd8"));
    assert_eq!(request.headers.party(Name::To).and_then(|to| to.tag), Some("1918181833n"));
    assert_eq!(request.max_forwards(), Some(68));
    assert_eq!(request.headers.via().branch, Some("390skdjuw"));
    assert_eq!(request.headers.all(Name::Via).count(), 2);
    let mut out = Vec::new();
    let reply =
        crate::sip::write::Reply { code: 200, reason: "OK", tag: "x", ..Default::default() };
    reply.write(&request, address("192.0.2.2:5060"), &mut out);
    let reply = String::from_utf8(out).expect("text");
    assert!(
        reply.starts_with(
            "SIP/2.0 200 OK\r\n\
             Via: SIP  /   2.0 /UDP 192.0.2.2;branch=390skdjuw\r\n\
             Via: SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8  , \
             SIP  /    2.0   / UDP  192.168.255.111   ; branch= z9hG4bK30239\r\n\
             To: sip:peer@example.com ;   tag    = 1918181833n\r\n"
        ),
        "{reply}"
    );
    assert_eq!(response(reply.as_bytes()).headers.cseq(), Some((9, "KDMQ")));
}
