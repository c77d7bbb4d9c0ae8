//! The limit of a line is named by whoever meets it.

use serde_json::{Value, json};

use super::*;

/// What a node that takes lines of 48 bytes makes of `sent`.
async fn received(sent: &str) -> Option<Result<Request, String>> {
    let (mut near, far) = UnixStream::pair().unwrap();
    near.write_all(sent.as_bytes()).await.unwrap();
    drop(near);
    read(&mut BufReader::new(far), 48).await.unwrap()
}

#[tokio::test]
async fn a_request_at_the_limit_is_refused_by_its_name() {
    assert_eq!(received("").await, None);
    let ping = "{\"do\":\"ping\"}";
    assert_eq!(received(&format!("{ping:47}\n")).await, Some(Ok(Request::Ping)));
    let refused = "a request is a line of at most 48 bytes";
    assert_eq!(received(&format!("{ping:48}\n")).await, Some(Err(refused.to_owned())));
}

/// What a client reads of an answer when lines have at most 80 bytes.
async fn answered(reply: Value) -> String {
    let (near, mut far) = UnixStream::pair().unwrap();
    write(&mut BufReader::new(near), &Reply::Done(reply), 80).await.unwrap();
    let mut line = String::new();
    far.read_to_string(&mut line).await.unwrap();
    line
}

#[tokio::test]
async fn an_answer_that_no_client_reads_is_a_refusal() {
    let fits = json!("x".repeat(68));
    assert_eq!(answered(fits.clone()).await, format!("{{\"done\":{fits}}}\n"));
    let text = "the answer has 81 bytes, and a line at most 80";
    let refused = json!({ "refused": { "kind": "failed", "text": text } });
    assert_eq!(answered(json!("x".repeat(69))).await, format!("{refused}\n"));
}
