//! Bodies that end a Kamailio, and those that its modules write.

use super::*;

#[test]
fn what_ends_a_kamailio_is_not_sent_to_its_peers() {
    for body in [
        "",
        "{",
        "{}",
        "[]",
        "null",
        "1",
        "\"\"",
        "[{\"action\":1}]",
        "{\"action\":null}",
        "{\"action\":2,\"htname\":null}",
        "{\"action\":2,\"htname\":1}",
        "{\"cells\":1}",
        "{\"cells\":{}}",
        "{\"cells\":[1]}",
        "{\"cells\":[{}]}",
        "{\"cells\":[{\"htname\":null}]}",
        "{\"action\":2,\"htname\":\"t\",\"cname\":\"k\",\"type\":2,\"strval\":null}",
        "{\"action\":\"2\"}",
        "{\"action\":2,\"user\":\"of another module\"}",
        "{\"action\":2,\"strval\":{\"a\":1}}",
    ] {
        assert!(check("htable", body.as_bytes()).is_err(), "{body}");
        assert!(check("chat", body.as_bytes()).is_ok(), "{body}");
    }
    assert!(check("usrloc", b"{}").is_err());
    assert!(check("dialog", br#"{"action":2,"x":[{"y":null}]}"#).is_err());
    assert!(check("usrloc", br#"{"action":1,"aor":"a","contacts":["b"]}"#).is_ok());
}

/// Seen on 5.6.3 and on 6.1.5.
#[test]
fn a_number_for_a_text_is_not_sent_to_dialog_and_usrloc() {
    for (peer, body) in [
        ("dialog", r#"{"action":2,"callid":5}"#),
        ("dialog", r#"{"action":3,"tag1":5}"#),
        ("dialog", r#"{"action":1,"callid":"a","vars":{"v":5}}"#),
        // A dialog of no call.
        ("dialog", r#"{"action":1,"h_entry":1,"h_id":1}"#),
        ("usrloc", r#"{"action":1,"aor":5}"#),
        ("usrloc", r#"{"action":1,"aor":"a","c":["sip:a@b"]}"#),
        ("usrloc", r#"{"multi":[{"action":1,"aor":"a","user_agent":true}]}"#),
        ("presence", r#"{"action":1,"presentity":{"domain":1}}"#),
        ("rtpengine", r#"{"action":1,"viabranch":1}"#),
    ] {
        assert!(check(peer, body.as_bytes()).is_err(), "{peer} {body}");
    }
    for (peer, body) in [
        (
            "dialog",
            r#"{"action":1,"h_entry":1,"h_id":1,"init_ts":1,"start_ts":0,"state":1,"lifetime":0,"callid":"a@b","from_uri":"sip:a@b","to_uri":"sip:c@d","req_uri":"sip:c@d","tag1":"t","tag2":"","cseq1":"1","cseq2":"","route_set1":"","route_set2":"","contact1":"sip:a@b","contact2":"","vars":{"v":"1"},"profiles":"{}"}"#,
        ),
        ("dialog", r#"{"action":2,"h_entry":1,"h_id":1,"state":5}"#),
        ("dialog", r#"{"action":4}"#),
        (
            "usrloc",
            r#"{"action":1,"aor":"a","ruid":"r","c":"sip:a@b","received":"","path":"","callid":"c","user_agent":"u","instance":"","expires":100,"cseq":1,"flags":0,"cflags":0,"q":0,"last_modified":1,"methods":1,"reg_id":0,"server_id":0}"#,
        ),
        ("presence", r#"{"action":1,"presentity":{"domain":"d","expires":1},"t_new":1}"#),
    ] {
        assert_eq!(check(peer, body.as_bytes()), Ok(()), "{peer} {body}");
    }
}

#[test]
fn what_htable_writes_is() {
    for body in [
        r#"{"action":1}"#,
        r#"{"action":2,"htname":"t","cname":"k","type":2,"strval":"v","mode":1}"#,
        r#"{"action":3,"htname":"t","cname":"k","type":0,"intval":60,"mode":0}"#,
        r#"{"action":4,"htname":"t","cname":"k","mode":0}"#,
        r#"{"cells":[]}"#,
        r#"{"cells":[{"htname":"t","cname":"k","type":0,"intval":1,"expire":0}]}"#,
    ] {
        assert_eq!(check("htable", body.as_bytes()), Ok(()), "{body}");
    }
}
