//! The delayer's web server: a page for people, `/metrics`, `/healthz` and the API, on a thread of
//! its own.
//!
//! It knows nothing itself: it asks the engine at the [`Desk`] and renders the answers here. It has
//! no login, so whoever reaches it reads every stored message and may cancel it.

mod api;
mod health;
mod json;
mod metrics;
mod page;
mod query;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use service::desk::Gone;
use service::http::guard::guarded;
use service::http::refusal::Refusal;
use service::http::{Health, Reason};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::desk::{Desk, Order, Status};

/// An engine that has not answered by then does not answer: a slow storage is asked in between.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What requests share.
#[derive(Clone)]
struct Shared {
    desk: Desk,
    /// Whole messages that may be in memory for answers.
    whole: Arc<Semaphore>,
}

impl FromRef<Shared> for Desk {
    fn from_ref(shared: &Shared) -> Desk {
        shared.desk.clone()
    }
}

impl FromRef<Shared> for Arc<Semaphore> {
    fn from_ref(shared: &Shared) -> Arc<Semaphore> {
        shared.whole.clone()
    }
}

/// What a web server answers with the help of the engine behind `desk`.
pub fn router(desk: Desk) -> Router {
    let whole = Arc::new(Semaphore::new(api::WHOLE_MAX));
    let routes = Router::new()
        .route("/", get(page::index))
        .route("/messages/{key}/cancel", post(page::cancel))
        .route("/messages/{key}/release", post(page::release))
        .route("/metrics", get(prometheus))
        .route("/healthz", get(healthz))
        .route("/api/status", get(api::status))
        .route("/api/histogram", get(api::histogram))
        .route("/api/messages", get(api::list).merge(delete(api::cancel_all)))
        .route("/api/messages/release", post(api::release_all))
        .route("/api/messages/reschedule", post(api::reschedule_all))
        .route("/api/messages/{key}", get(api::message).merge(delete(api::cancel)))
        .route("/api/messages/{key}/release", post(api::release))
        .route("/api/messages/{key}/reschedule", post(api::reschedule));
    guarded(routes).with_state(Shared { desk, whole })
}

async fn prometheus(State(desk): State<Desk>) -> Result<Response, Refusal> {
    let status = status(&desk).await?;
    let page = metrics::page(&status);
    Ok(([(header::CONTENT_TYPE, service::metrics::CONTENT_TYPE)], page).into_response())
}

async fn healthz(State(desk): State<Desk>) -> Health {
    let reasons = match answered(&desk, Order::Status).await {
        Ok(status) => health::reasons(&status),
        Err(silence) => vec![Reason { name: silence.name(), detail: silence.to_string() }],
    };
    Health { reasons }
}

async fn status(desk: &Desk) -> Result<Box<Status>, Refusal> {
    ask(desk, Order::Status).await
}

/// Why the engine gives no answer.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("{0}")]
    Stopping(Gone),
    #[error(
        "the delayer has not answered within {} s; a change may still happen",
        ANSWER_TIMEOUT.as_secs()
    )]
    Unresponsive,
}

impl Silence {
    /// The word for programs, as [`service::http`] has it.
    fn name(&self) -> &'static str {
        match self {
            Silence::Stopping(_) => "stopping",
            Silence::Unresponsive => "unresponsive",
        }
    }
}

/// Asks the engine, and waits for its answer as long as it is worth it.
async fn answered<T>(
    desk: &Desk,
    order: impl FnOnce(oneshot::Sender<T>) -> Order,
) -> Result<T, Silence> {
    let answer = timeout(ANSWER_TIMEOUT, desk.ask(order)).await;
    answer.map_err(|_| Silence::Unresponsive)?.map_err(Silence::Stopping)
}

/// Asks the engine, or says why there is no answer.
async fn ask<T>(
    desk: &Desk,
    order: impl FnOnce(oneshot::Sender<T>) -> Order,
) -> Result<T, Refusal> {
    answered(desk, order).await.map_err(|silence| Refusal::unavailable(silence.to_string()))
}

/// Asks for something that the storage may refuse.
async fn ask_storage<T>(
    desk: &Desk,
    order: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Order,
) -> Result<T, Refusal> {
    ask(desk, order).await?.map_err(Refusal::unavailable)
}
