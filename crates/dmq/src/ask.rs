//! What people ask a running node on the command line: each question as a request to its API, and
//! what the answer means to them.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::Method;
use serde_json::{Map, Value as Json, json};
use service::time::relative;

use crate::address::NodeUri;
use crate::desk::{TableSet, Value};
use crate::remote::{Remote, RemoteError, path};

/// A question, but for the bytes that go with some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The nodes of the bus.
    Nodes,
    /// That a node is forgotten.
    Remove(NodeUri),
    /// Whether a node has this address.
    IsFromNode(IpAddr),
    /// That a message, whose body goes with it, is sent to all.
    Bcast {
        /// Its peer.
        peer: String,
        /// Its content type, if that is told.
        content_type: Option<String>,
    },
    /// That a message, whose body goes with it, is sent to one node.
    Send {
        /// Its peer.
        peer: String,
        /// To whom.
        node: NodeUri,
        /// Its content type, if that is told.
        content_type: Option<String>,
    },
    /// That a SIP request, which goes with it, is replicated.
    Replicate {
        /// Where it came from.
        source: Option<IpAddr>,
        /// Whether the loop test is left out.
        skip_loop_test: bool,
    },
    /// That a KDMQ request, which goes with it, is given to its peer.
    Handle {
        /// Where it came from.
        source: SocketAddr,
        /// Whether the caller goes on with it.
        goes_on: bool,
    },
    /// The names of hash tables.
    Tables,
    /// The cells of a table.
    Cells(String),
    /// One cell: its table and key.
    Cell(String, String),
    /// That a cell is set.
    SetCell(TableSet),
    /// That a cell is deleted: its table and key.
    DeleteCell(String, String),
    /// That a node, or the next that is active, is asked for all its tables.
    Sync(Option<NodeUri>),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer.
    pub json: Json,
    /// Whether it is yes: the address is a node's, or every node took the message.
    pub is_yes: bool,
}

impl Ask {
    /// Asks the node; `body` is what goes with the question.
    ///
    /// # Errors
    /// There is no answer, or the node refuses.
    pub fn of(&self, remote: &Remote, body: Vec<u8>) -> Result<Answered, RemoteError> {
        let (method, path, body) = self.request(body);
        let json = remote.call(method, &path, body)?;
        Ok(Answered { is_yes: is_yes(&json), json })
    }

    /// The request, as the API wants it.
    fn request(&self, body: Vec<u8>) -> (Method, String, Vec<u8>) {
        let set = |name: &'static str, is_set: bool| is_set.then(|| (name, "1".to_owned()));
        let source = |source: String| ("source", source);
        let get = |segments: &[&str]| (Method::GET, path(segments, &[]), Vec::new());
        match self {
            Ask::Nodes => get(&["nodes"]),
            Ask::Tables => get(&["htable"]),
            Ask::Cells(table) => get(&["htable", table]),
            Ask::Cell(table, key) => get(&["htable", table, key]),
            Ask::Remove(node) => {
                (Method::DELETE, path(&["nodes", &node.to_string()], &[]), Vec::new())
            }
            Ask::IsFromNode(ip) => {
                let query = queried(&["is-from-node"], [Some(source(ip.to_string()))]);
                (Method::GET, query, Vec::new())
            }
            Ask::Bcast { peer, content_type } => {
                let letter = letter(peer, None, content_type.as_deref(), body);
                (Method::POST, path(&["bcast"], &[]), letter)
            }
            Ask::Send { peer, node, content_type } => {
                let letter = letter(peer, Some(node), content_type.as_deref(), body);
                (Method::POST, path(&["send"], &[]), letter)
            }
            Ask::Replicate { source: from, skip_loop_test } => {
                let from = from.map(|ip| source(ip.to_string()));
                let query = [from, set("skip_loop_test", *skip_loop_test)];
                (Method::POST, queried(&["replicate"], query), body)
            }
            Ask::Handle { source: from, goes_on } => {
                let query = [Some(source(from.to_string())), set("continue", *goes_on)];
                (Method::POST, queried(&["handle"], query), body)
            }
            Ask::SetCell(TableSet { table, key, value, expire_s }) => {
                let value = match value {
                    Value::Int(number) => json!(number),
                    Value::Text(text) => json!(text),
                };
                let cell = json!({ "value": value, "expire_s": expire_s });
                (Method::PUT, path(&["htable", table, key], &[]), cell.to_string().into())
            }
            Ask::DeleteCell(table, key) => {
                (Method::DELETE, path(&["htable", table, key], &[]), Vec::new())
            }
            Ask::Sync(node) => {
                let node = node.as_ref().map(|node| ("node", node.to_string()));
                (Method::POST, queried(&["htable", "sync"], [node]), Vec::new())
            }
        }
    }
}

