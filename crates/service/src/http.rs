//! The small HTTP server of a daemon: `/metrics` and `/healthz`, on a thread of its own.
//! It knows no number itself: it asks the daemon over a bounded channel and renders the answer
//! here, so a scrape costs the daemon no more than a copy of its counters.

pub mod figures;
pub mod guard;
pub mod html;
pub mod json;
mod limits;
pub mod refusal;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::metrics::{CONTENT_TYPE, Text};
use crate::startup;
use limits::Limited;

/// Questions that wait for the daemon; more scrapes than this at a time wait outside.
const ASKS_MAX: usize = 4;

/// How long answers that are under way may take when the server ends.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// A daemon that has not answered by then does not work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A question to the daemon. Dropping the sender answers that it is stopping.
pub enum Ask {
    /// Its numbers.
    Metrics(oneshot::Sender<Page>),
    /// Whether it works.
    Health(oneshot::Sender<Health>),
}

/// Writes a daemon's metrics; it owns a copy of the numbers and runs on the HTTP thread.
pub type Page = Box<dyn FnOnce(&mut Text) + Send>;

/// Whether a daemon works: it does when there is no reason why not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// What is wrong, each with what to do.
    pub reasons: Vec<Reason>,
}

/// One thing that is wrong with a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable word for programs, such as `memory_alarm`.
    pub name: &'static str,
    /// A sentence for people, with the figures.
    pub detail: String,
}

/// A running server. Dropping it ends the server and its thread, at the latest a second after; what
/// is being answered then arrives whole.
#[derive(Debug)]
pub struct Http {
    /// Where it listens, with real ports.
    pub addresses: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Http {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP thread had panicked");
        }
    }
}

/// Serves on `listeners` (from [`crate::listen::bind`]); the daemon answers what it receives.
pub fn start(listeners: Vec<TcpListener>) -> io::Result<(Http, mpsc::Receiver<Ask>)> {
    let (asks, questions) = mpsc::channel(ASKS_MAX);
    Ok((serve(listeners, router(asks))?, questions))
}

/// Serves as [`serve`] does, and tells stdout where. Without listeners there is no server.
pub fn open(listeners: Vec<TcpListener>, router: Router) -> io::Result<Option<Http>> {
    if listeners.is_empty() {
        return Ok(None);
    }
    let http = serve(listeners, router)?;
    http.addresses.iter().for_each(|address| startup::listening("http", *address));
    Ok(Some(http))
}

/// Serves `router` on `listeners` (from [`crate::listen::bind`]), with limits on connections and on
/// how long one may be silent.
pub fn serve(listeners: Vec<TcpListener>, router: Router) -> io::Result<Http> {
    let (stop, stopped) = oneshot::channel();
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut served = Vec::new();
    {
        let _inside = runtime.enter();
        for listener in listeners {
            served.push(Limited::new(listener)?);
        }
    }
    let thread = thread::Builder::new().name("http".into()).spawn(move || {
        runtime.block_on(async move {
            let (ends, ended) = watch::channel(());
            let mut servers = JoinSet::new();
            for listener in served {
                let mut ended = ended.clone();
                // An error is the sign: the sender is gone.
                let end = async move { drop(ended.changed().await) };
                let server = axum::serve(listener, router.clone()).with_graceful_shutdown(end);
                servers.spawn(server.into_future());
            }
            drop(router);
            // Here as well: the handle was dropped.
            let _ = stopped.await;
            drop(ends);
            let _ = timeout(END_TIMEOUT, servers.join_all()).await;
        });
    })?;
    Ok(Http { addresses, stop: Some(stop), thread: Some(thread) })
}

fn router(asks: mpsc::Sender<Ask>) -> Router {
    Router::new()
        .route("/", get(|| async { "/metrics /healthz\n" }))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .with_state(asks)
}

async fn metrics(State(asks): State<mpsc::Sender<Ask>>) -> Response {
    match ask(&asks, Ask::Metrics).await {
        Ok(page) => {
            let mut text = Text::new();
            page(&mut text);
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], text.finish()).into_response()
        }
        Err(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", reason.detail)).into_response()
        }
    }
}

async fn healthz(State(asks): State<mpsc::Sender<Ask>>) -> Response {
    match ask(&asks, Ask::Health).await {
        Ok(health) => health.into_response(),
        Err(reason) => Health { reasons: vec![reason] }.into_response(),
    }
}

/// The answer to `/healthz`: 200, or 503 with the reasons.
impl IntoResponse for Health {
    fn into_response(self) -> Response {
        let reasons = self.reasons.iter();
        let reasons: Vec<_> = reasons
            .map(|Reason { name, detail }| serde_json::json!({ "name": name, "detail": detail }))
            .collect();
        let (status, body) = if reasons.is_empty() {
            (StatusCode::OK, serde_json::json!({ "status": "ok" }))
        } else {
            let body = serde_json::json!({ "status": "failing", "reasons": reasons });
            (StatusCode::SERVICE_UNAVAILABLE, body)
        };
        json::answer(status, &body)
    }
}

/// Asks the daemon and waits for its answer, or says why there is none.
async fn ask<T>(
    asks: &mpsc::Sender<Ask>,
    question: fn(oneshot::Sender<T>) -> Ask,
) -> Result<T, Reason> {
    let (sender, answer) = oneshot::channel();
    let answered = timeout(ANSWER_TIMEOUT, async {
        asks.send(question(sender)).await.ok()?;
        answer.await.ok()
    });
    match answered.await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(Reason { name: "stopping", detail: "the daemon is stopping".into() }),
        Err(_) => Err(Reason {
            name: "unresponsive",
            detail: format!("the daemon did not answer within {} s", ANSWER_TIMEOUT.as_secs()),
        }),
    }
}
