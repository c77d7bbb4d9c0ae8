//! The web server of a node: a page for people, `/metrics`, `/healthz`, `/readyz` and the API.
//!
//! It knows nothing itself: it asks the event loop through [`Node`] and renders the answers here.
//! It has no login, so whoever reaches it may send to every node and change every table.

mod api;
mod health;
mod json;
mod messages;
mod metrics;
mod page;
mod request;
mod tables;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::Value;
use service::desk::Gone;
use service::http::Health;
use service::http::guard::guarded;
use service::http::json::answer;
use service::http::refusal::Refusal;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::desk::{Node, Status};

/// An event loop that has not answered by then does not answer: it never waits for anything.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a request waits for the answers of other nodes. Longer than the usual `fr_timer_ms` of
/// 30 s, and shorter than the 75 s after which a silent connection is closed.
const NODES_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that is served.
pub fn router(node: Node) -> Router {
    let streams = Arc::new(Semaphore::new(messages::STREAMS_MAX));
    let routes = Router::new()
        .route("/", get(page::index))
        .route("/metrics", get(prometheus))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/dmq/status", get(api::status))
        .route("/api/dmq/nodes", get(api::nodes))
        .route("/api/dmq/nodes/{uri}", delete(api::remove))
        .route("/api/dmq/is-from-node", get(api::is_from_node))
        .route("/api/dmq/bcast", post(api::bcast))
        .route("/api/dmq/send", post(api::send))
        .route("/api/dmq/replicate", post(api::replicate))
        .route("/api/dmq/handle", post(api::handle))
        .route("/api/dmq/messages", get(messages::stream))
        .route("/api/dmq/htable", get(tables::names))
        .route("/api/dmq/htable/sync", post(tables::sync))
        .route("/api/dmq/htable/{table}", get(tables::dump))
        .route(
            "/api/dmq/htable/{table}/{key}",
            get(tables::get).put(tables::set).delete(tables::delete),
        )
        .layer(DefaultBodyLimit::max(request::BODY_BYTES_MAX));
    guarded(routes).with_state(Shared { node, streams })
}

/// What requests share.
#[derive(Clone)]
struct Shared {
    node: Node,
    /// Streams of messages that may still be opened.
    streams: Arc<Semaphore>,
}

impl FromRef<Shared> for Node {
    fn from_ref(shared: &Shared) -> Node {
        shared.node.clone()
    }
}

type Answer = Result<Response, Refusal>;

fn ok(body: impl Into<Value>) -> Answer {
    Ok(answer(StatusCode::OK, &body.into()))
}

/// Why the event loop gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Silence {
    #[error("the node has stopped: restart it, unless it is to stop")]
    Stopped,
    #[error(
        "the node has not answered within {} s; a change may still happen: try again, and restart \
         it if that persists",
        ANSWER_TIMEOUT.as_secs()
    )]
    Unresponsive,
}

impl Silence {
    /// The word for programs.
    fn word(self) -> &'static str {
        match self {
            Silence::Stopped => "stopped",
            Silence::Unresponsive => "unresponsive",
        }
    }
}

impl From<Gone> for Silence {
    fn from(_: Gone) -> Silence {
        Silence::Stopped
    }
}

impl From<Silence> for Refusal {
    fn from(silence: Silence) -> Refusal {
        Refusal::unavailable(silence.to_string())
    }
}

/// Waits for an answer that the event loop has at once.
async fn soon<T>(asked: impl Future<Output = Result<T, Gone>>) -> Result<T, Silence> {
    Ok(timeout(ANSWER_TIMEOUT, asked).await.map_err(|_| Silence::Unresponsive)??)
}

/// Waits for an answer that other nodes have to give.
async fn from_nodes<T>(asked: impl Future<Output = Result<T, Gone>>) -> Result<T, Refusal> {
    let answered = timeout(NODES_TIMEOUT, asked).await.map_err(|_| {
        let error = format!(
            "not all nodes have answered within {} s; what was sent may still arrive: \
             /api/dmq/nodes tells which nodes do not answer",
            NODES_TIMEOUT.as_secs()
        );
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, error)
    })?;
    answered.map_err(|Gone| {
        let error = "the node stops, and not all nodes have answered; what was sent may have \
                     arrived nevertheless";
        Refusal::unavailable(error)
    })
}

async fn status(node: &Node) -> Result<Box<Status>, Silence> {
    soon(node.status()).await
}

async fn prometheus(State(node): State<Node>) -> Answer {
    let page = metrics::page(&*status(&node).await?);
    Ok(([(header::CONTENT_TYPE, service::metrics::CONTENT_TYPE)], page).into_response())
}

/// Whether the process works: false means that a restart may help.
async fn healthz(State(node): State<Node>) -> Health {
    let reasons = status(&node).await.err().map(health::silent);
    Health { reasons: reasons.into_iter().collect() }
}

/// Whether messages get through: to other nodes, and to the broker.
async fn readyz(State(node): State<Node>) -> Health {
    let reasons = match status(&node).await {
        Ok(status) => health::unready(&status),
        Err(silence) => vec![health::silent(silence)],
    };
    Health { reasons }
}
