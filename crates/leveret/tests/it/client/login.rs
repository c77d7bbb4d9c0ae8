//! The handshake of a connection, with everything in it that a test may want to be different.

use std::net::SocketAddr;

use amqp::frame::PROTOCOL_HEADER;
use amqp::method::{
    ConnectionOpen, ConnectionOpenOk, ConnectionStartOk, ConnectionTune, ConnectionTuneOk, Method,
};
use amqp::value::{RawTable, Table, Value};

use super::Client;
use super::arguments::{encoded, table};

/// How a client introduces itself.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) mechanism: &'static str,
    pub(crate) response: Vec<u8>,
    pub(crate) vhost: &'static str,
    pub(crate) properties: Table,
    /// None takes what the broker proposes.
    pub(crate) tune: Option<ConnectionTuneOk>,
}

impl Default for Login {
    fn default() -> Login {
        let capabilities = [
            "consumer_cancel_notify",
            "connection.blocked",
            "authentication_failure_close",
            "basic.nack",
            "publisher_confirms",
        ];
        let capabilities = table(capabilities.map(|name| (name, Value::Bool(true))));
        Login {
            mechanism: "PLAIN",
            response: b"\0guest\0guest".to_vec(),
            vhost: "/",
            properties: table([("capabilities", capabilities.into())]),
            tune: None,
        }
    }
}

impl Login {
    /// As this user.
    pub(crate) fn user(user: &str, password: &str) -> Login {
        Login { response: format!("\0{user}\0{password}").into_bytes(), ..Login::default() }
    }

    /// With these limits.
    pub(crate) fn tuned(channel_max: u16, frame_max: u32, heartbeat: u16) -> Login {
        let tune = Some(ConnectionTuneOk { channel_max, frame_max, heartbeat });
        Login { tune, ..Login::default() }
    }

    /// Without any capability.
    pub(crate) fn incapable() -> Login {
        Login { properties: Table::new(), ..Login::default() }
    }

    /// The whole handshake over TCP.
    #[track_caller]
    pub(crate) fn open(&self, address: SocketAddr) -> Client {
        self.open_over(Client::raw(address))
    }

    /// The whole handshake.
    #[track_caller]
    pub(crate) fn open_over(&self, client: Client) -> Client {
        let proposed = self.authenticate(&client);
        self.tune_and_open(&client, &proposed);
        client.expect(ConnectionOpenOk {});
        client
    }

    /// Up to `connection.tune`, which is given back.
    #[track_caller]
    pub(crate) fn authenticate(&self, client: &Client) -> ConnectionTune {
        self.start(client);
        let received = client.next();
        match received.method() {
            Method::ConnectionTune(tune) => tune,
            other => panic!("not a connection.tune: {other:?}"),
        }
    }

    /// Sends the protocol header and `start-ok`.
    #[track_caller]
    pub(crate) fn start(&self, client: &Client) {
        client.send_bytes(&PROTOCOL_HEADER);
        let received = client.next();
        assert!(matches!(received.method(), Method::ConnectionStart(_)), "{received:?}");
        let properties = encoded(&self.properties);
        client.send(ConnectionStartOk {
            client_properties: RawTable(&properties),
            mechanism: self.mechanism,
            response: &self.response,
            locale: "en_US",
        });
    }

    /// Sends `tune-ok` and `connection.open`.
    pub(crate) fn tune_and_open(&self, client: &Client, proposed: &ConnectionTune) {
        let tune = self.tune.unwrap_or(ConnectionTuneOk {
            channel_max: proposed.channel_max,
            frame_max: proposed.frame_max,
            heartbeat: 0,
        });
        client.0.borrow_mut().wire.frame_max = tune.frame_max;
        client.send(tune);
        client.send(ConnectionOpen { virtual_host: self.vhost });
    }
}
