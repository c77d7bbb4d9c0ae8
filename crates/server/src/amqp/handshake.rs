//! From the protocol header to `connection.open-ok`: versions, login, limits, virtual host.

use amqp::error::{AmqpError, ReplyCode};
use amqp::frame::{Frame, FrameKind, PROTOCOL_HEADER};
use amqp::method::{
    ConnectionOpen, ConnectionOpenOk, ConnectionStart, ConnectionStartOk, ConnectionTune,
    ConnectionTuneOk, Method,
};
use amqp::value::{RawTable, Table, Value};
use broker::Session;

use super::connections::{Capabilities, Connection, Flow, Handled, Phase};
use crate::config::mechanism::Mechanism;
use crate::shard::Shard;

/// The largest frame before limits are negotiated, and the least a client may ask for: RabbitMQ
/// before 4.1 says 4,096, later ones 8,192 for the first frames. Both are served.
pub(crate) const INITIAL_FRAME_MAX: u32 = 8192;
const FRAME_MAX_MIN: u32 = 4096;
/// How long a refused client without `authentication_failure_close` waits for the end: 3 s, as
/// RabbitMQ makes it, so that guessing passwords is slow.
const REFUSAL_MS: u64 = 3000;
/// Longest connection name that is kept, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// What the server says it can do, in RabbitMQ's names.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

impl Shard {
    /// Takes the eight bytes that open a connection; none when they are not all there.
    pub(crate) fn protocol_header(&mut self, conn: usize, bytes: &[u8]) -> Option<usize> {
        let known = PROTOCOL_HEADER.len();
        let prefix = bytes.len().min(4);
        let header = bytes.get(..known);
        let accepted = match header {
            Some(header) => is_accepted(header),
            None if bytes[..prefix] == PROTOCOL_HEADER[..prefix] => return None,
            None => false,
        };
        let connection = &mut self.connections.table[conn];
        if !accepted {
            // The server answers with the version it speaks and closes (spec 4.2.2).
            connection.out.tail(&mut self.connections.pool).extend_from_slice(&PROTOCOL_HEADER);
            connection.phase = Phase::Dead;
            connection.wake();
            tracing::warn!(
                connection = &*connection.name,
                "not AMQP 0-9-1: first bytes {:?}; is another protocol, or TLS, sent to this port?",
                &bytes[..bytes.len().min(known)]
            );
            return Some(bytes.len());
        }
        connection.phase = Phase::Start;
        let mut properties = Vec::new();
        self.server_properties().encode(&mut properties);
        let connection = &self.connections.table[conn];
        // Many clients take EXTERNAL when it is offered, whatever password they were given: it is
        // offered to those alone whom it can let in.
        let external = connection
            .certificate_name
            .as_deref()
            .is_some_and(|name| self.broker.user_exists(name));
        let offered = self.settings.mechanisms.iter();
        let offered = offered.filter(|mechanism| external || **mechanism != Mechanism::External);
        let mechanisms: Vec<&str> = offered.map(|mechanism| mechanism.name()).collect();
        let mechanisms = mechanisms.join(" ");
        let start = Method::ConnectionStart(ConnectionStart {
            version_major: 0,
            version_minor: 9,
            server_properties: RawTable(&properties[4..]),
            mechanisms: mechanisms.as_bytes(),
            locales: b"en_US",
        });
        self.connections.send(conn, 0, &start);
        Some(known)
    }

    fn server_properties(&self) -> Table {
        let mut capabilities = Table::new();
        for name in CAPABILITIES {
            capabilities.insert(name, Value::Bool(true));
        }
        let mut properties = Table::new();
        properties.insert("capabilities", Value::Table(capabilities));
        let settings = &self.settings;
        let texts = [
            ("cluster_name", &*settings.cluster_name),
            ("copyright", "The Leveret authors"),
            ("information", "Licensed under the Apache License 2.0"),
            ("platform", concat!("Rust, Leveret ", env!("CARGO_PKG_VERSION"))),
            ("product", &*settings.product),
            ("version", &*settings.version),
        ];
        for (name, text) in texts {
            properties.insert(name, Value::from(text));
        }
        properties
    }

