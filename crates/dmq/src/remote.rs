//! Asks a running node through its API, for the command line: one question at a time, or the
//! stream of its messages. Calls block; nothing here needs a runtime.

mod events;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

pub use events::Event;
use events::Events;

/// Where a node's API is unless it is configured otherwise.
pub const API: &str = "http://127.0.0.1:15694";

/// A node that cannot be reached by then cannot be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than the node itself waits for other nodes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(70);

/// A stream without a byte for so long is dead: the node shows every 15 s that it lives.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Bytes of an answer: all cells of the largest usual table, written in the longest way.
const ANSWER_BYTES_MAX: usize = 512 << 20;

/// What stays as it is in a segment of a path (RFC 3986, section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path of a function of the API, such as `/api/dmq/nodes/sip%3A10.0.0.1%3A5060`.
pub fn path(segments: &[&str], query: &[(&str, &str)]) -> String {
    let mut path = String::from("/api/dmq");
    for segment in segments {
        path.push('/');
        path.extend(utf8_percent_encode(segment, SEGMENT));
    }
    if !query.is_empty() {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        path.push('?');
        path.push_str(&query);
    }
    path
}

/// Why a node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// That is no address.
    #[error("{0:?} is no address of a node's API; one is such as {API} (--api)")]
    Address(String),
    /// Nobody listens there.
    #[error(
        "no node answers at {address}: {reason}; check that it runs and what its `listen` is, or \
         name its address with --api"
    )]
    Unreachable {
        /// What was tried.
        address: String,
        /// Why that failed.
        reason: String,
    },
    /// The answer did not come in time.
    #[error("the node at {address} has not answered within {seconds} s")]
    Silent {
        /// Who was asked.
        address: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The answer did not arrive whole.
    #[error("the answer of {address} ended too early: {reason}")]
    Broken {
        /// Who was asked.
        address: String,
        /// What happened.
        reason: String,
    },
    /// Somebody else listens there.
    #[error(
        "{address} answered {status} with something that no node says; name the address of a \
         node's API with --api"
    )]
    Foreign {
        /// Who was asked.
        address: String,
        /// The HTTP status.
        status: u16,
    },
    /// The node says no.
    #[error("{error}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The node's words.
        error: String,
    },
    /// The operating system has no descriptor for it.
    #[error("a connection cannot be made: {0}")]
    Io(#[from] std::io::Error),
}

/// A node that runs.
#[derive(Debug)]
pub struct Remote {
    address: String,
    runtime: Runtime,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Remote {
    /// The node whose API is at `url`, such as [`API`]; `http://` may be left out. Nothing is asked
    /// yet.
    ///
    /// # Errors
    /// It is no such address.
    pub fn new(url: &str) -> Result<Remote, RemoteError> {
        let refused = || RemoteError::Address(url.to_owned());
        let address = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let address = address.trim_end_matches('/').to_owned();
        let uri: Uri = address.parse().map_err(|_| refused())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(refused)?;
        let authority = uri.port_u16().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        // A port above 65535, or a user, is passed over by the parser.
        let whole = uri.authority().is_some_and(|whole| *whole == *authority);
        if !whole || uri.scheme_str() != Some("http") || uri.query().is_some() {
            return Err(refused());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Remote { address, runtime, client })
    }

    /// Asks, and waits for the whole answer; paths come from [`path`].
    ///
    /// # Errors
    /// There is no answer, or the node refuses.
    pub fn call(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Value, RemoteError> {
        self.runtime.block_on(self.within(ANSWER_TIMEOUT, async {
            let answer = self.send(method, path, body.into()).await?;
            let status = answer.status().as_u16();
            self.read(status, &self.whole(answer.into_body()).await?)
        }))
    }

    /// What arrives at the node from now on, for one peer or for all that are known; ends when the
    /// node stops.
    ///
    /// # Errors
    /// There is no answer, or the node refuses.
    pub fn messages(&self, peer: Option<&str>) -> Result<Messages<'_>, RemoteError> {
        let query: Vec<_> = peer.map(|peer| ("peer", peer)).into_iter().collect();
        let path = path(&["messages"], &query);
        let body = self.runtime.block_on(self.within(ANSWER_TIMEOUT, async {
            let answer = self.send(Method::GET, &path, Bytes::new()).await?;
            let status = answer.status();
            let kind = answer.headers().get(header::CONTENT_TYPE);
            if status.is_success() && kind.is_some_and(|kind| kind == "text/event-stream") {
                return Ok(answer.into_body());
            }
            let status = status.as_u16();
            let refused = self.read(status, &self.whole(answer.into_body()).await?).err();
            Err(refused.unwrap_or_else(|| self.foreign(status)))
        }))?;
        Ok(Messages { remote: self, body, events: Events::default() })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, RemoteError> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.address));
        let request = request.body(Full::new(body));
        let request = request.map_err(|_| RemoteError::Address(self.address.clone()))?;
        self.client.request(request).await.map_err(|error| self.failed(&error))
    }

    async fn whole(&self, body: Incoming) -> Result<Bytes, RemoteError> {
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        Ok(body.map_err(|error| self.broken(last_cause(&*error)))?.to_bytes())
    }

    /// An answer that says yes, as JSON.
    fn read(&self, status: u16, body: &[u8]) -> Result<Value, RemoteError> {
        let value: Value = serde_json::from_slice(body).map_err(|_| self.foreign(status))?;
        if (200..300).contains(&status) {
            return Ok(value);
        }
        let error = value["error"].as_str().ok_or_else(|| self.foreign(status))?;
        Err(RemoteError::Refused { status, error: error.to_owned() })
    }

    async fn within<T>(
        &self,
        limit: Duration,
        asked: impl Future<Output = Result<T, RemoteError>>,
    ) -> Result<T, RemoteError> {
        let silent =
            |_| RemoteError::Silent { address: self.address.clone(), seconds: limit.as_secs() };
        timeout(limit, asked).await.map_err(silent)?
    }

    fn failed(&self, error: &Error) -> RemoteError {
        let reason = last_cause(error);
        if error.is_connect() {
            return RemoteError::Unreachable { address: self.address.clone(), reason };
        }
        self.broken(reason)
    }

    fn broken(&self, reason: String) -> RemoteError {
        RemoteError::Broken { address: self.address.clone(), reason }
    }

    fn foreign(&self, status: u16) -> RemoteError {
        RemoteError::Foreign { address: self.address.clone(), status }
    }
}

/// What the last cause of an error says; those above it say only that something failed.
fn last_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

/// What arrives at a node, one event at a time; waits for the next one.
#[derive(Debug)]
pub struct Messages<'a> {
    remote: &'a Remote,
    body: Incoming,
    events: Events,
}

impl Iterator for Messages<'_> {
    type Item = Result<Event, RemoteError>;

    fn next(&mut self) -> Option<Result<Event, RemoteError>> {
        loop {
            if let Some(event) = self.events.next() {
                return Some(event.map_err(|reason| self.remote.broken(reason)));
            }
            let (remote, body) = (self.remote, &mut self.body);
            let frame = remote.runtime.block_on(remote.within(SILENCE_MAX, async {
                let frame = body.frame().await.transpose();
                frame.map_err(|error| remote.broken(last_cause(&error)))
            }));
            match frame {
                Ok(Some(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.events.push(&bytes);
                    }
                }
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
