//! Server-sent events, as far as a node's stream uses them: `event:` and one line of `data:`.
//! Comments and other fields pass unseen.

use serde_json::Value;

/// Bytes of a line: a message of 64 KiB fits, however it is written in JSON.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// Something of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message that arrived: one line of JSON.
    Message(String),
    /// So many messages were lost because we read too slowly.
    Missed(u64),
}

/// Bytes of the stream that are not read yet, and the event that they belong to.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    /// How many of them are read.
    read: usize,
    kind: String,
    data: String,
}

impl Events {
    /// Appends what has arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next event that is whole, or what is wrong with the stream.
    pub(super) fn next(&mut self) -> Option<Result<Event, String>> {
        loop {
            let rest = &self.bytes[self.read..];
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                let too_long = rest.len() > LINE_BYTES_MAX;
                return too_long
                    .then(|| Err(format!("a line has more than {LINE_BYTES_MAX} bytes")));
            };
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            self.read += end + 1;
            match line.trim_end_matches('\r').split_once(':') {
                Some(("event", kind)) => self.kind = kind.trim().to_owned(),
                Some(("data", data)) => {
                    self.data = data.strip_prefix(' ').unwrap_or(data).to_owned()
                }
                None if line.trim_end().is_empty() => {
                    let (kind, data) =
                        (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
                    match kind.as_str() {
                        "message" => return Some(Ok(Event::Message(data))),
                        "missed" => return Some(missed(&data)),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}

fn missed(data: &str) -> Result<Event, String> {
    let value: Option<Value> = serde_json::from_str(data).ok();
    let count = value.and_then(|value| value["missed"].as_u64());
    count.map(Event::Missed).ok_or_else(|| format!("no count of missed messages: {data:?}"))
}
