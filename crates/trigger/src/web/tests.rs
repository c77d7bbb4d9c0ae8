//! The whole server over real sockets, with engines that do nothing but answer.

mod api;
mod metrics;
mod pages;

use std::net::TcpListener;
use std::sync::MutexGuard;

use axum::body::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use service::http::Http;
use tokio::sync::mpsc;

use super::*;
use crate::desk::{Condition, Counters, Recent};
use crate::reason::Reason;
use service::desk::desk;

/// 2026-11-22 09:08:07.006 UTC, the engines' present.
const NOW_MS: Millis = 1_795_338_487_006;

/// A server and the status of each of its triggers.
struct World {
    web: Http,
    registry: Arc<Registry>,
    triggers: Vec<Arc<Mutex<Status>>>,
}

/// An answer of the server.
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
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_str(&self.text).unwrap()
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

    #[track_caller]
    fn shows(&self, expected: &[&str]) {
        let page = self.read();
        for text in expected {
            assert!(page.contains(text), "{text}\n{page}");
        }
    }
}

fn status(name: &str) -> Status {
    Status {
        name: name.into(),
        queue: format!("{name}.in"),
        broker: "amqp://hare@rabbit:5672/".into(),
        pipeline: "http",
        target: "https://svc/hook".into(),
        started_ms: NOW_MS - 7_500_000,
        now_ms: NOW_MS,
        condition: Condition::Running,
        consumers: 10,
        prefetch: 20,
        in_flight: 3,
        queued: 7,
        holding: 1,
        unacked: 11,
        last_success_ms: None,
        last_error: None,
        runs: Vec::new(),
        failures: Vec::new(),
        counters: Counters::default(),
    }
}

fn run(message_id: &str, outcome: &'static str, summary: &str) -> Recent {
    Recent {
        at_ms: NOW_MS - 5_000,
        message_id: message_id.into(),
        routing_key: "eu.new".into(),
        attempt: 2,
        took_ms: 1_250,
        outcome,
        summary: summary.into(),
    }
}

/// Answers as an engine does, until nobody can ask any more.
async fn answer_orders(mut orders: mpsc::Receiver<Order>, status: Arc<Mutex<Status>>) {
    while let Some(order) = orders.recv().await {
        let mut status = status.lock().unwrap();
        match order {
            Order::Status(to) => drop(to.send(Box::new(status.clone()))),
            Order::Pause(to) => {
                status.condition = Condition::Paused("by a person".into());
                to.send(()).unwrap();
            }
            Order::Resume(to) => {
                status.condition = Condition::Running;
                to.send(()).unwrap();
            }
        }
    }
}

impl World {
    /// With triggers of these names.
    fn new(names: &[&str]) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let registry = Arc::new(Registry::default());
        let web = service::http::serve(vec![listener], router(registry.clone())).unwrap();
        let (mut desks, mut triggers) = (Vec::new(), Vec::new());
        for name in names {
            let (desk, orders) = desk();
            let status = Arc::new(Mutex::new(status(name)));
            tokio::spawn(answer_orders(orders, status.clone()));
            desks.push(((*name).to_owned(), desk));
            triggers.push(status);
        }
        registry.set(desks);
        World { web, registry, triggers }
    }

    fn status(&self, index: usize) -> MutexGuard<'_, Status> {
        self.triggers[index].lock().unwrap()
    }

    /// Shows one more trigger, whose orders are not answered; they go where this says.
    fn add_silent(&self, name: &str) -> mpsc::Receiver<Order> {
        let (desk, orders) = desk();
        let mut desks = self.registry.shown().desks.to_vec();
        desks.push((name.to_owned(), desk));
        self.registry.set(desks);
        orders
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[]).await
    }

    async fn post(&self, path: &str) -> Reply {
        self.send("POST", path, &[]).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.web.addresses[0]));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}
