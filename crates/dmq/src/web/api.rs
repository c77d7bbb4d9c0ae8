//! The functions of Kamailio's DMQ module over HTTP: list and remove nodes, broadcast, send,
//! replicate, handle, and the test whether a request comes from a node.
//!
//! Answers are JSON; a refusal is `{"error": "…"}`.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::{Map, json};
use service::http::refusal::Refusal;

use super::request::{self, Body, Query};
use super::{Answer, from_nodes, json as view, ok, soon};
use crate::desk::{Handed, Node, ReplicateError, Replication, SendError};
use crate::message::{Outgoing, Recipient};

/// What a parameter `source` may be.
const AN_IP: &str = "an IP address such as 10.0.0.1";

/// `GET /api/dmq/status`
pub(super) async fn status(State(node): State<Node>) -> Answer {
    ok(view::status(&*super::status(&node).await?))
}

/// `GET /api/dmq/nodes`, like `kamcmd dmq.list_nodes`
pub(super) async fn nodes(State(node): State<Node>) -> Answer {
    let status = super::status(&node).await?;
    ok(status.nodes.iter().map(view::node).collect::<Vec<_>>())
}

/// `DELETE /api/dmq/nodes/URI`, like `kamcmd dmq.remove`
pub(super) async fn remove(State(node): State<Node>, Path(uri): Path<String>) -> Answer {
    let uri = request::node("the path", &uri)?;
    if !soon(node.remove(uri.clone())).await? {
        let error = format!(
            "{uri} is no other node of the list; /api/dmq/nodes lists all, and a node cannot remove \
             itself"
        );
        return Err(Refusal::not_found(error));
    }
    ok(json!({ "removed": uri.to_string() }))
}

/// `GET /api/dmq/is-from-node?source=IP`, like `dmq_is_from_node()`
pub(super) async fn is_from_node(State(node): State<Node>, RawQuery(query): RawQuery) -> Answer {
    let source: IpAddr = Query::parse(query, &["source"])?.needed("source", AN_IP)?;
    ok(json!({ "is_from_node": soon(node.is_from_node(source)).await? }))
}

/// A message that somebody wants to send. Kamailio's functions want all of it; here a content type
/// is guessed, and `""` is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Letter {
    peer: String,
    node: Option<String>,
    body: Option<String>,
    body_base64: Option<String>,
    content_type: Option<String>,
}

impl Letter {
    fn outgoing(self, to: Recipient) -> Result<Outgoing, Refusal> {
        let (body, guess) = match (self.body, self.body_base64) {
            (Some(text), None) => (text.into_bytes(), "text/plain"),
            (None, Some(text)) => {
                let bytes = BASE64_STANDARD.decode(text);
                let bytes = bytes.map_err(|e| Refusal::bad(format!("body_base64: {e}")))?;
                (bytes, "application/octet-stream")
            }
            (None, None) => {
                return Err(Refusal::bad("body is missing: a text, or bytes as body_base64"));
            }
            (Some(_), Some(_)) => {
                return Err(Refusal::bad("body and body_base64 are both there: leave one out"));
            }
        };
        Ok(Outgoing {
            peer: self.peer.into(),
            to,
            content_type: self.content_type.as_deref().unwrap_or(guess).into(),
            body: body.into(),
            lane: 0,
        })
    }
}

/// `POST /api/dmq/bcast`, like `dmq_bcast_message(peer, body, content_type)`
pub(super) async fn bcast(State(node): State<Node>, body: Body) -> Answer {
    let letter: Letter = request::json(body, r#"{"peer": "events", "body": "text"}"#)?;
    if letter.node.is_some() {
        let error = "node: a broadcast goes to all active nodes; /api/dmq/send sends to one";
        return Err(Refusal::bad(error));
    }
    sent(&node, letter.outgoing(Recipient::All)?).await
}

/// `POST /api/dmq/send`, like `dmq_send_message(peer, node, body, content_type)`
pub(super) async fn send(State(node): State<Node>, body: Body) -> Answer {
    const EXAMPLE: &str = r#"{"peer": "events", "node": "sip:10.0.0.1:5060", "body": "text"}"#;
    let letter: Letter = request::json(body, EXAMPLE)?;
    let Some(to) = &letter.node else {
        let error = "node is missing: the URI of one node; /api/dmq/bcast sends to all";
        return Err(Refusal::bad(error));
    };
    let to = Recipient::One(request::node("node", to)?);
    sent(&node, letter.outgoing(to)?).await
}

async fn sent(node: &Node, message: Outgoing) -> Answer {
    ok(view::outcomes(&from_nodes(node.send(message)).await??))
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Refusal {
        let status = match error {
            SendError::UnknownNode(_) => StatusCode::NOT_FOUND,
            SendError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            SendError::Ourselves(_)
            | SendError::BadPeer(_)
            | SendError::BadBody { .. }
            | SendError::BadContentType(_) => StatusCode::BAD_REQUEST,
        };
        Refusal::new(status, error.to_string())
    }
}

/// `POST /api/dmq/replicate?source=IP&skip_loop_test=1` with a SIP request, like
/// `dmq_t_replicate([skip])`
pub(super) async fn replicate(
    State(node): State<Node>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let query = Query::parse(query, &["source", "skip_loop_test"])?;
    let replication = Replication {
        request: request::bytes(body)?.into(),
        source: query.read("source", AN_IP)?,
        skip_loop_test: query.flag("skip_loop_test")?,
    };
    let delivered = from_nodes(node.replicate(replication)).await?;
    let delivered = delivered.map_err(|error| match error {
        ReplicateError::Bad(_) => Refusal::bad(error.to_string()),
        ReplicateError::Loop(_) => {
            let error = format!("{error}; skip_loop_test=1 leaves the test out");
            Refusal::new(StatusCode::CONFLICT, error)
        }
    })?;
    ok(view::outcomes(&delivered))
}

/// `POST /api/dmq/handle?source=IP:PORT&continue=1` with a KDMQ request, like
/// `dmq_handle_message([continue])`: the reply that its sender should get, and whether the caller
/// goes on with the request.
pub(super) async fn handle(
    State(node): State<Node>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let query = Query::parse(query, &["source", "continue"])?;
    let source: SocketAddr =
        query.needed("source", "an address and a port such as 10.0.0.1:5060")?;
    let goes_on = query.flag("continue")?;
    let handed = Handed { request: request::bytes(body)?.into(), source };
    // The bridge may wait for its broker's confirm before it answers.
    let handled = from_nodes(node.handle(handed)).await?;
    let mut object = Map::new();
    object.insert("code".into(), json!(handled.code));
    object.insert("reason".into(), json!(handled.reason));
    object.insert("continue".into(), json!(goes_on));
    view::set_body(&mut object, &handled.body);
    ok(object)
}
