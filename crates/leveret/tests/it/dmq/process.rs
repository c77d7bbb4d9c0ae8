//! A running `leveret dmq` for a test, on an address of its own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::{Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::node::{Node, uri};
use super::packet::Over;
use super::{address, kamailio::Kamailio};
use crate::server::{DEADLINE, Server};
use crate::tls::Authority;

/// Whoever has a URI on a bus.
pub(crate) trait Member {
    fn uri(&self) -> String;
}

impl Member for Node {
    fn uri(&self) -> String {
        Node::uri(self)
    }
}

impl Member for Dmq {
    fn uri(&self) -> String {
        Dmq::uri(self)
    }
}

impl Member for Kamailio {
    fn uri(&self) -> String {
        Kamailio::uri(self)
    }
}

/// A directory with its `dmq.toml`, and the process that obeys it.
pub(crate) struct Dmq {
    server: Server,
    ip: Ipv4Addr,
    over: Over,
    settings: BTreeMap<String, String>,
    /// A command that ends by becoming the one that is appended to it.
    wrapper: Vec<String>,
}

impl Dmq {
    /// A node that does not run yet and is to join a bus by these members. It pings every second
    /// and waits 800 ms for the answer.
    pub(crate) fn beside(members: &[&dyn Member]) -> Dmq {
        Dmq::at(address::take(), members)
    }

    /// The same, at this address.
    pub(crate) fn at(ip: Ipv4Addr, members: &[&dyn Member]) -> Dmq {
        let uris: Vec<String> = members.iter().map(|member| member.uri()).collect();
        let over = match uris.first() {
            Some(uri) if uri.ends_with(";transport=tcp") => Over::Tcp,
            Some(uri) if uri.ends_with(";transport=tls") => Over::Tls,
            _ => Over::Udp,
        };
        Dmq::new(ip, over, &uris)
    }

    /// One that waits to be joined.
    pub(crate) fn alone(over: Over) -> Dmq {
        Dmq::new(address::take(), over, &[])
    }

    fn new(ip: Ipv4Addr, over: Over, known: &[String]) -> Dmq {
        let dir = tempfile::tempdir().expect("a temporary directory").keep();
        let server = Server::in_dir("DMQ node", dir);
        let settings = BTreeMap::new();
        let dmq = Dmq { server, ip, over, settings, wrapper: Vec::new() };
        dmq.set("server_address", format!("{:?}", uri(ip, over)))
            .set("notification_address", format!("{known:?}"))
            .set("ping_interval", 1)
            .set("ping_timeout_ms", 800)
            .set("listen", "\"127.0.0.1:0\"")
    }

    /// With this setting; the value is TOML.
    pub(crate) fn set(mut self, name: &str, value: impl ToString) -> Dmq {
        self.settings.insert(name.to_owned(), value.to_string());
        self
    }

    /// With a certificate of its own, signed by the one authority that it believes.
    pub(crate) fn secured(self, authority: &Authority) -> Dmq {
        let identity = authority.node(&self.ip.to_string());
        self.set("tls_ca_file", "\"ca.pem\"")
            .set("tls_cert_file", "\"cert.pem\"")
            .set("tls_key_file", "\"key.pem\"")
            .file("ca.pem", &authority.pem)
            .file("cert.pem", &identity.pem)
            .file("key.pem", &identity.key.serialize_pem())
    }

    /// Started by a command that ends by becoming what is appended to it.
    pub(crate) fn under(mut self, wrapper: Vec<String>) -> Dmq {
        self.wrapper = wrapper;
        self
    }

    /// With a file in its directory.
    pub(crate) fn file(self, name: &str, text: &str) -> Dmq {
        std::fs::write(self.server.dir().join(name), text).unwrap();
        self
    }

    /// Writes the settings and starts the process.
    #[track_caller]
    pub(crate) fn start(mut self) -> Dmq {
        self.launch();
        self
    }

    /// `leveret dmq` with its file and more words.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let lines = self.settings.iter().map(|(name, value)| format!("{name} = {value}\n"));
        std::fs::write(self.server.dir().join("dmq.toml"), lines.collect::<String>()).unwrap();
        let own = [env!("CARGO_BIN_EXE_leveret"), "dmq"].into_iter().chain(words.iter().copied());
        let mut all = self.wrapper.iter().map(String::as_str).chain(own);
        let mut command = Command::new(all.next().expect("it has a name"));
        command.args(all).current_dir(self.server.dir());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Starts the process.
    #[track_caller]
    pub(crate) fn launch(&mut self) {
        let mut command = self.command(&["--config", "dmq.toml"]);
        self.server.launch(&mut command);
    }

    /// A command of the command line that talks to this node: what it printed.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let api = format!("http://{}", self.server.address("http"));
        self.command(words).args(["--api", &api]).output().unwrap()
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Its URI, as it stands in lists.
    pub(crate) fn uri(&self) -> String {
        uri(self.ip, self.over)
    }

