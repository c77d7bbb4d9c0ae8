//! The whole server over real sockets, with an engine that keeps its messages in memory.

mod api;
mod changes;
mod hostile;
mod pages;

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use amqp::content::{Properties, PropertiesBuf};
use serde_json::Value;

use crate::desk::{Counters, Desk, Order, Outcome, Rates, Status};
use crate::message::{Entry, Held, Key, Message, Millis};
use crate::store::Totals;
use crate::web::router;
use service::desk::desk;
use service::http::Http;

/// 2026-11-22 09:08:07.006 UTC, the engine's present.
const NOW_MS: Millis = 1_795_338_487_006;

/// An engine without broker and storage.
struct Engine {
    held: BTreeMap<Key, Held>,
    in_flight: HashSet<Key>,
    status: Status,
    /// Why the storage does not answer, while it does not.
    away: Option<String>,
    /// Changes that work until the storage is away.
    changes_left: usize,
}

impl Engine {
    fn answer(&mut self, order: Order) {
        match order {
            Order::Status(to) => drop(to.send(Box::new(self.status()))),
            Order::List(after, until_ms, max, to) => {
                let due = self.held.values().filter(|h| h.key > after && h.key.due_ms <= until_ms);
                drop(to.send(self.or_away(due.take(max).map(entry).collect())));
            }
            Order::Find(id, max, to) => {
                let all = self.held.values().map(entry);
                let found = all.filter(|e| e.message_id == id).take(max).collect();
                drop(to.send(self.or_away(found)));
            }
            Order::Get(key, to) => drop(to.send(self.or_away(self.held.get(&key).cloned()))),
            Order::Histogram(edges, to) => {
                let count = |edge: &[Millis]| {
                    let inside = |key: &&Key| (edge[0]..edge[1]).contains(&key.due_ms);
                    self.held.keys().filter(inside).count() as u64
                };
                drop(to.send(self.or_away(edges.windows(2).map(count).collect())));
            }
            Order::Cancel(key, to) => {
                let outcome = self.change(key, |_, _| None);
                drop(to.send(outcome));
            }
            Order::Reschedule(key, due_ms, to) => {
                let outcome = self.change(key, |engine, mut held| {
                    held.key.due_ms = due_ms;
                    let key = held.key;
                    engine.held.insert(key, held);
                    Some(key)
                });
                drop(to.send(outcome));
            }
        }
    }

    fn or_away<T>(&self, answer: T) -> Result<T, String> {
        self.away.clone().map_or(Ok(answer), Err)
    }

    fn change(
        &mut self,
        key: Key,
        change: impl FnOnce(&mut Engine, Held) -> Option<Key>,
    ) -> Result<Outcome, String> {
        if self.changes_left == 0 {
            self.away = Some("the storage does not answer: connection refused".into());
        }
        self.or_away(())?;
        self.changes_left -= 1;
        if self.in_flight.contains(&key) {
            return Ok(Outcome::InFlight);
        }
        let Some(held) = self.held.remove(&key) else { return Ok(Outcome::Unknown) };
        Ok(Outcome::Done(change(self, held)))
    }

    fn status(&self) -> Status {
        let mut status = self.status.clone();
        status.totals.held = self.held.len() as u64;
        status.totals.next_due_ms = self.held.keys().next().map(|key| key.due_ms);
        status
    }
}

fn entry(held: &Held) -> Entry {
    let properties = Properties(&held.message.properties);
    Entry {
        key: held.key,
        stored_ms: held.stored_ms,
        message_id: properties.message_id().unwrap_or_default().to_vec(),
        exchange: held.message.exchange.clone(),
        routing_key: held.message.routing_key.clone(),
        body_bytes: held.message.body.len() as u64,
    }
}

fn works() -> Status {
    Status {
        name: "retries".into(),
        mode: "both",
        started_ms: NOW_MS - 7_500_000,
        now_ms: NOW_MS,
        connected: Some("amqp://hare@rabbit:5672/".into()),
        queue: "retries".into(),
        exchange: "outbox".into(),
        storage: "/var/lib/amqpdelayer".into(),
        totals: Totals {
            held_bytes: 5 << 20,
            oldest_ms: Some(NOW_MS / 60_000 * 60_000 - 3_600_000),
            disk_bytes: 64 << 20,
            part_bytes: Some(3 << 20),
            part_bytes_max: Some(64 << 30),
            ..Totals::default()
        },
        full: None,
        blocked: None,
        unacked: 7,
        in_flight: 3,
        last_error: None,
        rates: Rates { stored: 12.5, revived: 3.0, forwarded: 0.0 },
        counters: Counters { received: 1_234_567, ..Counters::default() },
    }
}

/// A server and its engine.
struct World {
    web: Http,
    engine: Arc<Mutex<Engine>>,
}

/// An answer of the server.
#[derive(Debug)]
struct Reply {
    status: u16,
    /// Status line and headers, in lower case.
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status and the error of a refusal.
    fn refused(&self) -> (u16, String) {
        let body = self.json();
        let error = body["error"].as_str().unwrap_or_else(|| panic!("no error: {body}"));
        assert!(!error.ends_with('.') && !error.starts_with(char::is_uppercase), "{error}");
        (self.status, error.to_owned())
    }
}

fn serve(desk: Desk) -> Http {
    let listener = quiet(TcpListener::bind("127.0.0.1:0").unwrap());
    service::http::serve(vec![listener], router(desk)).unwrap()
}

fn quiet(listener: TcpListener) -> TcpListener {
    listener.set_nonblocking(true).unwrap();
    listener
}

impl World {
    fn new() -> World {
        let (desk, mut orders) = desk();
        let engine = Arc::new(Mutex::new(Engine {
            held: BTreeMap::new(),
            in_flight: HashSet::new(),
            status: works(),
            away: None,
            changes_left: usize::MAX,
        }));
        let answering = engine.clone();
        thread::spawn(move || {
            while let Some(order) = orders.blocking_recv() {
                answering.lock().unwrap().answer(order);
            }
        });
        World { web: serve(desk), engine }
    }

    /// With so many messages, due one second after the other from now on, all with the same id.
    fn with(count: u64) -> World {
        let world = World::new();
        for seq in 1..=count {
            world.hold(NOW_MS + seq * 1_000, seq, "mail", b"hello");
        }
        world
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap()
    }

    fn keys(&self) -> Vec<String> {
        self.engine().held.keys().map(|key| format!("{}-{}", key.due_ms, key.seq)).collect()
    }

    /// Stores a message, and says its key.
    fn hold(&self, due_ms: Millis, seq: u64, id: &str, body: &[u8]) -> String {
        let properties =
            PropertiesBuf { message_id: Some(id.into()), ..PropertiesBuf::default() }.encode();
        let message = Message {
            exchange: b"outbox".to_vec(),
            routing_key: b"mail".to_vec(),
            properties,
            body: body.to_vec(),
        };
        self.hold_message(due_ms, seq, message)
    }

    fn hold_message(&self, due_ms: Millis, seq: u64, message: Message) -> String {
        let key = Key { due_ms, seq };
        self.engine().held.insert(key, Held { key, stored_ms: NOW_MS - 60_000, message });
        format!("{due_ms}-{seq}")
    }

    fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "")
    }

    fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[], body)
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        send(self.web.addresses[0], method, path, headers, body)
    }
}

fn send(at: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: delayer:8485\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
    request.push_str(body);
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase();
    Reply { status: head[9..12].parse().unwrap(), head, body: answer[end + 4..].to_vec() }
}
