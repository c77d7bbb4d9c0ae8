//! The test vocabulary: a broker on a store, a sink that writes down what happens, a clock that a script moves.
//!
//! A script line is `command words => answer`; no `=>` is the answer `ok`. `''` is an empty word. `name=value` words are
//! arguments: numbers are integers, `true` and `false` booleans, `void` no value. `as 2 …` is another connection,
//! `as 2:bob …` one of user bob.
//!
//! ```text
//! exchange x topic durable auto-delete internal passive alternate-exchange=y
//! queue q durable exclusive auto-delete passive x-max-length=3      => q 0 0 (ready, consumers)
//! bind q x key arg=1 | unbind … | xbind to from key | xunbind …
//! delete-exchange x if-unused | delete-queue q if-unused if-empty | purge q
//! publish x key body persistent mandatory ttl=5 priority=3 reply-to=… user-id=… cc=a,b bcc=c h.name=value
//!                                              => q1 q2 (what it reached), nowhere, refused q1
//! get q | get q no-ack                         => body x/key a table of headers, or empty
//! consume q c no-ack exclusive | cancel q c    => c<body … what was delivered
//! ack body | reject body | requeue body
//! delayed x                                    => id key@due of what waits, in the order of time
//! cancel-delayed id | release-delayed id       => ok, what was delivered, or gone
//! at 500 (ticks as often as the deadline says) | close 2 | restart | crash
//! kept q                                       => how many dead letters a queue keeps
//! exchanges | queues | bindings                what there is, without the predeclared
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use amqp::AmqpError;
use amqp::content::{Properties, PropertiesBuf};
use amqp::value::{Table, Value};
use broker::queue::Return;
use broker::{
    Broker, Consume, ConsumerKey, Cx, Delivery, ExchangeDeclare, Handle, Message, Millis, Publish,
    QueueDeclare, QueueId, RouteCache, Session, Sink,
};
use store::vfs::disk::Disk;
use store::{Options, Recovered, Store};

/// Runs a script against a new broker.
#[track_caller]
pub(crate) fn check(script: &str) {
    Rig::new().check(script);
}

/// A directory that goes when the test ends.
pub(crate) struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Dir(std::env::temp_dir().join(format!("broker-test-{}-{n}", std::process::id())))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// By their names in it.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

fn open(dir: &Path, chunk_bytes: usize) -> (Store, Recovered) {
    let options = Options {
        inline: true,
        wal_file_bytes: 64 * chunk_bytes as u64,
        chunk_bytes,
        ..Options::default()
    };
    Store::open(Arc::new(Disk), dir, options).expect("a test's own directory")
}

/// Writes down what the broker does.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) effects: Vec<String>,
    held: BTreeMap<String, (Handle, Option<ConsumerKey>)>,
}

impl Sink for Recorder {
    fn can_take(&mut self, _: ConsumerKey) -> bool {
        true
    }

    fn deliver(&mut self, to: ConsumerKey, d: Delivery<'_>) {
        let again = if d.redelivered { "*" } else { "" };
        let shown = show(d.message);
        self.effects.push(format!("{}<{shown}{again}", consumer_name(to)));
        if !d.no_ack {
            let body = String::from_utf8_lossy(d.message.body).into_owned();
            self.held.insert(body, (d.handle, Some(to)));
        }
    }

    fn cancelled(&mut self, to: ConsumerKey) {
        self.effects.push(format!("cancelled {}", consumer_name(to)));
    }
}

/// Consumer names are up to four letters.
fn key(conn: u64, name: &str) -> ConsumerKey {
    let index = name.bytes().fold(0, |n, byte| n << 8 | u32::from(byte));
    ConsumerKey { conn: conn as u32, generation: 1, channel: 1, index }
}

fn consumer_name(key: ConsumerKey) -> String {
    key.index.to_be_bytes().iter().filter(|byte| **byte > 0).map(|byte| *byte as char).collect()
}

