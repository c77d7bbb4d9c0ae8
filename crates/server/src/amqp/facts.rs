//! What is known of connections and channels, for those who list them.

use std::net::SocketAddr;
use std::rc::Rc;

use amqp::value::{Table, Value};
use broker::{Event, Millis};

use super::channel::Channel;
use super::connections::{Connection, Park, Phase};

/// What does not change after the login.
pub(crate) struct Facts {
    /// `127.0.0.1:40000 -> 127.0.0.1:5672`, RabbitMQ's name of a connection.
    pub(crate) name: Rc<str>,
    pub(crate) peer: SocketAddr,
    pub(crate) own: SocketAddr,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) connected_at: Millis,
    /// As the client sent them.
    pub(crate) client_properties: Table,
    /// How it logged in; empty before.
    pub(crate) mechanism: Rc<str>,
}

/// What was agreed on for a TLS connection, in the words of its standard.
#[derive(Clone, Default)]
pub(crate) struct TlsFacts {
    pub(crate) protocol: String,
    pub(crate) cipher: String,
}

impl Facts {
    /// The name that the client gave itself.
    pub(crate) fn user_provided_name(&self) -> Option<&str> {
        self.client_properties.get("connection_name").and_then(Value::as_str)
    }

    /// Whose properties the client announced, when it can be told.
    fn about_login(&self, event: Event) -> Event {
        event
            .flag("ssl", self.tls.is_some())
            .with("auth_mechanism", &*self.mechanism)
            .with("protocol", PROTOCOL)
            .number("peer_port", self.peer.port().into())
            .with("peer_host", &*host(self.peer))
            .with("connection_name", &*self.name)
            .with("host", &*host(self.own))
    }

    /// `user.authentication.success`, or `user.authentication.failure` with its reason.
    pub(crate) fn login_event(&self, user: &str, refusal: Option<&str>) -> Event {
        let event = match refusal {
            None => Event::new("user.authentication.success"),
            Some(error) => Event::new("user.authentication.failure").with("error", error),
        };
        self.about_login(event).with("name", user).with("connection_type", "network")
    }
}

/// AMQP 0-9-1 in RabbitMQ's events.
const PROTOCOL: &str = "{0,9,1}";

/// An address as RabbitMQ's events write it: `{127,0,0,1}`.
fn host(address: SocketAddr) -> String {
    let parts: Vec<String> = match address.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => ip.octets().iter().map(u8::to_string).collect(),
        std::net::IpAddr::V6(ip) => ip.segments().iter().map(u16::to_string).collect(),
    };
    format!("{{{}}}", parts.join(","))
}

impl Connection {
    /// RabbitMQ's word for what it does at the moment.
    pub(crate) fn state(&self) -> &'static str {
        match self.phase {
            Phase::Header | Phase::Start => "starting",
            Phase::Tune => "tuning",
            Phase::Open => "opening",
            Phase::Running if self.park == Some(Park::Blocked) => "blocked",
            Phase::Running if self.park == Some(Park::Backlog) => "flow",
            Phase::Running => "running",
            Phase::Closing | Phase::Lingering | Phase::Refused => "closing",
            Phase::Dead => "closed",
        }
    }

    fn pid(&self, node: &str) -> String {
        broker::event::pid(node, self.id, 0)
    }

    /// `connection.created`.
    pub(crate) fn created_event(&self, node: &str) -> Event {
        let facts = &*self.facts;
        let (user, vhost) = match &self.session {
            Some(session) => (&*session.user, &*session.vhost),
            None => ("", ""),
        };
        let (tls, frame_max) = (facts.tls.clone().unwrap_or_default(), self.frame_max);
        let event = Event::new("connection.created")
            .by(user)
            .with("node", node)
            .number("connected_at", facts.connected_at)
            .terms("client_properties", &facts.client_properties)
            .number("channel_max", self.channel_max.into())
            .number("frame_max", frame_max.into())
            .number("timeout", self.heartbeat_s.into())
            .with("vhost", vhost)
            .with("user", user)
            .with("protocol", PROTOCOL)
            .with("ssl_hash", "")
            .with("ssl_cipher", &*tls.cipher)
            .with("ssl_key_exchange", "")
            .with("ssl_protocol", &*tls.protocol)
            .with("auth_mechanism", &*facts.mechanism)
            .with("peer_cert_validity", "")
            .with("peer_cert_issuer", "")
            .with("peer_cert_subject", self.certificate_name.as_deref().unwrap_or(""))
            .flag("ssl", facts.tls.is_some())
            .with("peer_host", &*host(facts.peer))
            .with("host", &*host(facts.own))
            .number("peer_port", facts.peer.port().into())
            .number("port", facts.own.port().into())
            .with("name", &*facts.name)
            .with("pid", &*self.pid(node))
            .with("type", "network");
        self.with_own_name(event)
    }

    /// `connection.closed`.
    pub(crate) fn closed_event(&self, node: &str) -> Event {
        let event = Event::new("connection.closed")
            .with("node", node)
            .terms("client_properties", &self.facts.client_properties)
            .with("pid", &*self.pid(node))
            .with("name", &*self.facts.name);
        self.with_own_name(event)
    }

    fn with_own_name(&self, event: Event) -> Event {
        match self.facts.user_provided_name() {
            Some(name) => event.with("user_provided_name", name),
            None => event,
        }
    }

    /// `channel.created`.
    pub(crate) fn channel_created_event(&self, node: &str, number: u16) -> Event {
        let (user, vhost) = match &self.session {
            Some(session) => (&*session.user, &*session.vhost),
            None => ("", ""),
        };
        Event::new("channel.created")
            .by(user)
            .with("vhost", vhost)
            .with("user", user)
            .number("number", number.into())
            .with("connection", &*self.pid(node))
            .with("name", &*format!("{} ({number})", self.facts.name))
            .with("pid", &*broker::event::pid(node, self.id, number))
    }

    /// `channel.closed`.
    pub(crate) fn channel_closed_event(&self, node: &str, number: u16) -> Event {
        let user = self.session.as_ref().map_or("", |session| &*session.user);
        Event::new("channel.closed")
            .by(user)
            .with("pid", &*broker::event::pid(node, self.id, number))
    }
}

/// Counts of a channel.
impl Channel {
    /// Deliveries that wait for their acknowledgement.
    pub(crate) fn messages_unacknowledged(&self) -> usize {
        self.unacked.len()
    }

    /// Publishes that wait for their confirm.
    pub(crate) fn messages_unconfirmed(&self) -> u64 {
        self.confirms.as_ref().map_or(0, |confirms| confirms.unconfirmed())
    }

    /// Publishes that wait for `tx.commit`.
    pub(crate) fn messages_uncommitted(&self) -> usize {
        self.transaction.as_ref().map_or(0, |transaction| transaction.publishes.len())
    }

    /// Acknowledgements that wait for `tx.commit`.
    pub(crate) fn acks_uncommitted(&self) -> usize {
        self.transaction.as_ref().map_or(0, |transaction| transaction.settled.len())
    }
}
