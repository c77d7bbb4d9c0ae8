//! Lists as nodes write them, well and badly, and as we do.

use super::*;

fn read(body: &str) -> (Vec<String>, u64) {
    let list = List::parse(body.as_bytes());
    let lines = list.lines.iter().map(|line| format!("{} {:?}", line.node, line.status));
    (lines.collect(), list.bad)
}

#[test]
fn lists_are_read_tolerantly() {
    let one = |line: &str| (vec![line.to_owned()], 0);
    let cases = [
        ("", (vec![], 0)),
        ("sip:10.0.0.1:5060;status=active\r\n", one("sip:10.0.0.1:5060 Active")),
        ("sip:10.0.0.1:5060;status=active", one("sip:10.0.0.1:5060 Active")),
        ("sip:10.0.0.1:5060;status=disabled\n", one("sip:10.0.0.1:5060 Disabled")),
        ("sip:10.0.0.1:5060;status=timeout\r\n", one("sip:10.0.0.1:5060 Unsure")),
        ("sip:10.0.0.1:5060;status=activ", one("sip:10.0.0.1:5060 Unsure")),
        ("sip:10.0.0.1;STATUS=ACTIVE  \r\n", one("sip:10.0.0.1:5060 Active")),
        ("sip:10.0.0.1:5060\r\n", one("sip:10.0.0.1:5060 Unsure")),
        ("sip:10.0.0.1:5060;status=active;inc=7\r\n", one("sip:10.0.0.1:5060 Active")),
        ("\r\n  sip:10.0.0.1:5060;status=active\r\n\r\n", one("sip:10.0.0.1:5060 Active")),
        ("<sip:10.0.0.1:5060>\r\n", one("sip:10.0.0.1:5060 Unsure")),
        ("sip:[::1]:5060;status=active\r\n", one("sip:[::1]:5060 Active")),
        (
            "sip:10.0.0.1:5060;transport=tcp;status=active\r\n",
            one("sip:10.0.0.1:5060;transport=tcp Active"),
        ),
        ("nonsense\r\nsip:\r\n\u{e9}\r\n", (vec![], 3)),
        ("sip:10.0.0.1:5060;transport=sctp;status=active\r\n", (vec![], 1)),
    ];
    for (body, expected) in cases {
        assert_eq!(read(body), expected, "{body:?}");
    }
    assert_eq!(List::parse(b"sip:\xff\xfe:5060\r\n"), List { lines: vec![], bad: 1 });
}

#[test]
fn no_more_is_read_than_a_bus_can_have() {
    let body = "sip:10.0.0.1:5060;status=active\r\n".repeat(LINES_MAX + 5);
    assert_eq!(List::parse(body.as_bytes()).lines.len(), LINES_MAX);
}

#[test]
fn what_is_written_ends_every_line_and_never_grows_too_large() {
    let me: NodeUri = "sip:10.0.0.1:5060".parse().unwrap();
    let mut draft = Draft::of(&me, true);
    let mut lines = 1;
    for last in 2..=60 {
        let node = format!("sip:10.0.0.{last}:5060;transport=tcp").parse().unwrap();
        if draft.push(&node) {
            lines += 1;
            assert_eq!(line_bytes(&node), format!("{node};status=active\r\n").len());
        }
    }
    let body = draft.into_body();
    assert!(body.len() <= BYTES_MAX && body.len() > BYTES_MAX - 60);
    let text = String::from_utf8(body.clone()).unwrap();
    assert!(text.starts_with("sip:10.0.0.1:5060;status=active\r\n"));
    assert!(text.ends_with(";status=active\r\n"));
    assert_eq!(List::parse(&body).lines.len(), lines);
    let leaving = Draft::of(&me, false).into_body();
    assert_eq!(leaving, b"sip:10.0.0.1:5060;status=disabled\r\n");
}
