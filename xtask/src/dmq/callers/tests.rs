//! What a caller of the API makes of its answers.

use super::*;

#[test]
fn an_answer_is_read_as_far_as_its_length_says() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"taken\":1}";
    for end in 0..answer.len() {
        assert!(whole(&answer.as_bytes()[..end]).unwrap().is_none(), "{end}");
    }
    assert_eq!(whole(answer.as_bytes()).unwrap(), Some(answer));
    assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
}
