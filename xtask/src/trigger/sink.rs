//! The endpoint that runs are posted to: it answers 200 and remembers when each request came. It
//! reads HTTP/1.1 just as far as a client with `content-length` needs, so that it costs little.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use crate::program;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// What a connection reads at once, which holds a whole request as a rule.
const INPUT_BYTES: usize = 16 * 1024;

/// The longest head; a longer one is no request of ours.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A running endpoint.
pub(super) struct Sink {
    address: SocketAddr,
    scheme: &'static str,
    requests: Arc<AtomicU64>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<Seen>>,
}

/// What an endpoint has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) requests: u64,
    pub(super) first: Option<Instant>,
    pub(super) last: Option<Instant>,
    /// When the message of each number came; empty when numbers do not matter.
    pub(super) arrivals: Vec<Option<Instant>>,
    /// User and system time of the endpoint's thread.
    pub(super) cpu_seconds: f64,
    /// What was wrong with a request.
    wrong: Option<&'static str>,
}

/// Where the parts of a request are.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    body: &'a [u8],
    /// Bytes of head and body.
    bytes: usize,
}

impl Sink {
    /// Listens on loopback, in a thread of its own; `numbers` is how many numbered messages are
    /// expected, and `tls` the folder of the certificate `server.pem` and its `server.key`.
    pub(super) fn start(numbers: usize, tls: Option<&Path>) -> Result<Sink> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tls = tls.map(acceptor).transpose()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let counted = Arc::clone(&requests);
        let thread = std::thread::Builder::new()
            .name("sink".into())
            .spawn(move || serve(listener, tls, numbers, counted, stopped))?;
        Ok(Sink { address, scheme, requests, stop, thread })
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}/run", self.scheme, self.address)
    }

    /// Waits until so many requests came in all.
    pub(super) fn wait_for(&self, requests: u64) -> Result<()> {
        program::wait_until("requests", requests, || Ok(self.requests.load(Relaxed)))
    }

    /// Ends it.
    pub(super) fn stop(self) -> Result<Seen> {
        // An error means that the thread ended by itself, which the next line tells.
        let _ = self.stop.send(());
        let seen = self.thread.join().ok().context("the sink panicked")??;
        if let Some(wrong) = seen.wrong {
            bail!("a request was {wrong}");
        }
        Ok(seen)
    }
}

impl Seen {
    fn note(&mut self, at: Instant, body: &[u8]) {
        self.requests += 1;
        self.first.get_or_insert(at);
        self.last = Some(at);
        if !self.arrivals.is_empty()
            && let Some(number) = number(body)
            && let Some(arrival) = self.arrivals.get_mut(number)
        {
            arrival.get_or_insert(at);
        }
    }
}

fn acceptor(dir: &Path) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(dir.join("server.pem"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(dir.join("server.key"))?;
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn serve(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    numbers: usize,
    requests: Arc<AtomicU64>,
    stopped: oneshot::Receiver<()>,
) -> Result<Seen> {
    let seen = Rc::new(RefCell::new(Seen { arrivals: vec![None; numbers], ..Seen::default() }));
    let accept = async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (seen, requests, tls) = (Rc::clone(&seen), Arc::clone(&requests), tls.clone());
            tokio::task::spawn_local(async move {
                match tls {
                    None => answer(stream, seen, requests).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => answer(stream, seen, requests).await,
                        Err(_) => seen.borrow_mut().wrong = Some("without a TLS handshake"),
                    },
                }
            });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            failed = accept => failed,
            _ = stopped => anyhow::Ok(()),
        }
    })?;
    let cpu_seconds = program::cpu_seconds("/proc/thread-self/stat")?;
    Ok(Seen { cpu_seconds, ..seen.take() })
}

/// Answers the requests of a connection; one that breaks just ends.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: Rc<RefCell<Seen>>,
    requests: Arc<AtomicU64>,
) {
    let mut input = Vec::with_capacity(INPUT_BYTES);
    let mut output = Vec::new();
    while stream.read_buf(&mut input).await.is_ok_and(|bytes| bytes > 0) {
        let arrived = Instant::now();
        let mut used = 0;
        loop {
            match request(&input[used..]) {
                Ok(Some(request)) => {
                    seen.borrow_mut().note(arrived, request.body);
                    used += request.bytes;
                    output.extend_from_slice(ANSWER);
                    requests.fetch_add(1, Relaxed);
                }
                Ok(None) => break,
                Err(wrong) => {
                    seen.borrow_mut().wrong = Some(wrong);
                    return;
                }
            }
        }
        input.drain(..used);
        if stream.write_all(&output).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        output.clear();
    }
}

/// The first request of what was read, when all of it is there.
fn request(input: &[u8]) -> Result<Option<Request<'_>>, &'static str> {
    let Some(head) = input.windows(4).position(|four| four == b"\r\n\r\n") else {
        let long = input.len() > HEAD_BYTES_MAX;
        return if long { Err("without an end of its head") } else { Ok(None) };
    };
    let mut length = None;
    for line in input[..head].split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            length =
                std::str::from_utf8(&line[colon + 1..]).ok().and_then(|n| n.trim().parse().ok());
        }
    }
    let length: usize = length.ok_or("without a content-length")?;
    let body = head + 4;
    let bytes = body.checked_add(length).ok_or("too long")?;
    Ok(input.get(body..bytes).map(|body| Request { body, bytes }))
}

/// What stands behind the first `number` of a body, whichever profile it is in.
pub(super) fn number(body: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"number";
    let at = body.windows(NAME.len()).position(|name| name == NAME)? + NAME.len();
    let digits = body[at..].iter().skip_while(|byte| !byte.is_ascii_digit());
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |number, digit| Some(number.unwrap_or(0) * 10 + usize::from(digit - b'0')))
}
