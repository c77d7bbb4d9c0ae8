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
        "{\"action\":2,\"strval\":{\"a\":1}}",
    ] {
        assert!(check("htable", body.as_bytes()).is_err(), "{body}");
        assert!(check("chat", body.as_bytes()).is_ok(), "{body}");
    }
    assert!(check("usrloc", b"{}").is_err());
    assert!(check("dialog", br#"{"action":2,"x":[{"y":null}]}"#).is_err());
    assert!(check("usrloc", br#"{"action":1,"aor":"a","contacts":["b"]}"#).is_ok());
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
