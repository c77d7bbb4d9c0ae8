//! Cuts a stream into messages (RFC 3261 18.3).

#[cfg(test)]
mod tests;

use super::grammar::decimal;
use super::headers::{Name, split_line};
use super::parse::{HEAD_BYTES_MAX, Lines, body_start};

/// Why the rest of a stream means nothing: its connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// See [`HEAD_BYTES_MAX`].
    #[error("the headers of a message have more than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// Its end cannot be told, or is told twice.
    #[error("a message on a stream needs one Content-Length, a number")]
    ContentLength,
    /// The message is longer than it may be.
    #[error("a message of {bytes} bytes is longer than {bytes_max}")]
    TooLong {
        /// With its headers.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

/// The messages of a stream. Holds what was read and not taken: at most a message and what one
/// [`Framer::push`] brought.
#[derive(Debug)]
pub struct Framer {
    bytes_max: usize,
    buffer: Vec<u8>,
    /// What of the buffer was taken.
    start: usize,
    /// From `start` on: how far the end of the head was looked for.
    searched: usize,
    /// From `start` on: the length of the message, once its head is whole.
    length: Option<usize>,
}

impl Framer {
    /// Messages, with their headers, have at most so many bytes.
    pub fn new(bytes_max: usize) -> Framer {
        Framer { bytes_max, buffer: Vec::new(), start: 0, searched: 0, length: None }
    }

    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is whole. Line ends between messages, which keep connections open
    /// (RFC 5626 3.5.1), are skipped.
    ///
    /// # Errors
    /// The stream cannot be cut any further; the same error comes again.
    pub fn take(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let length = match self.length {
            Some(length) => length,
            None => match self.find_length()? {
                Some(length) => *self.length.insert(length),
                None => return Ok(None),
            },
        };
        if self.buffer.len() - self.start < length {
            return Ok(None);
        }
        let message = self.start..self.start + length;
        (self.start, self.searched, self.length) = (message.end, 0, None);
        Ok(Some(&self.buffer[message]))
    }

    /// Whether a message has begun that is not whole; to be asked when there is no next one.
    pub fn has_begun(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// The length of the message at the start, once its head is whole.
    fn find_length(&mut self) -> Result<Option<usize>, FrameError> {
        if self.searched == 0 {
            let line_ends = self.buffer[self.start..].iter().take_while(|b| b"\r\n".contains(b));
            self.start += line_ends.count();
        }
        let rest = &self.buffer[self.start..];
        let within = &rest[..rest.len().min(HEAD_BYTES_MAX)];
        let Some(head) = body_start(within, self.searched) else {
            // An empty line may have begun with the last two bytes.
            self.searched = within.len().saturating_sub(2);
            let is_long = within.len() == HEAD_BYTES_MAX;
            return if is_long { Err(FrameError::HeadTooLong) } else { Ok(None) };
        };
        let body = content_length(&rest[..head]).ok_or(FrameError::ContentLength)?;
        let bytes = head.saturating_add(body);
        if bytes > self.bytes_max {
            return Err(FrameError::TooLong { bytes, bytes_max: self.bytes_max });
        }
        Ok(Some(bytes))
    }
}

/// The only `Content-Length` of a head.
fn content_length(head: &[u8]) -> Option<usize> {
    let lines = Lines::new(str::from_utf8(head).ok()?).filter_map(split_line);
    let mut lengths = lines.filter(|(name, _)| Name::parse(name) == Some(Name::ContentLength));
    let (_, length) = lengths.next()?;
    if lengths.next().is_some() {
        return None;
    }
    decimal(length)
}
