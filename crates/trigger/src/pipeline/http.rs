//! The HTTP pipeline: one request for every run, over connections that are used again.
//!
//! The URL is the configuration's alone; redirects are not followed. Each new connection passes the
//! network rules ([`net`]). Reading order: [`headers`], [`auth`] and [`sign`] (what a request says),
//! [`connector`] (how it gets there), [`response`] (what comes back), [`failure`] (when nothing
//! does).

mod auth;
mod connector;
mod failure;
pub(crate) mod headers;
pub mod net;
mod oauth2;
mod response;
mod retry_after;
pub mod sign;
mod tls;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::{HttpConfig, Secrets, TriggerConfig};
use crate::pipeline::http::connector::{Connector, Way};
use crate::pipeline::http::failure::Failure;
use crate::pipeline::http::headers::Common;
use crate::pipeline::http::net::Rules;
use crate::pipeline::http::oauth2::Tokens;
use crate::pipeline::http::sign::Signer;
use crate::pipeline::{Outcome, Reply, Run, Verdict};
use crate::reason::Reason;

pub use tls::Shared;

/// How long an idle connection is kept: less than the 5 s after which Node.js, uvicorn and Apache
/// close theirs, lest a request and the closing pass each other on the way.
const IDLE_TIME: Duration = Duration::from_secs(4);

/// The largest head of a response; no endpoint has a use for more.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The pool of connections of a trigger.
type Wire = Client<Connector, Full<Bytes>>;

/// Why an HTTP pipeline cannot be set up. Never shows a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The URL cannot be used.
    #[error("{0}")]
    Url(&'static str),
    /// The method is none.
    #[error("{0:?} is no method for requests; use POST, PUT or PATCH")]
    Method(String),
    /// A static header has a name or a value that no header can have.
    #[error("{0:?} is no header; use visible ASCII")]
    Header(String),
    /// A static header would break the connection or a signature.
    #[error("{0:?} is the trigger's own to set; remove it")]
    ReservedHeader(String),
    /// The bearer token cannot stand in a header.
    #[error("the token holds characters that a header cannot have")]
    Bearer,
    /// The number of a signing key, from 1, that is none.
    #[error("key {0} is none; use whsec_ or whsk_ and base64, one a line")]
    SigningKey(usize),
    /// A word of the network rules means nothing.
    #[error(
        "{0:?} is neither link-local, metadata, loopback or private, nor a network \
         such as 10.0.0.0/8"
    )]
    Deny(String),
    /// The files of TLS cannot be used.
    #[error("{0}")]
    Tls(String),
}

/// The HTTP pipeline of one trigger. Cheap to clone.
#[derive(Clone)]
pub struct Http(Rc<Inner>);

struct Inner {
    wire: Wire,
    url: Uri,
    method: Method,
    common: Common,
    tokens: Option<Tokens>,
    signer: Option<Signer>,
    response_bytes_max: u64,
    read_response: bool,
    keep_reply: bool,
}

impl Http {
    /// The pipeline of the trigger `name`; connects only when it runs. Reads the files of TLS.
    ///
    /// # Errors
    /// What in the configuration cannot be used.
    pub fn new(
        name: &str,
        trigger: &TriggerConfig,
        secrets: &Secrets,
        shared: &Shared,
    ) -> Result<Http, SetupError> {
        let config = &trigger.http;
        let url = parse_url(&config.url)?;
        let method = Method::from_bytes(config.method.as_bytes()).ok();
        let method = method.filter(|method| *method != Method::CONNECT);
        let mut common = Common::new(config, &url, name, &trigger.queue)?;
        let tokens = auth::prepare(config, secrets, &mut common)?;
        let has_keys = !secrets.signing_keys.is_empty();
        Ok(Http(Rc::new(Inner {
            wire: wire(config, trigger.consumers, shared)?,
            url,
            method: method.ok_or_else(|| SetupError::Method(config.method.clone()))?,
            common,
            tokens,
            signer: has_keys.then(|| Signer::new(&secrets.signing_keys)).transpose()?,
            response_bytes_max: config.max_response_bytes.0,
            read_response: config.read_response,
            keep_reply: trigger.reply_enabled,
        })))
    }

    /// The request of a run, to be looked at; a token of OAuth2 is not asked for.
    pub fn request(&self, run: &Run) -> Request<Full<Bytes>> {
        let inner = &self.0;
        let body = run.rendered.body.clone();
        request(&inner.method, &inner.url, inner.headers(run), body)
    }

