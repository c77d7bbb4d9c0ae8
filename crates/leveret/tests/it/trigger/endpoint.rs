//! An HTTP endpoint that a test scripts, and that remembers every request.

mod answer;
mod request;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub(crate) use answer::Answer;
use answer::Manner;
pub(crate) use request::Request;

use crate::server::{DEADLINE, eventually};

/// The endpoint. It answers 200 unless it is told something else.
pub(crate) struct Endpoint {
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A request came, or the gate moved.
    changed: Condvar,
}

struct State {
    requests: Vec<Request>,
    /// How many of them the test has asked for.
    seen: usize,
    /// Answers to the next requests.
    script: VecDeque<Answer>,
    /// Answers to the next requests with messages of these bodies; the last one stays.
    by_message: HashMap<String, VecDeque<Answer>>,
    /// Answers to requests for these paths.
    by_path: HashMap<String, Answer>,
    /// The answer to all others.
    usual: Answer,
    /// Requests that may be answered now, when not all may.
    gate: Option<u64>,
    /// Messages of these bodies are not answered now.
    held: HashSet<String>,
    in_flight: usize,
    in_flight_max: usize,
    aborted: usize,
    sent_bytes: u64,
    connections: Vec<TcpStream>,
    accepted: usize,
    open: bool,
}

impl Default for State {
    fn default() -> State {
        State {
            requests: Vec::new(),
            seen: 0,
            script: VecDeque::new(),
            by_message: HashMap::new(),
            by_path: HashMap::new(),
            usual: Answer::status(200),
            gate: None,
            held: HashSet::new(),
            in_flight: 0,
            in_flight_max: 0,
            aborted: 0,
            sent_bytes: 0,
            connections: Vec::new(),
            accepted: 0,
            open: false,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endpoint {
    /// One that listens on loopback.
    pub(crate) fn start() -> Endpoint {
        Endpoint::with(None)
    }

    /// One that speaks TLS.
    pub(crate) fn tls(config: ServerConfig) -> Endpoint {
        Endpoint::with(Some(Arc::new(config)))
    }

    fn with(tls: Option<Arc<ServerConfig>>) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint { address, tls, shared: Arc::default() };
        endpoint.listen(listener);
        endpoint
    }

    fn listen(&self, listener: TcpListener) {
        let (shared, tls) = (Arc::clone(&self.shared), self.tls.clone());
        shared.state().open = true;
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut state = shared.state();
                if !state.open {
                    return;
                }
                state.accepted += 1;
                state.connections.push(stream.try_clone().unwrap());
                drop(state);
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                thread::spawn(move || serve(&shared, stream, tls));
            }
        });
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and all connections.
    pub(crate) fn close(&self) {
        let mut state = self.shared.state();
        state.open = false;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        // The thread that listens has to see it; the port is closed when nobody answers any more.
        eventually("the port is closed", || TcpStream::connect(self.address).is_err());
    }

    /// Opens the port again.
    pub(crate) fn open(&self) {
        let mut listener = None;
        eventually("the port is free", || {
            listener = TcpListener::bind(self.address).ok();
            listener.is_some()
        });
        self.listen(listener.expect("it was just bound"));
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        self.shared.state().usual = answer;
    }

