//! What an endpoint was asked.

use std::io::Read;
use std::time::Instant;

use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// When all of it was there.
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of a header, if it is there once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice in {:?}", self.headers);
        value
    }

    /// The value of a header that has to be there.
    #[track_caller]
    pub(crate) fn the(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    /// The number of the run.
    #[track_caller]
    pub(crate) fn attempt(&self) -> u32 {
        self.the("x-trigger-attempt").parse().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The body of the message: that of the seed's JSON, or of the request.
    pub(crate) fn message(&self) -> String {
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        let body = json.as_ref().and_then(|json| json.get("body")?.as_str());
        body.map_or_else(|| self.text(), str::to_owned)
    }
}

/// The next request of a connection, until that ends; `input` is what was read of the one after.
pub(super) fn read(stream: &mut impl Read, input: &mut Vec<u8>) -> Option<Request> {
    let head_end = loop {
        if let Some(at) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        more(stream, input)?;
    };
    let head = String::from_utf8(input[..head_end].to_vec()).ok()?;
    input.drain(..head_end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while input.len() < length {
        more(stream, input)?;
    }
    let body = input.drain(..length).collect();
    Some(Request { at: Instant::now(), method, path, headers, body })
}

fn more(stream: &mut impl Read, input: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 64 << 10];
    let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
    input.extend_from_slice(&buffer[..count]);
    Some(())
}