    /// One run: sends the request, and reads the response to its end or its limit. Comes back
    /// within the run's timeout; dropping it closes the connection.
    pub async fn run(&self, run: &Run) -> Outcome {
        let failure = match tokio::time::timeout(run.timeout, self.0.exchange(run)).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(failure)) => failure,
            Err(_) => Failure {
                reason: Reason::Timeout,
                text: format!("no complete response in {} ms", run.timeout.as_millis()),
            },
        };
        let Failure { reason, text } = failure;
        // A name may get another address, so even a forbidden one is no reason to lose messages.
        let verdict = Verdict::Retry(reason, text.clone());
        Outcome { verdict, pause: None, reply: None, summary: text }
    }
}

impl Inner {
    async fn exchange(&self, run: &Run) -> Result<Outcome, Failure> {
        let (head, body) = self.send(run).await?.into_parts();
        let is_success = head.status.is_success();
        let may_judge = self.read_response && is_success && response::is_json(&head.headers);
        let keep = may_judge || (self.keep_reply && is_success);
        let body = match response::read(body, self.response_bytes_max, keep).await {
            Ok(body) => body,
            Err(error) if is_success => return Err(error.into()),
            // It is a failure in any case, and the status knows which.
            Err(_) => None,
        };
        let json = body.as_deref().filter(|_| may_judge);
        let mut outcome = response::judge(head.status, &head.headers, json, SystemTime::now());
        let is_cut = keep && body.is_none();
        if is_cut {
            outcome.summary.push_str(", longer than max_response_bytes");
        }
        if self.keep_reply && outcome.verdict == Verdict::Done {
            let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let content_type = kind.unwrap_or_default().to_owned();
            outcome.reply = body.map(|body| Reply { content_type, body });
        }
        Ok(outcome)
    }

    /// All headers but the token that is asked for.
    fn headers(&self, run: &Run) -> HeaderMap {
        let mut headers = self.common.of(run);
        if let Some(signer) = &self.signer {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            signer.sign(run, now.unwrap_or_default().as_secs(), &mut headers);
        }
        headers
    }

    async fn send(&self, run: &Run) -> Result<Response<Incoming>, Failure> {
        let mut headers = self.headers(run);
        let Some(tokens) = &self.tokens else { return self.ask(run, headers).await };
        let token = tokens.get(&self.wire, None).await?;
        headers.insert(AUTHORIZATION, token.clone());
        let response = self.ask(run, headers.clone()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        headers.insert(AUTHORIZATION, tokens.get(&self.wire, Some(&token)).await?);
        self.ask(run, headers).await
    }

    async fn ask(&self, run: &Run, headers: HeaderMap) -> Result<Response<Incoming>, Failure> {
        let request = request(&self.method, &self.url, headers, run.rendered.body.clone());
        Ok(self.wire.request(request).await?)
    }
}

/// A request is sent again by itself only when nothing of it was sent: over a connection that was
/// found closed.
fn wire(config: &HttpConfig, consumers: u16, shared: &Shared) -> Result<Wire, SetupError> {
    let urls = [&config.url, &config.auth_oauth2_token_url];
    let needs_tls = urls.iter().any(|url| url.starts_with("https:"));
    let tls = needs_tls.then(|| shared.tls(config)).transpose().map_err(SetupError::Tls)?;
    let connector = Connector(Arc::new(Way {
        rules: Rules::new(&config.net_deny, config.net_allow_private)?,
        pin_dns: config.net_pin_dns,
        timeout: Duration::from_millis(config.connect_timeout_ms),
        tls,
    }));
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_max_idle_per_host(consumers.into())
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .set_host(false)
        .build(connector))
}

fn request(method: &Method, url: &Uri, headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    // Hyper says nothing of the length of nothing, and some servers insist (RFC 9110, 8.6).
    let needs_length = body.is_empty() && matches!(method.as_str(), "POST" | "PUT" | "PATCH");
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method.clone();
    *request.uri_mut() = url.clone();
    *request.headers_mut() = headers;
    if needs_length {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    request
}

pub(crate) fn parse_url(url: &str) -> Result<Uri, SetupError> {
    let url: Uri = url.parse().map_err(|_| SetupError::Url("it is no URL; encode what is odd"))?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    match url.authority() {
        Some(_) if !is_http => Err(SetupError::Url("it must begin with http:// or https://")),
        None => Err(SetupError::Url("it must begin with http:// or https:// and a host")),
        Some(authority) if authority.as_str().contains('@') => {
            Err(SetupError::Url("it holds credentials; use http.auth"))
        }
        Some(_) => Ok(url),
    }
}

#[cfg(test)]
mod tests;