    /// Answers the next requests so, before anything else.
    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state().script.extend(answers);
    }

    /// Answers requests with messages of this body so, one after the other; the last one stays.
    pub(crate) fn answer_to(&self, body: &str, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state().by_message.insert(body.to_owned(), answers.into_iter().collect());
    }

    /// Answers requests for this path so.
    pub(crate) fn answer_at(&self, path: &str, answer: Answer) {
        self.shared.state().by_path.insert(path.to_owned(), answer);
    }

    /// Answers nothing from now on.
    pub(crate) fn hold(&self) {
        self.shared.state().gate = Some(0);
    }

    /// Answers so many requests of those that wait.
    pub(crate) fn release(&self, count: u64) {
        *self.shared.state().gate.as_mut().expect("it holds requests") += count;
        self.shared.changed.notify_all();
    }

    /// Answers all that wait, and all that come.
    pub(crate) fn let_through(&self) {
        self.shared.state().gate = None;
        self.shared.changed.notify_all();
    }

    /// Does not answer requests with a message of this body.
    pub(crate) fn hold_back(&self, body: &str) {
        self.shared.state().held.insert(body.to_owned());
    }

    /// Answers them.
    pub(crate) fn let_go(&self, body: &str) {
        self.shared.state().held.remove(body);
        self.shared.changed.notify_all();
    }

    /// Requests that wait for their answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.shared.state().in_flight
    }

    /// The most requests that waited at any time.
    pub(crate) fn in_flight_max(&self) -> usize {
        self.shared.state().in_flight_max
    }

    /// Requests that the other side gave up.
    pub(crate) fn aborted(&self) -> usize {
        self.shared.state().aborted
    }

    /// Connections that were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.shared.state().accepted
    }

    /// Bytes of bodies that were taken from it.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.shared.state().sent_bytes
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// Bodies of the messages of all requests so far.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.requests().iter().map(Request::message).collect()
    }

    /// How often the message of this body was run so far.
    pub(crate) fn runs_of(&self, body: &str) -> usize {
        self.messages().iter().filter(|message| *message == body).count()
    }

    /// The next request, which is here or comes.
    #[track_caller]
    pub(crate) fn request(&self) -> Request {
        let end = Instant::now() + DEADLINE;
        let mut state = self.shared.state();
        loop {
            if let Some(request) = state.requests.get(state.seen).cloned() {
                state.seen += 1;
                return request;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no request within {DEADLINE:?}");
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The next requests have to be for these messages, in this order.
    #[track_caller]
    pub(crate) fn expect(&self, bodies: &[&str]) -> Vec<Request> {
        let requests: Vec<Request> = bodies.iter().map(|_| self.request()).collect();
        assert_eq!(requests.iter().map(Request::message).collect::<Vec<_>>(), bodies);
        requests
    }

    /// The next requests have to be for these messages, in any order.
    #[track_caller]
    pub(crate) fn expect_all<S: AsRef<str>>(&self, bodies: &[S]) {
        let mut got: Vec<String> = bodies.iter().map(|_| self.request().message()).collect();
        let mut bodies: Vec<&str> = bodies.iter().map(AsRef::as_ref).collect();
        got.sort_unstable();
        bodies.sort_unstable();
        assert_eq!(got, bodies);
    }

    /// No request is here that the test has not asked for.
    #[track_caller]
    pub(crate) fn expect_no_more(&self) {
        let state = self.shared.state();
        let more: Vec<String> = state.requests[state.seen..].iter().map(Request::message).collect();
        assert!(more.is_empty(), "unexpected requests: {more:?}");
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.open = false;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(shared: &Shared, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
    stream.set_nodelay(true).unwrap();
    let socket = stream.try_clone().unwrap();
    match tls {
        None => converse(shared, stream),
        Some(config) => {
            let session = ServerConnection::new(config).unwrap();
            converse(shared, StreamOwned::new(session, stream));
        }
    }
    // It is known elsewhere as well, and dropping this does not end it.
    let _ = socket.shutdown(Shutdown::Both);
}

/// Request after request, until either side has enough.
fn converse(shared: &Shared, mut stream: impl Read + Write) {
    let mut input = Vec::new();
    while let Some(request) = request::read(&mut stream, &mut input) {
        let answer = shared.begin(request);
        let stays = shared.carry_out(&answer, &mut stream);
        shared.state().in_flight -= 1;
        shared.changed.notify_all();
        if !stays {
            return;
        }
    }
}

impl Shared {
    /// Remembers a request; its answer, when it may be given.
    fn begin(&self, request: Request) -> Answer {
        let mut state = self.state();
        state.in_flight += 1;
        state.in_flight_max = state.in_flight_max.max(state.in_flight);
        let message = request.message();
        let usual = state.usual.clone();
        let by_path = state.by_path.get(&request.path).cloned();
        let answer = by_path.or_else(|| state.script.pop_front()).or_else(|| {
            let answers = state.by_message.get_mut(&message)?;
            if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
        });
        state.requests.push(request);
        self.changed.notify_all();
        while state.gate == Some(0) || state.held.contains(&message) {
            state = self.changed.wait(state).unwrap();
        }
        if let Some(left) = &mut state.gate {
            *left -= 1;
        }
        answer.unwrap_or(usual)
    }

    /// Answers; whether the connection goes on.
    fn carry_out(&self, answer: &Answer, stream: &mut (impl Read + Write)) -> bool {
        match answer.manner {
            Manner::Whole => stream.write_all(&answer.head_and_body()).is_ok(),
            Manner::Early => {
                let bytes = answer.head_and_body();
                let _ = stream.write_all(&bytes[..bytes.len() - 10]);
                false
            }
            Manner::Cut => {
                let _ = stream.write_all(&answer.head(0).as_bytes()[..12]);
                false
            }
            Manner::Hang => {
                while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {}
                self.state().aborted += 1;
                false
            }
            Manner::Endless(size) => {
                let piece = vec![b'x'; 64 << 10];
                let mut sent = 0;
                let mut on = stream.write_all(answer.head(size).as_bytes()).is_ok();
                while on && sent < size {
                    on = stream.write_all(&piece).is_ok();
                    sent += piece.len() as u64;
                    self.state().sent_bytes = sent;
                }
                on
            }
        }
    }
}
