//! The endpoint, over sockets and alone.

use std::io::{Read, Write};

use super::*;

fn post(body: &str) -> String {
    format!("POST /run HTTP/1.1\r\nhost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_request_is_complete_with_its_last_byte() {
    let input = post("hello") + "POST";
    let whole = input.len() - 4;
    for end in 0..whole {
        assert_eq!(request(&input.as_bytes()[..end]), Ok(None), "{end}");
    }
    let found = request(input.as_bytes()).unwrap().unwrap();
    assert_eq!(found, Request { body: b"hello", bytes: whole });
}

#[test]
fn what_cannot_be_read_is_named() {
    assert_eq!(request(b"POST / HTTP/1.1\r\n\r\n"), Err("without a content-length"));
    assert_eq!(request(&[b'a'; HEAD_BYTES_MAX + 1]), Err("without an end of its head"));
    let most = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n", usize::MAX);
    assert_eq!(request(most.as_bytes()), Err("too long"));
}

#[test]
fn numbers_are_found_in_plain_and_escaped_json() {
    assert_eq!(number(br#"{"number":  17, "n": 4}"#), Some(17));
    assert_eq!(number(br#"{"body":"{\"number\":  0, \"n\": 4}"}"#), Some(0));
    assert_eq!(number(b"{}"), None);
    assert_eq!(number(b"number"), None);
}

#[test]
fn requests_are_answered_one_by_one_and_remembered() {
    let sink = Sink::start(2, None).unwrap();
    let mut stream = std::net::TcpStream::connect(sink.address).unwrap();
    let mut answer = [0; ANSWER.len()];
    for input in [post(r#"{"number": 1}"#), post("?")] {
        stream.write_all(input.as_bytes()).unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, ANSWER);
    }
    sink.wait_for(2).unwrap();
    let seen = sink.stop().unwrap();
    assert_eq!(seen.requests, 2);
    assert!(seen.arrivals[0].is_none());
    assert_eq!(seen.arrivals[1], seen.first);
    assert!(seen.last > seen.first);
}

#[test]
fn a_wrong_request_is_an_error() {
    let sink = Sink::start(0, None).unwrap();
    let mut stream = std::net::TcpStream::connect(sink.address).unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty());
    assert_eq!(sink.stop().unwrap_err().to_string(), "a request was without a content-length");
}
