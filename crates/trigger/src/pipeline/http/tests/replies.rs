//! What is read of a response's body, and what it says.

use super::sink::{Answer, Sink, json, ok};
use super::*;

/// The outcome of a trigger that replies, or not, and looks into JSON, or not.
async fn outcome(answer: Answer, replies: bool, read_response: bool) -> Outcome {
    let sink = Sink::new([answer]).await;
    let mut trigger = trigger(&sink.url());
    trigger.reply_enabled = replies;
    trigger.http.read_response = read_response;
    trigger.http.max_response_bytes = service::config::Size(100);
    http(&trigger).run(&run("x")).await
}

fn reply(outcome: &Outcome) -> Option<(&str, &[u8])> {
    outcome.reply.as_ref().map(|reply| (reply.content_type.as_str(), &reply.body[..]))
}

#[tokio::test]
async fn the_body_of_a_success_is_the_reply() {
    let plain = outcome(ok("fine"), true, true).await;
    assert_eq!(reply(&plain), Some(("text/plain", &b"fine"[..])));
    let success = outcome(json(r#"{"status":"SUCCESS"}"#), true, true).await;
    assert_eq!(reply(&success), Some(("application/json", &br#"{"status":"SUCCESS"}"#[..])));
    let pieces =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
    let chunked = outcome(Answer::Say(pieces.into()), true, true).await;
    assert_eq!(reply(&chunked), Some(("", &b"abcde"[..])));
    let empty = outcome(Answer::Say("HTTP/1.1 204 No Content\r\n\r\n".into()), true, true).await;
    assert_eq!(reply(&empty), Some(("", &b""[..])));
}

#[tokio::test]
async fn there_is_no_reply_unless_it_is_wanted_and_a_success() {
    assert_eq!(outcome(ok("fine"), false, true).await.reply, None);
    assert_eq!(outcome(json(r#"{"status":"RETRY"}"#), true, true).await.reply, None);
    let failed = "HTTP/1.1 500 x\r\ncontent-length: 4\r\n\r\noops";
    assert_eq!(outcome(Answer::Say(failed.into()), true, true).await.reply, None);
}

#[tokio::test]
async fn a_reply_that_is_too_long_is_none_rather_than_half() {
    let outcome = outcome(ok(&"a".repeat(101)), true, true).await;
    assert_eq!((outcome.verdict, outcome.reply), (Verdict::Done, None));
    assert_eq!(outcome.summary, "200, longer than max_response_bytes");
}

#[tokio::test]
async fn json_counts_only_where_it_is_to_be_read() {
    let drop = || json(r#"{"status":"DROP"}"#);
    assert_eq!(outcome(drop(), false, true).await.verdict, Verdict::Drop);
    assert_eq!(outcome(drop(), true, true).await.verdict, Verdict::Drop);
    assert_eq!(outcome(drop(), true, false).await.verdict, Verdict::Done);
    assert_eq!(outcome(ok(r#"{"status":"DROP"}"#), true, true).await.verdict, Verdict::Done);
    let failure = json(r#"{"error":"no such order","code":404}"#);
    let text = "200 OK, code 404: no such order".to_owned();
    assert_eq!(outcome(failure, false, true).await.verdict, Verdict::Dead(Reason::Rejected, text));
}

#[tokio::test]
async fn the_action_header_comes_first() {
    let text = "HTTP/1.1 200 OK\r\nx-trigger-action: requeue\r\ncontent-type: application/json\r\n\
                content-length: 17\r\n\r\n{\"status\":\"DROP\"}";
    assert_eq!(outcome(Answer::Say(text.into()), true, true).await.verdict, Verdict::Requeue);
}
