//! The node as its administrator sees it: the control socket, and the application that it stops and
//! starts while the process goes on.
//!
//! The socket has a thread of its own, which reads requests and writes answers; what a request does
//! happens on the shard's thread in one turn, between those of the connections. What may be long, a
//! listing, takes several.

mod answer;
mod connections;
mod definitions;
mod facts;
mod limits;
mod list;
pub(crate) mod node;
mod permissions;
mod policies;
mod queues;
mod socket;
mod users;
mod vhosts;

use std::cell::RefCell;
use std::rc::Rc;

use control::reply::{Refusal, Reply, Why};
use control::request::Request;
use serde_json::Value;
use service::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use crate::config::ServeConfig;
use crate::shard::Shard;

pub(crate) use socket::Control;

/// A request, and where its answer goes.
pub(crate) struct Ask {
    pub(crate) request: Request,
    pub(crate) reply: mpsc::Sender<Reply>,
}

/// What concerns the application as a whole, and who waits for it.
pub(crate) struct Order {
    pub(crate) what: What,
    reply: mpsc::Sender<Reply>,
}

/// See [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    StopApp,
    Suspend,
    Resume,
}

impl Order {
    /// Says that it is done.
    pub(crate) async fn done(self) {
        finish(&self.reply, Ok(Value::Null)).await;
    }

    /// Says why it is not.
    pub(crate) async fn refused(self, why: &str) {
        finish(&self.reply, Err(Refusal::new(Why::Failed, why))).await;
    }
}

/// What outlives the application.
pub(crate) struct Node {
    /// The settings; addresses have real ports once they were listened on.
    pub(crate) config: ServeConfig,
    /// Whether the application was up before.
    pub(crate) was_up: bool,
    control: Option<(Control, mpsc::Receiver<Ask>)>,
    /// Why the application was stopped.
    order: Option<Order>,
}

impl Node {
    pub(crate) fn new(config: ServeConfig) -> Node {
        Node { config, was_up: false, control: None, order: None }
    }

    /// Opens the socket, once. Whoever calls has the data directory for itself.
    pub(crate) fn open_control(&mut self) {
        if self.control.is_some() {
            return;
        }
        match socket::start(&self.config.data_dir) {
            Ok(control) => self.control = Some(control),
            Err(error) => tracing::error!(
                "no control socket in {}: {error}; `leveret ctl` cannot reach this node",
                self.config.data_dir.display()
            ),
        }
    }

    /// Answers requests until there is an order.
    pub(crate) async fn order(&mut self, shard: &Rc<RefCell<Shard>>) -> Order {
        let Some((_, asks)) = &mut self.control else { return std::future::pending().await };
        while let Some(ask) = asks.recv().await {
            let what = match ask.request {
                Request::StopApp => What::StopApp,
                Request::SuspendListeners => What::Suspend,
                Request::ResumeListeners => What::Resume,
                _ => {
                    match facts::answer(&self.config, &ask.request) {
                        Some(outcome) => finish(&ask.reply, outcome).await,
                        None => drop(spawn_local(answer::answer(Rc::clone(shard), ask))),
                    }
                    continue;
                }
            };
            return Order { what, reply: ask.reply };
        }
        std::future::pending().await
    }

    /// The application stops for this reason, which is told when it has.
    pub(crate) fn stop_for(&mut self, order: Order) {
        self.order = Some(order);
    }

    /// After the application stopped: waits until it is to start again. False: the process ends.
    pub(crate) async fn starts_again(&mut self, shutdown: &Shutdown) -> bool {
        let Some(order) = self.order.take() else { return false };
        order.done().await;
        tracing::info!("the application is stopped; `leveret ctl start_app` starts it");
        let Some((_, asks)) = &mut self.control else { return false };
        loop {
            let ask = tokio::select! {
                ask = asks.recv() => ask,
                () = shutdown.draining() => return false,
            };
            let Some(Ask { request, reply }) = ask else { return false };
            if request == Request::StartApp {
                // Answered when it is up.
                self.order = Some(Order { what: What::Resume, reply });
                return true;
            }
            let outcome = facts::answer(&self.config, &request);
            let outcome = outcome.unwrap_or_else(|| node::answer_stopped(&self.config, &request));
            finish(&reply, outcome).await;
        }
    }

    /// The application serves: whoever started it is told.
    pub(crate) async fn is_up(&mut self) {
        self.was_up = true;
        if let Some(order) = self.order.take() {
            order.done().await;
        }
    }

    /// The application could not start again. The node goes on without it if somebody asked for it.
    pub(crate) async fn start_failed(&mut self, why: &str) -> bool {
        let Some(order) = self.order.take() else { return false };
        tracing::error!("the application does not start: {why}");
        let reply = order.reply.clone();
        order.refused(why).await;
        // The one who waits for the next stop is the same, and needs no second answer.
        self.order = Some(Order { what: What::StopApp, reply });
        true
    }
}

/// Ends an answer. Whoever asked may be gone.
async fn finish(reply: &mpsc::Sender<Reply>, outcome: Result<Value, Refusal>) {
    let last = match outcome {
        Ok(value) => Reply::Done(value),
        Err(refusal) => Reply::Refused(refusal),
    };
    let _ = reply.send(last).await;
}
