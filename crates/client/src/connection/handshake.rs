//! From an address to an open connection: TCP, TLS, login, what is negotiated, virtual host.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Poll, ready};
use std::time::Duration;

use amqp::frame::{self, FrameKind, PROTOCOL_HEADER};
use amqp::method::{
    ConnectionCloseOk, ConnectionOpen, ConnectionStart, ConnectionStartOk, ConnectionTune,
    ConnectionTuneOk, Method,
};
use amqp::value::{RawTable, Table, Value};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::content::{BodyLimits, Fields};
use super::link::{Link, Socket};
use super::session::Session;
use super::{Connection, Limits, Server};
use crate::address::{Address, Mechanism};
use crate::error::Error;
use crate::options::Options;
use crate::tls;

/// The most channels to ask for: RabbitMQ's own default.
const CHANNEL_MAX: u16 = 2047;
/// No peer may negotiate less: the specification's smallest frame.
const FRAME_MIN: u32 = 4096;

/// Opens a connection within the address's or the options' time.
pub(super) async fn open(options: &Options, address: &Address) -> Result<Connection, Error> {
    let shown = address.to_string();
    let limit = address.connection_timeout.unwrap_or(options.connect_timeout);
    let end = Instant::now() + limit;
    let tcp = connect(address, &shown, limit, end).await?;
    let socket = if address.tls {
        let rest = end.saturating_duration_since(Instant::now());
        let secured = secure(options, address, &shown, tcp);
        within(&shown, rest, "TLS handshake", secured).await?
    } else {
        Socket::Plain(tcp)
    };
    let rest = end.saturating_duration_since(Instant::now());
    let login = Login { options, address, shown: &shown, link: Link::new(socket) };
    let opened = within(&shown, rest, "login", login.run()).await;
    opened.map_err(|error| match error {
        // A server may refuse our certificate, or the lack of one, after its part is done.
        Error::Io(broken) if tls::is_refusal(&broken) => {
            Error::Tls { address: shown, reason: tls::explain(&broken) }
        }
        Error::Timeout { address, step, .. } => {
            Error::Timeout { address, step, ms: limit.as_millis() as u64 }
        }
        other => other,
    })
}

/// Waits for `future`, and says which step it was that took too long.
pub(super) async fn within<T>(
    address: &str,
    limit: Duration,
    step: &'static str,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| {
        let ms = limit.as_millis() as u64;
        Err(Error::Timeout { address: address.to_owned(), step, ms })
    })
}

/// Tries every IP address of the host; each gets its share of the time that is left.
async fn connect(
    address: &Address,
    shown: &str,
    limit: Duration,
    end: Instant,
) -> Result<TcpStream, Error> {
    let failed = |reason: String| Error::Connect { address: shown.to_owned(), reason };
    let late = || Error::Timeout {
        address: shown.to_owned(),
        step: "TCP connection",
        ms: limit.as_millis() as u64,
    };
    let looked_up = timeout_at(end, lookup_host((address.host.as_str(), address.port))).await;
    let found: Vec<SocketAddr> =
        looked_up.map_err(|_| late())?.map_err(|e| failed(e.to_string()))?.collect();
    let mut last = failed("the host has no IP address".into());
    for (tried, ip) in found.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let share = left / (found.len() - tried) as u32;
        match tokio::time::timeout(share, TcpStream::connect(ip)).await {
            Ok(Ok(socket)) => {
                // Small frames such as acks shall not wait for each other's TCP acks.
                socket.set_nodelay(true).map_err(Error::io)?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = failed(format!("{ip}: {error}")),
            Err(_) => last = late(),
        }
    }
    Err(last)
}

async fn secure(
    options: &Options,
    address: &Address,
    shown: &str,
    tcp: TcpStream,
) -> Result<Socket, Error> {
    let failed = |reason| Error::Tls { address: shown.to_owned(), reason };
    let config = tls::config(address, &options.tls).map_err(failed)?;
    let name = tls::server_name(address).map_err(failed)?;
    let connected = TlsConnector::from(config).connect(name, tcp).await;
    connected.map(|tls| Socket::Tls(Box::new(tls))).map_err(|e| failed(tls::explain(&e)))
}

/// The part of the handshake that is AMQP.
struct Login<'a> {
    options: &'a Options,
    address: &'a Address,
    shown: &'a str,
    link: Link,
}