    /// Its line in a list.
    pub(crate) fn line(&self) -> String {
        format!("{};status=active", self.uri())
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Kills the process at once.
    pub(crate) fn kill9(&mut self) {
        self.server.kill9();
    }

    /// Stops the process cleanly.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.server.stop();
    }

    /// Sends SIGTERM without waiting for anything.
    pub(crate) fn ask_to_stop(&self) {
        self.server.ask_to_stop();
    }

    /// Waits until the process is gone.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.server.ended()
    }

    /// What it logged.
    pub(crate) fn stderr(&self) -> String {
        self.server.stderr()
    }

    /// One request to its web server: status and body of the answer.
    #[track_caller]
    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.server.http("http", method, path, body)
    }

    /// The same, with JSON in a good answer.
    #[track_caller]
    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = self.http(method, path, &body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        if text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Its list of nodes: states by URI, itself included.
    #[track_caller]
    pub(crate) fn nodes(&self) -> BTreeMap<String, String> {
        let list = self.api("GET", "/api/dmq/nodes", &Value::Null);
        let row = |node: &Value| {
            let text = |name: &str| node[name].as_str().unwrap_or_else(|| panic!("{list}"));
            (text("uri").to_owned(), text("status").to_owned())
        };
        list.as_array().expect("a list").iter().map(row).collect()
    }

    /// What the list says of one member, all of it.
    #[track_caller]
    pub(crate) fn row(&self, uri: &str) -> Value {
        let list = self.api("GET", "/api/dmq/nodes", &Value::Null);
        let rows = list.as_array().expect("a list");
        rows.iter().find(|row| row["uri"] == uri).unwrap_or_else(|| panic!("{list}")).clone()
    }

    /// What a member is to it; empty when it is not on the list.
    #[track_caller]
    pub(crate) fn state(&self, member: &dyn Member) -> String {
        self.nodes().remove(&member.uri()).unwrap_or_default()
    }

    /// A member is this to it, or gets to be.
    #[track_caller]
    pub(crate) fn expect_state(&self, member: &dyn Member, state: &str) {
        self.expect_state_within(DEADLINE, member, state);
    }

    #[track_caller]
    pub(crate) fn expect_state_within(&self, limit: Duration, member: &dyn Member, state: &str) {
        let uri = member.uri();
        within(limit, &format!("{uri} is {state:?} to {}", self.uri()), || {
            self.state(member) == state
        });
    }

    /// All of these are active to it, or get to be.
    #[track_caller]
    pub(crate) fn expect_active(&self, members: &[&dyn Member]) {
        for member in members {
            self.expect_state(*member, "active");
        }
    }

    /// Broadcasts; the outcomes by node.
    #[track_caller]
    pub(crate) fn broadcast(&self, peer: &str, body: &str) -> BTreeMap<String, Value> {
        outcomes(&self.api("POST", "/api/dmq/bcast", &json!({ "peer": peer, "body": body })))
    }

    /// Sends to one node; the outcome.
    #[track_caller]
    pub(crate) fn send(&self, peer: &str, to: &dyn Member, body: &str) -> Value {
        let message = json!({ "peer": peer, "node": to.uri(), "body": body });
        let mut outcomes = outcomes(&self.api("POST", "/api/dmq/send", &message));
        outcomes.remove(&to.uri()).expect("the outcome of the node")
    }

    /// The sum of the samples of `leveret_dmq_NAME`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.server.metric("http", &format!("leveret_dmq_{name}"))
    }

    /// A metric has this value or gets it.
    #[track_caller]
    pub(crate) fn expect_metric(&self, name: &str, value: f64) {
        let mut last = f64::NAN;
        within(DEADLINE, &format!("{name} {value}"), || {
            last = self.metric(name);
            last == value
        });
    }

    /// The log has a line with all of these words, or gets one.
    #[track_caller]
    pub(crate) fn expect_log(&self, words: &[&str]) {
        let has = |line: &str| words.iter().all(|word| line.contains(word));
        within(DEADLINE, &format!("a line with {words:?} in the log"), || {
            self.http("GET", "/healthz", "");
            self.stderr().lines().any(has)
        });
    }
}

/// The outcomes of an answer, by node.
#[track_caller]
pub(crate) fn outcomes(answer: &Value) -> BTreeMap<String, Value> {
    let rows = answer["outcomes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let node = |row: &Value| row["node"].as_str().unwrap_or_else(|| panic!("{row}")).to_owned();
    rows.iter().map(|row| (node(row), row.clone())).collect()
}

/// Asks again and again until the answer is yes; what is asked is as slow as a round trip.
#[track_caller]
pub(crate) fn within(limit: Duration, what: &str, mut question: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !question() {
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
    }
}
