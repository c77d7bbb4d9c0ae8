//! Each outcome as JSON.

use super::*;

#[test]
fn an_outcome_says_what_is_known_of_it() {
    let node = "sip:10.0.0.2:5060";
    let cases = [
        (
            Outcome::Answered { code: 200, reason: "OK".into() },
            r#"{"node":"sip:10.0.0.2:5060","outcome":"taken","code":200,"reason":"OK","took_ms":1.5}"#,
        ),
        (
            Outcome::Answered { code: 404, reason: "User Not Found".into() },
            r#"{"node":"sip:10.0.0.2:5060","outcome":"refused","code":404,"reason":"User Not Found","took_ms":1.5}"#,
        ),
        (Outcome::TimedOut, r#"{"node":"sip:10.0.0.2:5060","outcome":"timeout","took_ms":1.5}"#),
        (
            Outcome::Unreachable("no route".into()),
            r#"{"node":"sip:10.0.0.2:5060","outcome":"unreachable","reason":"no route","took_ms":1.5}"#,
        ),
        (Outcome::Full, r#"{"node":"sip:10.0.0.2:5060","outcome":"full","took_ms":1.5}"#),
        (Outcome::Dropped, r#"{"node":"sip:10.0.0.2:5060","outcome":"dropped","took_ms":1.5}"#),
    ];
    for (outcome, expected) in cases {
        let taken = usize::from(outcome.is_taken());
        let delivered = [Delivered { node: node.parse().unwrap(), outcome, took_us: 1500 }];
        let json = serde_json::to_string(&Outcomes::of(&delivered)).unwrap();
        assert_eq!(json, format!(r#"{{"outcomes":[{expected}],"taken":{taken}}}"#));
    }
}