    pub(crate) fn handshake_frame(&mut self, conn: usize, frame: &Frame<'_>) -> Handled {
        match frame.kind {
            FrameKind::Heartbeat => return Ok(Flow::Continue),
            FrameKind::Method if frame.channel == 0 => {}
            _ => {
                let text = "expected a method on channel 0 while the connection is opened";
                return Err(AmqpError::new(ReplyCode::UnexpectedFrame, text));
            }
        }
        let method =
            Method::decode(frame.payload).map_err(|error| Method::refusal(frame.payload, error))?;
        let ids = method.id();
        match (self.connections.table[conn].phase, &method) {
            (_, Method::ConnectionClose(_)) => Ok(self.peer_closes(conn)),
            (Phase::Start, Method::ConnectionStartOk(ok)) => self.start_ok(conn, ok),
            (Phase::Tune, Method::ConnectionTuneOk(ok)) => self.tune_ok(conn, ok),
            (Phase::Open, Method::ConnectionOpen(open)) => {
                self.open(conn, open).map_err(|error| error.at(ids))
            }
            (phase, other) => {
                let text =
                    format!("unexpected method in connection state {phase:?}: {}", other.name());
                Err(AmqpError::new(ReplyCode::ChannelError, text).at(ids))
            }
        }
    }

    fn start_ok(&mut self, conn: usize, ok: &ConnectionStartOk<'_>) -> Handled {
        let properties = ok.client_properties.decode().map_err(super::malformed)?;
        let connection = &mut self.connections.table[conn];
        connection.capabilities = capabilities(&properties);
        connection.facts.mechanism = ok.mechanism.into();
        if let Some(name) = properties.get("connection_name").and_then(Value::as_str) {
            let mut end = name.len().min(NAME_BYTES_MAX);
            while !name.is_char_boundary(end) {
                end -= 1;
            }
            connection.name = format!("{} ({})", connection.name, &name[..end]).into();
        }
        connection.facts.client_properties = properties;
        self.connections.counters.auth_attempts += 1;
        match self.login(conn, ok.mechanism, ok.response) {
            Ok(user) => {
                let connection = &mut self.connections.table[conn];
                tracing::info!(
                    connection = &*connection.name,
                    user = &*user,
                    "authenticated by {}",
                    ok.mechanism
                );
                connection.phase = Phase::Tune;
                let facts = &connection.facts;
                self.broker.emit(|_| facts.login_event(&user, None));
                let id = connection.id;
                connection.session =
                    Some(Session { conn: id, user, vhost: "".into(), trusted: false });
                let tune = Method::ConnectionTune(ConnectionTune {
                    channel_max: self.settings.channel_max,
                    frame_max: self.settings.frame_max,
                    heartbeat: self.settings.heartbeat_s,
                });
                self.connections.send(conn, 0, &tune);
                Ok(Flow::Continue)
            }
            Err(refusal) => Ok(self.refuse(conn, ok.mechanism, &refusal)),
        }
    }

    /// The user behind a SASL response, or why there is none.
    fn login(
        &self,
        conn: usize,
        mechanism: &str,
        response: &[u8],
    ) -> Result<std::rc::Rc<str>, Refusal> {
        let connection = &self.connections.table[conn];
        let offered = self.settings.mechanisms.iter().find(|offered| offered.name() == mechanism);
        let (user, password) = match offered {
            Some(Mechanism::Plain) => plain(response).ok_or("malformed PLAIN response")?,
            Some(Mechanism::Amqplain) => amqplain(response).ok_or("malformed AMQPLAIN response")?,
            Some(Mechanism::External) => {
                let name = connection.certificate_name.as_deref();
                let name = name.ok_or("no client certificate with a name")?;
                return self.broker.external_user(name).ok_or_else(|| Refusal {
                    user: name.to_owned(),
                    reason: format!("user '{name}' of the client certificate is unknown"),
                });
            }
            None => return Err((&*format!("mechanism '{mechanism}' is not offered")).into()),
        };
        self.broker
            .authenticate(&user, &password, connection.loopback)
            .map_err(|error| Refusal { reason: error.to_string(), user })
    }

    fn refuse(&mut self, conn: usize, mechanism: &str, refusal: &Refusal) -> Flow {
        self.connections.counters.auth_failed += 1;
        let Refusal { user, reason } = refusal;
        self.tell(conn, |connection, _| connection.facts.login_event(user, Some(reason)));
        let connection = &mut self.connections.table[conn];
        tracing::warn!(connection = &*connection.name, "login refused: {reason}");
        if connection.capabilities.authentication_failure_close {
            let text = format!(
                "Login was refused using authentication mechanism {mechanism}. \
                 For details see the broker logfile."
            );
            let error = AmqpError::new(ReplyCode::AccessRefused, text);
            self.close_connection(conn, &error);
        } else {
            connection.phase = Phase::Refused;
            connection.deadline = Some(self.now + REFUSAL_MS);
        }
        Flow::Stop
    }

