//! What is longer than the limit is told apart from what makes no sense.

use std::thread;

use super::*;

/// A client that takes lines of 64 bytes, and the node's end of its connection.
fn pair() -> (Client, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (Client { stream: BufReader::new(near), line_bytes_max: 64 }, far)
}

fn cluster_name(length: usize) -> Request {
    Request::SetClusterName { name: "n".repeat(length) }
}

#[test]
fn a_request_that_no_node_reads_is_not_sent() {
    let (mut client, mut far) = pair();
    let error = client.ask(&cluster_name(64), |_| {}).unwrap_err();
    let text = "the request is too long: 268435456 bytes in a line are the limit";
    assert_eq!(error.to_string(), text);
    drop(client);
    let mut sent = Vec::new();
    far.read_to_end(&mut sent).unwrap();
    assert_eq!(sent, b"");
}

#[test]
fn an_answer_beyond_the_limit_is_called_too_long() {
    for (length, expected) in [(54, None), (55, Some("answer"))] {
        let (mut client, mut far) = pair();
        let node = thread::spawn(move || {
            // `{"done":""}` and the end of the line are 12 bytes.
            let line = format!("{{\"done\":\"{}\"}}\n", "x".repeat(length - 2));
            far.write_all(line.as_bytes()).unwrap();
            far
        });
        let found = match client.ask(&Request::Ping, |_| {}) {
            Err(ClientError::TooLong { what }) => Some(what),
            other => other.map(|_| None).unwrap(),
        };
        assert_eq!(found, expected, "{length}");
        node.join().unwrap();
    }
}
