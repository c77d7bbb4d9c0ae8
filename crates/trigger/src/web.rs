//! The web server of the triggers: a page for people, `/metrics`, `/healthz`, `/readyz` and the API.
//!
//! It knows nothing itself: it asks each trigger at its [`Desk`] and renders the answers here. It
//! has no login, so whoever reaches it may pause every trigger.

mod health;
mod json;
mod metrics;
mod page;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use service::desk::Gone;
use service::http::Health;
use service::http::guard::guarded;
use service::http::json::answer;
use service::http::refusal::Refusal;
use service::time::now;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::desk::{Desk, Order, Status};
use crate::message::Millis;

/// An engine that has not answered by then does not answer: it never waits for anything itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The triggers that run, and how the last reload went. Shared by the daemon, which sets it, and
/// the web server.
#[derive(Debug, Default)]
pub struct Registry {
    shown: Mutex<Shown>,
}

/// What a request sees of the registry.
#[derive(Clone, Debug, Default)]
struct Shown {
    desks: Arc<Vec<(String, Desk)>>,
    reload: Option<Reloaded>,
}

/// How the last reload went.
#[derive(Clone, Debug)]
struct Reloaded {
    at_ms: Millis,
    result: Result<(), String>,
}

impl Registry {
    /// Replaces the triggers.
    pub fn set(&self, desks: Vec<(String, Desk)>) {
        self.change(|shown| shown.desks = Arc::new(desks));
    }

    /// Notes how a reload went, just now; an error means that the old configuration goes on.
    pub fn reloaded(&self, result: Result<(), String>) {
        self.change(|shown| shown.reload = Some(Reloaded { at_ms: now(), result }));
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn desk(&self, name: &str) -> Result<Desk, Refusal> {
        let desks = self.shown().desks;
        let found = desks.iter().find(|(known, _)| known == name).map(|(_, desk)| desk.clone());
        found.ok_or_else(|| {
            Refusal::not_found(format!("no trigger {name:?}; /api/triggers lists all"))
        })
    }
}

/// Everything that is served.
pub fn router(registry: Arc<Registry>) -> Router {
    let routes = Router::new()
        .route("/", get(page::index))
        .route("/triggers/{name}", get(page::trigger))
        .route("/triggers/{name}/pause", post(page::pause))
        .route("/triggers/{name}/resume", post(page::resume))
        .route("/metrics", get(prometheus))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/triggers", get(api_list))
        .route("/api/triggers/{name}", get(api_trigger))
        .route("/api/triggers/{name}/pause", post(api_pause))
        .route("/api/triggers/{name}/resume", post(api_resume));
    guarded(routes).with_state(registry)
}

type Shared = State<Arc<Registry>>;

type Answer = Result<Response, Refusal>;

/// Why an engine gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Silence {
    #[error("it has ended")]
    Ended,
    #[error("it has not answered within {} s; a change may still happen", ANSWER_TIMEOUT.as_secs())]
    Unresponsive,
}

impl Silence {
    /// The word for programs, where other triggers have their condition's.
    fn word(self) -> &'static str {
        match self {
            Silence::Ended => "ended",
            Silence::Unresponsive => "unresponsive",
        }
    }
}

impl From<Gone> for Silence {
    fn from(_: Gone) -> Silence {
        Silence::Ended
    }
}

/// What a trigger answered when it was asked how it is.
#[derive(Debug)]
struct Seen {
    name: String,
    status: Result<Box<Status>, Silence>,
}

impl Seen {
    async fn of(name: String, desk: &Desk) -> Seen {
        Seen { name, status: ask(desk, Order::Status).await }
    }

    /// The word for what it is doing.
    fn word(&self) -> &'static str {
        match &self.status {
            Ok(status) => status.condition.word(),
            Err(silence) => silence.word(),
        }
    }
}

/// Asks a trigger, and waits for its answer as long as it is worth it.
async fn ask<T>(
    desk: &Desk,
    order: impl FnOnce(oneshot::Sender<T>) -> Order,
) -> Result<T, Silence> {
    let answer = timeout(ANSWER_TIMEOUT, desk.ask(order)).await;
    Ok(answer.map_err(|_| Silence::Unresponsive)??)
}

/// Asks all triggers at the same time, so that one that is silent does not make the others late.
async fn all(shown: &Shown) -> Vec<Seen> {
    let mut asked = JoinSet::new();
    for (index, (name, desk)) in shown.desks.iter().cloned().enumerate() {
        asked.spawn(async move { (index, Seen::of(name, &desk).await) });
    }
    let mut seen = asked.join_all().await;
    seen.sort_unstable_by_key(|(index, _)| *index);
    seen.into_iter().map(|(_, seen)| seen).collect()
}

/// What people may do to a trigger.
#[derive(Clone, Copy, Debug)]
enum Change {
    Pause,
    Resume,
}

impl Change {
    /// What it is called when it is done.
    fn done(self) -> &'static str {
        match self {
            Change::Pause => "paused",
            Change::Resume => "resumed",
        }
    }

    async fn make(self, registry: &Registry, name: &str) -> Result<(), Refusal> {
        let desk = registry.desk(name)?;
        let order = match self {
            Change::Pause => Order::Pause,
            Change::Resume => Order::Resume,
        };
        let made = ask(&desk, order).await;
        made.map_err(|silence| Refusal::unavailable(format!("the trigger {name}: {silence}")))
    }

    async fn answered(self, registry: &Registry, name: &str) -> Answer {
        self.make(registry, name).await?;
        Ok(answer(StatusCode::OK, &json!({ self.done(): name })))
    }
}

async fn prometheus(State(registry): Shared) -> Response {
    let shown = registry.shown();
    let page = metrics::page(&all(&shown).await, shown.reload.as_ref());
    ([(header::CONTENT_TYPE, service::metrics::CONTENT_TYPE)], page).into_response()
}

/// Whether the process works: false means that a restart may help.
async fn healthz(State(registry): Shared) -> Health {
    Health { reasons: all(&registry.shown()).await.iter().filter_map(health::broken).collect() }
}

/// Whether every trigger could be given messages.
async fn readyz(State(registry): Shared) -> Health {
    Health { reasons: all(&registry.shown()).await.iter().filter_map(health::unready).collect() }
}

async fn api_list(State(registry): Shared) -> Response {
    let shown = registry.shown();
    let triggers: Vec<Value> =
        all(&shown).await.iter().map(json::trigger).map(Into::into).collect();
    let reload = shown.reload.as_ref().map(json::reload);
    let version = env!("CARGO_PKG_VERSION");
    let body = json!({ "version": version, "reload": reload, "triggers": triggers });
    answer(StatusCode::OK, &body)
}

async fn api_trigger(State(registry): Shared, Path(name): Path<String>) -> Answer {
    let desk = registry.desk(&name)?;
    let seen = Seen::of(name, &desk).await;
    Ok(answer(StatusCode::OK, &json::with_runs(&seen).into()))
}

async fn api_pause(State(registry): Shared, Path(name): Path<String>) -> Answer {
    Change::Pause.answered(&registry, &name).await
}

async fn api_resume(State(registry): Shared, Path(name): Path<String>) -> Answer {
    Change::Resume.answered(&registry, &name).await
}
