//! The client's end of the socket: one request at a time, blocking.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::LINE_BYTES_MAX;
use crate::address::Address;
use crate::reply::{Refusal, Reply, Row};
use crate::request::Request;

#[cfg(test)]
mod tests;

/// A connection to a node.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    line_bytes_max: usize,
}

/// Why a node was not reached, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: the node does not run, or works in another directory.
    #[error("no node listens at {}: {source}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The node belongs to somebody else.
    #[error("not allowed to use {}: only the user that runs the node, and root, may", .0.display())]
    Denied(PathBuf),
    /// No answer in time.
    #[error("the node did not answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection to the node was lost: {0}")]
    Lost(io::Error),
    /// A request that no node reads, or an answer that is not read here.
    #[error("the {what} is too long: {LINE_BYTES_MAX} bytes in a line are the limit")]
    TooLong {
        /// Of the two.
        what: &'static str,
    },
    /// An answer that this version does not understand.
    #[error("the node's answer makes no sense here: {0}; is it of another version?")]
    Answer(String),
}

impl Client {
    /// Connects to the node that listens at `path`. `timeout`: for each line of an answer; none is
    /// no limit.
    pub fn connect(path: &Path, timeout: Option<Duration>) -> Result<Client, ClientError> {
        let connected = Address::of(path).and_then(|at| UnixStream::connect(at.path()));
        let stream = connected.map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => ClientError::Denied(path.to_owned()),
            _ => ClientError::NotRunning { path: path.to_owned(), source },
        })?;
        stream.set_read_timeout(timeout).map_err(ClientError::Lost)?;
        stream.set_write_timeout(timeout).map_err(ClientError::Lost)?;
        Ok(Client { stream: BufReader::new(stream), line_bytes_max: LINE_BYTES_MAX })
    }

    /// Asks, hands over rows as they come, and gives what the answer ends with.
    pub fn ask(
        &mut self,
        request: &Request,
        mut rows: impl FnMut(Vec<Row>),
    ) -> Result<Result<Value, Refusal>, ClientError> {
        let mut line =
            serde_json::to_vec(request).map_err(|error| ClientError::Answer(error.to_string()))?;
        line.push(b'\n');
        if line.len() > self.line_bytes_max {
            return Err(ClientError::TooLong { what: "request" });
        }
        self.stream.get_mut().write_all(&line).map_err(lost)?;
        loop {
            match self.line()? {
                Reply::Rows(some) => rows(some),
                Reply::Done(value) => return Ok(Ok(value)),
                Reply::Refused(refusal) => return Ok(Err(refusal)),
            }
        }
    }

    fn line(&mut self) -> Result<Reply, ClientError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(self.line_bytes_max as u64);
        limited.read_until(b'\n', &mut line).map_err(lost)?;
        if line.is_empty() {
            return Err(ClientError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        if line.len() >= self.line_bytes_max && !line.ends_with(b"\n") {
            return Err(ClientError::TooLong { what: "answer" });
        }
        serde_json::from_slice(&line).map_err(|error| ClientError::Answer(error.to_string()))
    }
}

fn lost(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Timeout,
        _ => ClientError::Lost(error),
    }
}
