//! What arrives for a peer, as server-sent events.
//!
//! `message`: one message as JSON. `missed`: how many messages were lost since the last such event,
//! because the reader is slower than the bus. A comment every 15 s shows that the stream lives; it
//! ends when the node stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use serde_json::json;
use service::http::refusal::Refusal;
use tokio::sync::OwnedSemaphorePermit;

use super::request::Query;
use super::{Answer, Shared, json as view, soon};
use crate::desk::{Listener, SubscribeError};
use crate::message::Received;

/// Streams at a time: half of the connections that the web server takes, so that pages stay
/// within reach.
pub(super) const STREAMS_MAX: usize = 32;

/// Messages that wait for a reader; with 64 KiB each they are 16 MiB.
const ROOM: usize = 256;

/// Shorter than the 75 s after which a silent connection is closed, and than what proxies allow.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /api/dmq/messages?peer=NAME`; without a name, of all peers that are known
pub(super) async fn stream(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query, &["peer"])?;
    let permit = shared.streams.try_acquire_owned();
    let permit = permit.map_err(|_| SubscribeError::TooMany(STREAMS_MAX))?;
    let peer = query.get("peer").map(str::to_owned);
    let listener = soon(shared.node.register(peer, ROOM)).await??;
    let feed = Feed { listener, told: 0, held: None, _permit: permit };
    let events = stream::unfold(feed, |mut feed| async {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Refusal {
        match error {
            SubscribeError::BadPeer(_) => Refusal::bad(error.to_string()),
            SubscribeError::TooMany(_) => Refusal::unavailable(error.to_string()),
        }
    }
}

/// One reader.
struct Feed {
    listener: Listener,
    /// Lost messages that the reader knows of.
    told: u64,
    /// A message that waits until the reader has been told of losses.
    held: Option<Arc<Received>>,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    async fn next(&mut self) -> Option<Event> {
        let message = match self.held.take() {
            Some(message) => message,
            None => self.listener.messages.recv().await?,
        };
        let missed = self.listener.missed.load(Ordering::Relaxed);
        if missed > self.told {
            let data = json!({ "missed": missed - self.told });
            self.told = missed;
            self.held = Some(message);
            return Some(Event::default().event("missed").data(data.to_string()));
        }
        Some(Event::default().event("message").data(view::received(&message).to_string()))
    }
}
