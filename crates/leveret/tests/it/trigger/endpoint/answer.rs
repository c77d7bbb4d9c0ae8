//! What an endpoint answers, and how.

use std::fmt::Write as _;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    pub(super) manner: Manner,
}

/// In which manner it is given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// As it is.
    Whole,
    /// Without its end; then the connection ends.
    Early,
    /// Half of its head; then the connection ends.
    Cut,
    /// Never.
    Hang,
    /// With a body of this size.
    Endless(u64),
}

impl Answer {
    /// This status and nothing else.
    pub(crate) fn status(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: Vec::new(), manner: Manner::Whole }
    }

    /// No answer at all.
    pub(crate) fn hang() -> Answer {
        Answer { manner: Manner::Hang, ..Answer::status(200) }
    }

    /// The connection ends before the body of a good answer does.
    pub(crate) fn early() -> Answer {
        Answer { manner: Manner::Early, ..Answer::status(200).body("the end of this is missing") }
    }

    /// The connection ends before the head of the answer does.
    pub(crate) fn cut() -> Answer {
        Answer { manner: Manner::Cut, ..Answer::status(200) }
    }

    /// A good answer with a body of so many bytes.
    pub(crate) fn endless(size: u64) -> Answer {
        Answer { manner: Manner::Endless(size), ..Answer::status(200) }
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Answer {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Answer {
        Answer { body: body.as_ref().to_vec(), ..self }
    }

    /// With JSON as its body.
    pub(crate) fn json(self, body: &str) -> Answer {
        self.header("content-type", "application/json").body(body)
    }

    pub(super) fn head(&self, size: u64) -> String {
        let mut head = format!("HTTP/1.1 {} Test\r\ncontent-length: {size}\r\n", self.status);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head + "\r\n"
    }

    pub(super) fn head_and_body(&self) -> Vec<u8> {
        let mut bytes = self.head(self.body.len() as u64).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
