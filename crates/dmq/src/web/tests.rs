//! The routes against an event loop that follows a script.

mod api;
mod messages;
mod pages;
mod refusals;
mod tables;

use std::sync::{Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::json;
use service::desk::desk;
use tokio::sync::mpsc;
use tower_service::Service;

use super::*;
use crate::address::NodeUri;
use crate::desk::{
    BridgeStatus, Cell, Counters, Handled, NodeEvent, NodeState, NodeStatus, Order, ReplicateError,
    SendError, SubscribeError, Subscription, TableError, TableOrder,
};
use crate::message::{Delivered, Millis, Outcome, Received};

/// 2026-11-22 09:08:07.006 UTC, the node's present.
pub(crate) const NOW_MS: Millis = 1_795_338_487_006;

/// What the event loop answers, and what it was asked.
pub(crate) struct Script {
    pub(crate) status: Status,
    /// What was asked for, apart from the status, as [`std::fmt::Debug`] shows it.
    pub(crate) asked: Vec<String>,
    pub(crate) sent: Result<Vec<Delivered>, SendError>,
    pub(crate) replicated: Result<Vec<Delivered>, ReplicateError>,
    pub(crate) handled: Handled,
    pub(crate) yes: bool,
    pub(crate) subscribed: Result<(), SubscribeError>,
    pub(crate) listeners: Vec<Subscription>,
    pub(crate) cells: Option<Vec<Cell>>,
    pub(crate) set: Result<Vec<Delivered>, TableError>,
    pub(crate) deleted: Result<Option<Vec<Delivered>>, TableError>,
}

impl Script {
    fn new() -> Script {
        Script {
            status: status(),
            asked: Vec::new(),
            sent: Ok(outcomes()),
            replicated: Ok(outcomes()),
            handled: Handled { code: 202, reason: "Accepted DMQ".into(), body: Vec::new() },
            yes: true,
            subscribed: Ok(()),
            listeners: Vec::new(),
            cells: None,
            set: Ok(outcomes()),
            deleted: Ok(Some(outcomes())),
        }
    }

    /// Answers as the event loop does.
    fn answer(&mut self, order: Order) {
        match order {
            Order::Status(to) => drop(to.send(Box::new(self.status.clone()))),
            Order::Send(message, to) => {
                self.asked.push(format!("{message:?}"));
                drop(to.send(self.sent.clone()));
            }
            Order::Replicate(replication, to) => {
                self.asked.push(format!("{replication:?}"));
                drop(to.send(self.replicated.clone()));
            }
            Order::Handle(handed, to) => {
                self.asked.push(format!("{handed:?}"));
                drop(to.send(self.handled.clone()));
            }
            Order::IsFromNode(source, to) => {
                self.asked.push(source.to_string());
                let _ = to.send(self.yes);
            }
            Order::Subscribe(subscription, to) => {
                self.asked.push(format!("{:?}", subscription.peer));
                self.listeners.push(subscription);
                drop(to.send(self.subscribed.clone()));
            }
            Order::Remove(uri, to) => {
                self.asked.push(uri.to_string());
                let _ = to.send(self.yes);
            }
            Order::Table(order) => self.table(order),
        }
    }

    fn table(&mut self, order: TableOrder) {
        match order {
            TableOrder::Names(to) => {
                drop(to.send(self.cells.iter().map(|c| ("shared".into(), c.len())).collect()));
            }
            TableOrder::Dump(table, to) => {
                self.asked.push(table);
                drop(to.send(self.cells.clone()));
            }
            TableOrder::Get(table, key, to) => {
                let found = self.cells.iter().flatten().find(|cell| cell.key == key).cloned();
                self.asked.push(format!("{table} {key}"));
                drop(to.send(found));
            }
            TableOrder::Set(set, to) => {
                self.asked.push(format!("{set:?}"));
                drop(to.send(self.set.clone()));
            }
            TableOrder::Delete(table, key, to) => {
                self.asked.push(format!("{table} {key}"));
                drop(to.send(self.deleted.clone()));
            }
            TableOrder::Sync(from, to) => {
                self.asked.push(format!("{from:?}"));
                drop(to.send(self.sent.clone()));
            }
        }
    }
}

/// A router, and the event loop behind it.
pub(crate) struct World {
    router: Router,
    script: Arc<Mutex<Script>>,
}

impl World {
    /// With an event loop on the runtime of the test.
    fn new() -> World {
        let (world, mut orders) = World::apart();
        let script = world.script.clone();
        tokio::spawn(async move {
            while let Some(order) = orders.recv().await {
                script.lock().unwrap().answer(order);
            }
        });
        world
    }

    /// With an event loop that does nothing: the test has its orders.
    fn apart() -> (World, mpsc::Receiver<Order>) {
        let (desk, orders) = desk();
        let script = Arc::new(Mutex::new(Script::new()));
        (World { router: router(Node::new(desk)), script }, orders)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// What the event loop was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.script().asked)
    }

    /// Asks, and gives the answer before its body has come.
    async fn open(&self, request: Request<Body>) -> Response {
        self.router.clone().call(request).await.unwrap()
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let (head, body) = self.open(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Reply { status: head.status.as_u16(), headers: head.headers, text }
    }

    async fn ask(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(request(method, path, body.into())).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "").await
    }

    async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.ask("POST", path, body).await
    }
}