impl Login<'_> {
    async fn run(mut self) -> Result<Connection, Error> {
        self.link.output().extend_from_slice(&PROTOCOL_HEADER);
        let start = self.method().await?;
        let Method::ConnectionStart(start) = decode(&start)? else {
            return Err(unexpected(&start, "connection.start"));
        };
        let server = server(&start)?;
        self.start_ok(start.mechanisms)?;
        let tune = self.method().await.map_err(|error| match error {
            // Brokers without authentication_failure_close just hang up.
            Error::Eof => self.refused("it hung up at the login".into()),
            other => other,
        })?;
        let Method::ConnectionTune(tune) = decode(&tune)? else {
            return Err(unexpected(&tune, "connection.tune"));
        };
        let limits = self.limits(&tune);
        let Limits { channel_max, frame_max, heartbeat_s } = limits;
        let out = self.link.output();
        let tune_ok = ConnectionTuneOk { channel_max, frame_max, heartbeat: heartbeat_s };
        frame::write_method(out, 0, &Method::ConnectionTuneOk(tune_ok));
        let open = ConnectionOpen { virtual_host: &self.address.vhost };
        frame::write_method(out, 0, &Method::ConnectionOpen(open));
        let opened = self.method().await?;
        if !matches!(decode(&opened)?, Method::ConnectionOpenOk(_)) {
            return Err(unexpected(&opened, "connection.open-ok"));
        }
        self.link.tune(frame_max, heartbeat_s);
        let mut connection = Connection {
            link: self.link,
            session: Session::new(BodyLimits {
                max: self.options.max_body_bytes,
                keep: self.options.keep_body_bytes,
            }),
            server,
            limits,
            address: self.shown.to_owned(),
            close_timeout: self.options.connect_timeout,
            paused: false,
            failed: None,
        };
        // Something may have come together with the last method.
        connection.take()?;
        Ok(connection)
    }

    fn start_ok(&mut self, offered: &[u8]) -> Result<(), Error> {
        let mechanism = self.address.mechanism.name();
        if !offered.split(|byte| *byte == b' ').any(|one| one == mechanism.as_bytes()) {
            let offered = String::from_utf8_lossy(offered);
            let text = format!("it offers {offered} to log in, and not {mechanism}");
            return Err(self.refused(text));
        }
        let response = match self.address.mechanism {
            Mechanism::Plain => {
                let Address { user, password, .. } = self.address;
                format!("\0{user}\0{}", password.0)
            }
            Mechanism::External => String::new(),
        };
        let properties = properties(self.options);
        let start_ok = ConnectionStartOk {
            client_properties: RawTable(&properties[4..]),
            mechanism,
            response: response.as_bytes(),
            locale: "en_US",
        };
        frame::write_method(self.link.output(), 0, &Method::ConnectionStartOk(start_ok));
        Ok(())
    }

    fn limits(&self, tune: &ConnectionTune) -> Limits {
        let wanted_heartbeat = self.address.heartbeat_s;
        let frame_max = match (self.options.frame_max, tune.frame_max) {
            (0, theirs) => theirs,
            (ours, 0) => ours,
            (ours, theirs) => ours.min(theirs),
        };
        let channel_max = match (self.address.channel_max.unwrap_or(CHANNEL_MAX), tune.channel_max)
        {
            (0, 0) => u16::MAX,
            (0, limit) | (limit, 0) => limit,
            (ours, theirs) => ours.min(theirs),
        };
        Limits {
            channel_max,
            frame_max: if frame_max == 0 { 0 } else { frame_max.max(FRAME_MIN) },
            heartbeat_s: match (wanted_heartbeat, tune.heartbeat) {
                (None, theirs) => theirs,
                (Some(0), _) => 0,
                (Some(ours), 0) => ours,
                (Some(ours), theirs) => ours.min(theirs),
            },
        }
    }

    /// The payload of the next method on channel 0.
    async fn method(&mut self) -> Result<Vec<u8>, Error> {
        let link = &mut self.link;
        let received = poll_fn(|cx| {
            loop {
                if let Some(payload) = first_method(link)? {
                    return Poll::Ready(Ok(payload));
                }
                let written = link.poll_write(cx);
                if let Poll::Ready(read) = link.poll_read(cx) {
                    read?;
                } else {
                    // Before a failed write matters, the server may have said why it hung up.
                    ready!(written).map_err(Error::io)?;
                    return Poll::Pending;
                }
            }
        });
        let payload = received.await?;
        if Method::ids_of(&payload) != Some((10, 50)) {
            return Ok(payload);
        }
        let out = self.link.output();
        frame::write_method(out, 0, &Method::ConnectionCloseOk(ConnectionCloseOk {}));
        let link = &mut self.link;
        // Whether it arrives changes nothing.
        let _ = poll_fn(|cx| link.poll_write(cx)).await;
        let mut fields = Fields::new(&payload);
        let (code, text) = (fields.u16()?, fields.text()?);
        Err(match code {
            403 => self.refused(text),
            _ => Error::Closed { code, text },
        })
    }

    fn refused(&self, text: String) -> Error {
        let text = text.trim_end_matches('.').to_owned();
        let user = match self.address.mechanism {
            Mechanism::Plain => self.address.user.clone(),
            Mechanism::External => "of the certificate".into(),
        };
        Error::Refused { address: self.shown.to_owned(), user, text }
    }
}