/// `body x/key {headers}`.
fn show(m: &Message<'_>) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let mut shown = format!("{} {}/{}", text(m.body), text(m.exchange), text(m.routing_key));
    let properties = PropertiesBuf::from(m.properties).expect("valid properties");
    if let Some(expiration) = &properties.expiration {
        let _ = write!(shown, " expiration={}", text(expiration));
    }
    if let Some(reply_to) = &properties.reply_to {
        let _ = write!(shown, " reply-to={}", text(reply_to));
    }
    if let Some(headers) = &properties.headers {
        let _ = write!(shown, " {}", show_table(headers));
    }
    shown
}

fn show_table(table: &Table) -> String {
    let fields = table
        .iter()
        .map(|(name, value)| format!("{}={}", String::from_utf8_lossy(name), show_value(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(" "))
}

fn show_value(value: &Value) -> String {
    match value {
        Value::LongStr(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Table(table) => show_table(table),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(show_value).collect::<Vec<_>>().join(" "))
        }
        Value::Timestamp(seconds) => format!("@{seconds}"),
        other => other.as_i64().map_or_else(|| format!("{other:?}"), |n| n.to_string()),
    }
}

/// Arguments from `name=value` words.
pub(crate) fn table(words: &[&str]) -> Table {
    let mut table = Table::new();
    for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
        table.insert(name, parse_value(value));
    }
    table
}

fn parse_value(value: &str) -> Value {
    if let Ok(n) = value.parse::<i64>() {
        return Value::I64(n);
    }
    if let Some(n) = value.strip_prefix("i32:").and_then(|n| n.parse().ok()) {
        return Value::I32(n);
    }
    if let Some(n) = value.strip_prefix("f64:").and_then(|n| n.parse().ok()) {
        return Value::F64(n);
    }
    match value {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "void" => Value::Void,
        text => Value::from(text),
    }
}

/// See the module.
pub(crate) struct Rig {
    pub(crate) broker: Broker,
    pub(crate) store: Option<Store>,
    pub(crate) sink: Recorder,
    pub(crate) now: Millis,
    pub(crate) caches: BTreeMap<u64, RouteCache>,
    chunk_bytes: usize,
    // After the store, which holds its lock.
    dir: Dir,
}

impl Rig {
    pub(crate) fn new() -> Rig {
        Rig::of_chunks(1 << 16)
    }

    /// With chunks of so many bytes: a turn that writes more has more than one frame.
    pub(crate) fn of_chunks(chunk_bytes: usize) -> Rig {
        let dir = Dir::new();
        let (mut store, recovered) = open(&dir.0, chunk_bytes);
        let now = 1_000_000;
        let broker = Broker::recover(&recovered, &mut store, [7; 32], now).expect("a new broker");
        let sink = Recorder::default();
        Rig { broker, store: Some(store), sink, now, caches: BTreeMap::new(), chunk_bytes, dir }
    }