/// A web server of its own thread, with an event loop on another, for clients that block.
pub(crate) fn served() -> (service::http::Http, Arc<Mutex<Script>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (world, mut orders) = World::apart();
    let script = world.script.clone();
    std::thread::spawn(move || {
        while let Some(order) = orders.blocking_recv() {
            world.script.lock().unwrap().answer(order);
        }
    });
    (service::http::serve(vec![listener], world.router).unwrap(), script)
}

fn request(method: &str, path: &str, body: Bytes) -> Request<Body> {
    Request::builder().method(method).uri(path).body(body.into()).unwrap()
}

/// An answer of the router.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// The answer to what went well.
    #[track_caller]
    fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The status and the error of a refusal.
    fn refused(&self) -> (u16, String) {
        let body = self.json();
        (self.status, body["error"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned())
    }

    /// The text of a page without its markup, as a text browser has it.
    fn read(&self) -> String {
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8");
        let body = self.text.split_once("<body>").unwrap().1;
        let pieces = body.split('<').map(|piece| piece.split_once('>').map_or("", |(_, t)| t));
        pieces.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn uri(text: &str) -> NodeUri {
    text.parse().unwrap()
}

/// A node that answers.
fn node(text: &str) -> NodeStatus {
    let uri = uri(text);
    NodeStatus {
        resolved_ip: uri.ip(),
        uri,
        state: NodeState::Active,
        local: false,
        configured: false,
        agent: "kamailio (5.6.3 (x86_64/linux))".into(),
        last_seen_ms: Some(NOW_MS - 2_000),
        round_trip_us: Some(412),
        fail_count: 0,
        queued: 3,
        in_flight: 1,
    }
}

/// A node with two others, one of which is down.
fn status() -> Status {
    let local = NodeStatus {
        local: true,
        agent: String::new(),
        last_seen_ms: None,
        round_trip_us: None,
        queued: 0,
        in_flight: 0,
        ..node("sip:10.0.0.3:5060")
    };
    let down = NodeStatus {
        resolved_ip: None,
        state: NodeState::Disabled,
        configured: true,
        fail_count: 2,
        round_trip_us: None,
        ..node("sip:kam-b.example:5061;transport=tls")
    };
    Status {
        uri: local.uri.clone(),
        started_ms: NOW_MS - 7_500_000,
        now_ms: NOW_MS,
        notified: vec!["sip:kam-b.example;transport=tls".into()],
        nodes: vec![local, node("sip:10.0.0.1:5060"), down],
        peers: vec!["events".into(), "htable".into()],
        tables: (1, 2, 2_048),
        bridge: Some(BridgeStatus {
            broker: "amqp://hare@rabbit:5672/".into(),
            down: None,
            waiting: 4,
            sending: 5,
        }),
        draining: false,
        events: vec![NodeEvent {
            at_ms: NOW_MS - 61_000,
            node: uri("sip:10.0.0.1:5060"),
            what: "up",
        }],
        counters: Counters { requests: 1_234, answers: [9, 8, 7, 6], ..Counters::default() },
    }
}

/// One of each outcome.
fn outcomes() -> Vec<Delivered> {
    let answered = |code, reason: &str| Outcome::Answered { code, reason: reason.into() };
    [
        answered(200, "OK"),
        answered(404, "User Not Found"),
        Outcome::TimedOut,
        Outcome::Unreachable("connection refused".into()),
        Outcome::Full,
        Outcome::Dropped,
    ]
    .into_iter()
    .zip(1..)
    .map(|(outcome, n)| Delivered {
        node: uri(&format!("sip:10.0.0.{n}")),
        outcome,
        took_us: n * 412,
    })
    .collect()
}

/// The same as the API tells it.
fn told() -> Value {
    json!({
        "outcomes": [
            { "node": "sip:10.0.0.1:5060", "outcome": "taken", "code": 200, "reason": "OK",
              "took_ms": 0.412 },
            { "node": "sip:10.0.0.2:5060", "outcome": "refused", "code": 404,
              "reason": "User Not Found", "took_ms": 0.824 },
            { "node": "sip:10.0.0.3:5060", "outcome": "timeout", "took_ms": 1.236 },
            { "node": "sip:10.0.0.4:5060", "outcome": "unreachable",
              "reason": "connection refused", "took_ms": 1.648 },
            { "node": "sip:10.0.0.5:5060", "outcome": "full", "took_ms": 2.06 },
            { "node": "sip:10.0.0.6:5060", "outcome": "dropped", "took_ms": 2.472 },
        ],
        "taken": 1,
    })
}

/// A message that arrived.
pub(crate) fn received(body: &[u8]) -> Received {
    Received {
        peer: "events".into(),
        from: Some(uri("sip:10.0.0.1:5060")),
        source: "10.0.0.1:5060".parse().unwrap(),
        call_id: "6e48ce02705e2ec2-22102@10.0.0.1".into(),
        content_type: "text/plain".into(),
        body: body.into(),
        at_ms: NOW_MS,
    }
}