/// Takes the first method frame out of what was read.
fn first_method(link: &mut Link) -> Result<Option<Vec<u8>>, Error> {
    loop {
        let frame_max = link.frame_max();
        let (input, _) = link.split();
        not_amqp(input)?;
        let parsed = frame::parse(input, frame_max).map_err(|e| Error::Protocol(e.to_string()))?;
        let Some((frame, bytes)) = parsed else { return Ok(None) };
        let payload = match (frame.kind, frame.channel) {
            (FrameKind::Heartbeat, _) => None,
            (FrameKind::Method, 0) => Some(frame.payload.to_vec()),
            (kind, channel) => {
                let text = format!("a {kind:?} frame on channel {channel} at login");
                return Err(Error::Protocol(text));
            }
        };
        link.handled(bytes);
        if payload.is_some() {
            return Ok(payload);
        }
    }
}

/// What a server that is none of AMQP 0-9-1 answers.
fn not_amqp(input: &[u8]) -> Result<(), Error> {
    let text = match input {
        [b'A', b'M', b'Q', b'P', _, a, b, c, ..] => {
            format!("it speaks AMQP {a}-{b}-{c}, and not 0-9-1")
        }
        [0x15, 3, ..] => "it speaks TLS; write amqps:// instead of amqp://".into(),
        [b'H', b'T', b'T', b'P', ..] => "it speaks HTTP; this is not the port for AMQP".into(),
        _ => return Ok(()),
    };
    Err(Error::Protocol(text))
}

fn decode(payload: &[u8]) -> Result<Method<'_>, Error> {
    Method::decode(payload).map_err(|e| Error::Protocol(format!("at login: {e}")))
}

fn unexpected(payload: &[u8], expected: &str) -> Error {
    let ids = Method::ids_of(payload).unwrap_or_default();
    Error::Protocol(format!("method {ids:?} came instead of {expected}"))
}

fn server(start: &ConnectionStart<'_>) -> Result<Server, Error> {
    let table = start.server_properties.decode();
    let properties = table.map_err(|e| Error::Protocol(format!("server properties: {e}")))?;
    let text = |key| {
        let bytes = properties.get(key).and_then(Value::as_bytes).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let capabilities = match properties.get("capabilities") {
        Some(Value::Table(capabilities)) => capabilities.clone(),
        _ => Table::new(),
    };
    Ok(Server { product: text("product"), version: text("version"), capabilities, properties })
}

/// The client properties with their 32-bit length.
fn properties(options: &Options) -> Vec<u8> {
    let mut capabilities = Table::new();
    for capability in [
        "publisher_confirms",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "authentication_failure_close",
        "exchange_exchange_bindings",
    ] {
        capabilities.insert(capability, true.into());
    }
    let mut properties = Table::new();
    properties.insert("product", options.product.as_str().into());
    properties.insert("version", options.version.as_str().into());
    properties.insert("platform", "Rust".into());
    if !options.name.is_empty() {
        properties.insert("connection_name", options.name.as_str().into());
    }
    properties.insert("capabilities", capabilities.into());
    let mut bytes = Vec::new();
    properties.encode(&mut bytes);
    bytes
}