/// A path with those parameters that there are.
fn queried<const N: usize>(
    segments: &[&str],
    query: [Option<(&'static str, String)>; N],
) -> String {
    let query: Vec<(&str, &str)> =
        query.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
    path(segments, &query)
}

/// A message as JSON; a body that is no text goes as base64.
fn letter(
    peer: &str,
    node: Option<&NodeUri>,
    content_type: Option<&str>,
    body: Vec<u8>,
) -> Vec<u8> {
    let mut letter = Map::new();
    letter.insert("peer".into(), json!(peer));
    match String::from_utf8(body) {
        Ok(text) => letter.insert("body".into(), json!(text)),
        Err(bytes) => {
            let bytes = BASE64_STANDARD.encode(bytes.into_bytes());
            letter.insert("body_base64".into(), json!(bytes))
        }
    };
    if let Some(node) = node {
        letter.insert("node".into(), json!(node.to_string()));
    }
    if let Some(content_type) = content_type {
        letter.insert("content_type".into(), json!(content_type));
    }
    Json::from(letter).to_string().into()
}

/// What an answer says to a shell: no, when nobody has the address, or a node did not take the
/// message, or the reply to a request that was handed over is a refusal.
fn is_yes(answer: &Json) -> bool {
    if let Some(outcomes) = answer["outcomes"].as_array() {
        return answer["taken"] == outcomes.len();
    }
    if let Some(code) = answer["code"].as_u64() {
        return (200..300).contains(&code);
    }
    answer["is_from_node"] != false
}

/// The columns of [`nodes_table`]: a heading and a field of the API.
const COLUMNS: [(&str, &str); 7] = [
    ("NODE", "uri"),
    ("STATUS", "status"),
    ("LAST SEEN", "last_seen_ms"),
    ("ROUND TRIP (MS)", "round_trip_us"),
    ("FAILED", "fail_count"),
    ("QUEUED", "queued"),
    ("AGENT", "agent"),
];

/// The answer to [`Ask::Nodes`] as a table for people, a line each.
pub fn nodes_table(nodes: &Json) -> String {
    table(nodes, service::time::now())
}

fn table(nodes: &Json, now_ms: u64) -> String {
    let heads = COLUMNS.map(|(head, _)| head.to_owned());
    let nodes = nodes.as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = nodes.iter().map(|node| COLUMNS.map(|(_, field)| cell(node, field, now_ms)));
    let rows: Vec<[String; COLUMNS.len()]> = [heads].into_iter().chain(rows).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, text) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            line.push_str(&format!("{text:<width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn cell(node: &Json, field: &str, now_ms: u64) -> String {
    let value = &node[field];
    match (field, value) {
        // A node does not hear from itself.
        ("last_seen_ms", _) if node["local"] == 1 => "self".into(),
        ("last_seen_ms", _) => value.as_u64().map_or("never".into(), |at| relative(at, now_ms)),
        ("round_trip_us", Json::Number(us)) => {
            format!("{:.3}", us.as_f64().unwrap_or_default() / 1000.0)
        }
        (_, Json::Null) => "-".into(),
        // What a node says of itself may hold anything.
        (_, Json::String(text)) => text.replace(char::is_control, "?"),
        (_, other) => other.to_string(),
    }
}