    /// The files of its store, with everything that was done.
    pub(crate) fn files(&mut self) -> Files {
        self.store().submit();
        self.store().poll();
        let mut files = Files::new();
        let mut folders = vec![self.dir.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(&path).expect("a file");
                    files.insert(path.strip_prefix(&self.dir.0).expect("in it").into(), bytes);
                }
            }
        }
        files
    }

    /// What a start finds in such files.
    pub(crate) fn found(files: &Files, chunk_bytes: usize) -> Rig {
        let mut rig = Rig::of_chunks(chunk_bytes);
        drop(rig.store.take());
        std::fs::remove_dir_all(&rig.dir.0).expect("a directory");
        for (path, bytes) in files {
            let path = rig.dir.0.join(path);
            std::fs::create_dir_all(path.parent().expect("a file")).expect("a folder");
            std::fs::write(path, bytes).expect("written");
        }
        rig.recover();
        rig
    }

    #[track_caller]
    pub(crate) fn check(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (command, want) = line.split_once("=>").unwrap_or((line, "ok"));
            let got = self.run(command);
            assert_eq!(got, want.trim(), "\nat `{}` of:{script}", command.trim());
        }
    }

    /// One line of a script; gives back the answer.
    pub(crate) fn run(&mut self, line: &str) -> String {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        words.iter_mut().filter(|word| **word == "''").for_each(|word| *word = "");
        let mut who = session(1, "guest");
        if words[0] == "as" {
            let (conn, user) = words[1].split_once(':').unwrap_or((words[1], "guest"));
            who = session(conn.parse().expect("a number"), user);
            words.drain(..2);
        }
        self.run_words(&who, &words)
    }

    /// The same for any session; no word is empty but `''`.
    pub(crate) fn run_as(&mut self, who: &Session, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let words: Vec<&str> =
            words.into_iter().map(|word| if word == "''" { "" } else { word }).collect();
        self.run_words(who, &words)
    }

    fn run_words(&mut self, who: &Session, words: &[&str]) -> String {
        let (command, words) = words.split_first().expect("a command");
        match self.command(who, command, words) {
            Ok(answer) => {
                self.store().submit();
                answer
            }
            Err(error) => error.reply_text(),
        }
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("open")
    }

    pub(crate) fn parts(&mut self) -> (&mut Broker, Cx<'_, Recorder>) {
        let store = self.store.as_mut().expect("open");
        (&mut self.broker, Cx { store, sink: &mut self.sink, now: self.now })
    }

    fn command(
        &mut self,
        who: &Session,
        command: &str,
        words: &[&str],
    ) -> Result<String, AmqpError> {
        let has = |flag: &str| words.contains(&flag);
        let (broker, mut cx) = self.parts();
        let cx = &mut cx;
        match command {
            "exchange" => {
                let declare = ExchangeDeclare {
                    name: words[0],
                    kind: words[1],
                    passive: has("passive"),
                    durable: has("durable"),
                    auto_delete: has("auto-delete"),
                    internal: has("internal"),
                    arguments: &table(&words[2..]),
                };
                broker.exchange_declare(cx, who, declare)?;
            }
            "queue" => {
                let declare = QueueDeclare {
                    name: words[0],
                    passive: has("passive"),
                    durable: has("durable"),
                    exclusive: has("exclusive"),
                    auto_delete: has("auto-delete"),
                    arguments: &table(&words[1..]),
                };
                let declared = broker.queue_declare(cx, who, declare)?;
                return Ok(format!("{} {} {}", declared.name, declared.ready, declared.consumers));
            }
            "delete-exchange" => {
                broker.exchange_delete(cx, who, words[0], has("if-unused"))?;
            }
            "delete-queue" => {
                let (unused, empty) = (has("if-unused"), has("if-empty"));
                let (count, _) = broker.queue_delete(cx, who, words[0], unused, empty)?;
                return Ok(self.answer(&count.to_string()));
            }
            "purge" => return Ok(broker.queue_purge(cx, who, words[0])?.to_string()),
            "bind" | "unbind" | "xbind" | "xunbind" => self.bind(who, command, words)?,
            "publish" => return self.publish(who, words),
            "get" => return self.get(who, words[0], has("no-ack")),
            "consume" => return self.consume(who, words),
            "cancel" => {
                let queue = self.queue_id(who, words[0]);
                let (broker, mut cx) = self.parts();
                broker.cancel(&mut cx, queue, key(who.conn, words[1]), &who.user);
                return Ok(self.answer("ok"));
            }
            "ack" | "reject" | "requeue" => return Ok(self.settle(command, words[0])),
            "at" => {
                self.at(words[0].parse().expect("a time"));
                return Ok(self.answer("ok"));
            }
            "cancel-delayed" | "release-delayed" => {
                let id = words[0].parse().expect("an id of `delayed`");
                let done = match command {
                    "cancel-delayed" => broker.delayed_cancel(cx, id),
                    _ => broker.delayed_release(cx, id),
                };
                return Ok(self.answer(if done { "ok" } else { "gone" }));
            }
            "close" => {
                broker.connection_closed(cx, words[0].parse().expect("a connection"));
                return Ok(self.answer("ok"));
            }
            "restart" | "crash" => self.restart(command == "restart"),
            _ => return Ok(self.look(command, words)),
        }
        Ok("ok".to_owned())
    }

    /// Commands that change nothing.
    fn look(&mut self, command: &str, words: &[&str]) -> String {
        match command {
            "delayed" => self.delayed(words[0]),
            "kept" => self.kept(words[0]).to_string(),
            "exchanges" | "queues" | "bindings" => self.list(command),
            other => panic!("no command {other}"),
        }
    }

    fn settle(&mut self, how: &str, body: &str) -> String {
        let (handle, by) = self.sink.held.remove(body).expect("held");
        let (broker, mut cx) = self.parts();
        match how {
            "ack" => broker.settle(&mut cx, handle, by),
            "reject" => broker.discard(&mut cx, handle, by),
            _ => broker.requeue(&mut cx, &[(handle, by)], Return::Failed),
        }
        self.answer("ok")
    }

    /// The effects since the last answer; `otherwise` when there were none.
    fn answer(&mut self, otherwise: &str) -> String {
        match std::mem::take(&mut self.sink.effects) {
            none if none.is_empty() => otherwise.to_owned(),
            effects => effects.join(", "),
        }
    }

    fn bind(&mut self, who: &Session, command: &str, words: &[&str]) -> Result<(), AmqpError> {
        let arguments = table(&words[3..]);
        let (to, from, key) = (words[0], words[1], words[2]);
        let (broker, mut cx) = self.parts();
        let cx = &mut cx;
        match command {
            "bind" => broker.queue_bind(cx, who, to, from, key, &arguments),
            "unbind" => broker.queue_unbind(cx, who, to, from, key, &arguments),
            "xbind" => broker.exchange_bind(cx, who, to, from, key, &arguments),
            _ => broker.exchange_unbind(cx, who, to, from, key, &arguments),
        }
        .map(drop)
    }

    fn publish(&mut self, who: &Session, words: &[&str]) -> Result<String, AmqpError> {
        let properties = properties(&words[3..]).encode();
        let before = self.published();
        let publish = Publish {
            exchange: words[0].as_bytes(),
            routing_key: words[1].as_bytes(),
            mandatory: words.contains(&"mandatory"),
            properties: Properties(&properties),
            body: words[2].as_bytes(),
        };
        let mut cache = self.caches.remove(&who.conn).unwrap_or_else(|| RouteCache::new(1));
        let (broker, mut cx) = self.parts();
        let result = broker.publish(&mut cx, who, &mut cache, &publish);
        self.caches.insert(who.conn, cache);
        let published = result?;
        let after = self.published();
        let reached: Vec<_> = after
            .iter()
            .filter(|(queue, count)| before.get(*queue).copied().unwrap_or(0) != **count)
            .map(|(queue, _)| queue.to_string())
            .collect();
        let mut answer = match (published.routed, published.refused) {
            (false, _) => "nowhere".to_owned(),
            (true, false) => reached.join(" "),
            (true, true) => format!("refused {}", reached.join(" ")),
        };
        for effect in std::mem::take(&mut self.sink.effects) {
            let _ = write!(answer, ", {effect}");
        }
        Ok(answer.trim().trim_start_matches(", ").to_owned())
    }

    fn published(&self) -> BTreeMap<Rc<str>, u64> {
        self.broker.queues().map(|queue| (queue.name.clone(), queue.stats.published)).collect()
    }

    fn get(&mut self, who: &Session, queue: &str, no_ack: bool) -> Result<String, AmqpError> {
        let (broker, mut cx) = self.parts();
        let Some(got) = broker.get(&mut cx, who, queue, no_ack)? else {
            return Ok("empty".to_owned());
        };
        let message = Message::parse(&got.slice).expect("a message");
        let body = String::from_utf8_lossy(message.body).into_owned();
        let again = if got.redelivered { "*" } else { "" };
        let shown = format!("{}{again}", show(&message));
        if !no_ack {
            self.sink.held.insert(body, (got.handle, None));
        }
        Ok(shown)
    }

    fn consume(&mut self, who: &Session, words: &[&str]) -> Result<String, AmqpError> {
        let consume = Consume {
            queue: words[0],
            key: key(who.conn, words[1]),
            tag: words[1].as_bytes().into(),
            no_ack: words.contains(&"no-ack"),
            exclusive: words.contains(&"exclusive"),
            no_local: false,
            arguments: &table(&words[2..]),
            prefetch: 0,
        };
        let (broker, mut cx) = self.parts();
        let queue = broker.consume(&mut cx, who, consume)?;
        broker.pump(&mut cx, queue);
        Ok(self.answer("ok"))
    }

    /// `id key@due` of everything that waits in an exchange.
    fn delayed(&mut self, exchange: &str) -> String {
        let store = self.store.as_mut().expect("open");
        let listed = self.broker.delayed(store, "/", exchange, None, 100).expect("an exchange");
        assert_eq!(self.broker.delayed_in("/", exchange), Some(listed.len() as u64));
        let shown = listed.iter().map(|message| {
            let key = String::from_utf8_lossy(&message.routing_key).into_owned();
            format!("{} {key}@{}", message.id, message.due)
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Dead letters that a queue keeps.
    pub(crate) fn kept(&self, queue: &str) -> u64 {
        let queue = self.broker.queue_named("/", queue).expect("a queue");
        queue.kept_dead_letters()
    }

    pub(crate) fn queue_id(&self, who: &Session, name: &str) -> QueueId {
        self.broker.queue_named(&who.vhost, name).map_or(QueueId(u32::MAX, 0), |queue| queue.id)
    }

    fn at(&mut self, time: Millis) {
        for _ in 0..1000 {
            match self.broker.deadline() {
                Some(deadline) if deadline <= time => {
                    self.now = self.now.max(deadline);
                    let (broker, mut cx) = self.parts();
                    broker.tick(&mut cx);
                }
                _ => {
                    self.now = time;
                    return;
                }
            }
        }
        panic!("ticks without an end");
    }

    fn restart(&mut self, clean: bool) {
        let mut store = self.store.take().expect("open");
        if clean {
            self.broker.queues().for_each(|queue| queue.save_marks(&mut store));
            store.close(self.broker.topology()).expect("a clean close");
        } else {
            store.submit();
            store.poll();
            drop(store);
        }
        self.recover();
    }

    fn recover(&mut self) {
        let (mut store, recovered) = open(&self.dir.0, self.chunk_bytes);
        self.broker = Broker::recover(&recovered, &mut store, [8; 32], self.now).expect("recovers");
        self.store = Some(store);
        self.caches.clear();
    }

    fn list(&self, what: &str) -> String {
        let mut lines = Vec::new();
        for vhost in self.broker.vhosts() {
            match what {
                "exchanges" => lines.extend(
                    vhost
                        .exchanges()
                        .map(|exchange| &exchange.spec)
                        .filter(|spec| !spec.name.is_empty() && !spec.name.starts_with("amq."))
                        .map(|spec| format!("{}:{}", spec.name, spec.kind.name())),
                ),
                "queues" => lines.extend(
                    self.broker
                        .queues()
                        .filter(|queue| queue.vhost == vhost.name)
                        .map(|queue| queue.name.to_string()),
                ),
                _ => lines.extend(vhost.bindings().map(|binding| {
                    let source = vhost
                        .exchanges()
                        .map(|exchange| exchange.spec.name.clone())
                        .find(|name| vhost.exchange_id(name) == Some(binding.source))
                        .unwrap_or_default();
                    let to = self.broker.destination_name(vhost, binding).unwrap_or_default();
                    format!("{source}-{}->{to}", String::from_utf8_lossy(&binding.key))
                })),
            }
        }
        lines.sort();
        lines.join(" ")
    }
}

pub(crate) fn session(conn: u64, user: &str) -> Session {
    Session { conn, user: user.into(), vhost: "/".into(), trusted: false }
}

fn properties(words: &[&str]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::default();
    let mut headers = Table::new();
    let list = |value: &str| Value::Array(value.split(',').map(Value::from).collect());
    for word in words {
        if *word == "persistent" {
            properties.delivery_mode = Some(2);
        }
        let Some((name, value)) = word.split_once('=') else { continue };
        match name {
            "ttl" => properties.expiration = Some(value.as_bytes().to_vec()),
            "priority" => properties.priority = value.parse().ok(),
            "reply-to" => properties.reply_to = Some(value.as_bytes().to_vec()),
            "user-id" => properties.user_id = Some(value.as_bytes().to_vec()),
            "cc" => headers.insert("CC", list(value)),
            "bcc" => headers.insert("BCC", list(value)),
            name => headers.insert(name.trim_start_matches("h."), parse_value(value)),
        }
    }
    if !headers.is_empty() {
        properties.headers = Some(headers);
    }
    properties
}