    /// A client may lower what the server proposed. One that raises it, or asks for frames too small
    /// to work with, finds the socket closed, as with RabbitMQ (amqp.md 5.10 item 2).
    fn tune_ok(&mut self, conn: usize, ok: &ConnectionTuneOk) -> Handled {
        let settings = &self.settings;
        let raised = |asked: u32, ours: u32| ours != 0 && (asked == 0 || asked > ours);
        let wrong = if raised(ok.frame_max, settings.frame_max) {
            let max = settings.frame_max;
            Some(format!(
                "negotiated frame_max = {} is higher than the maximum allowed value ({max})",
                ok.frame_max
            ))
        } else if ok.frame_max != 0 && ok.frame_max < FRAME_MAX_MIN {
            Some(format!(
                "negotiated frame_max = {} is lower than the minimum allowed value ({FRAME_MAX_MIN})",
                ok.frame_max
            ))
        } else if raised(ok.channel_max.into(), settings.channel_max.into()) {
            let max = settings.channel_max;
            Some(format!(
                "negotiated channel_max = {} is higher than the maximum allowed value ({max})",
                ok.channel_max
            ))
        } else {
            None
        };
        let connection = &mut self.connections.table[conn];
        if let Some(text) = wrong {
            tracing::error!(connection = &*connection.name, "closing the socket: {text}");
            connection.phase = Phase::Dead;
            connection.wake();
            return Ok(Flow::Stop);
        }
        connection.frame_max = if ok.frame_max == 0 { u32::MAX >> 4 } else { ok.frame_max };
        connection.channel_max = ok.channel_max;
        connection.heartbeat_s = ok.heartbeat;
        connection.phase = Phase::Open;
        Ok(Flow::Continue)
    }

    fn open(&mut self, conn: usize, open: &ConnectionOpen<'_>) -> Handled {
        let user = self.user(conn);
        self.check_connection_limits(&user, open.virtual_host)?;
        let connection = &mut self.connections.table[conn];
        let Some(session) = &mut connection.session else { return Ok(Flow::Stop) };
        session.vhost = self.broker.open_vhost(&session.user, open.virtual_host)?;
        connection.phase = Phase::Running;
        connection.deadline = None;
        self.connections.send(conn, 0, &Method::ConnectionOpenOk(ConnectionOpenOk {}));
        self.tell(conn, Connection::created_event);
        Ok(Flow::Continue)
    }
}

/// Why nobody is logged in: for the log and the event exchange, never for the peer.
struct Refusal {
    /// Who was named; empty when nobody was.
    user: String,
    reason: String,
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Refusal {
        Refusal { user: String::new(), reason: reason.to_owned() }
    }
}

/// 0-9-1, its RabbitMQ spelling 0-9 and 0-8 (accepted by 3.x), as RabbitMQ takes them.
fn is_accepted(header: &[u8]) -> bool {
    matches!(header, b"AMQP\x00\x00\x09\x01" | b"AMQP\x01\x01\x00\x09" | b"AMQP\x01\x01\x08\x00")
}

fn capabilities(properties: &Table) -> Capabilities {
    let Some(Value::Table(table)) = properties.get("capabilities") else {
        return Capabilities::default();
    };
    let has = |name| matches!(table.get(name), Some(Value::Bool(true)));
    Capabilities {
        consumer_cancel_notify: has("consumer_cancel_notify"),
        connection_blocked: has("connection.blocked"),
        authentication_failure_close: has("authentication_failure_close"),
    }
}

/// `authzid NUL user NUL password` (RFC 4616); the authorisation identity is ignored.
fn plain(response: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut parts = response.splitn(3, |byte| *byte == 0).skip(1);
    let user = String::from_utf8(parts.next()?.to_vec()).ok()?;
    Some((user, parts.next()?.to_vec()))
}

/// A field table without its length, with LOGIN and PASSWORD.
fn amqplain(response: &[u8]) -> Option<(String, Vec<u8>)> {
    let table = Table::decode(response).ok()?;
    let user = table.get("LOGIN")?.as_str()?.to_owned();
    Some((user, table.get("PASSWORD")?.as_bytes()?.to_vec()))
}

#[cfg(test)]
mod tests;
