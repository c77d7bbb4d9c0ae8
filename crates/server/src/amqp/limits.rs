//! How many connections, channels and consumers there may be. What is open is counted when one more is asked for, so that
//! the count is right however others ended; nothing is counted where there is no limit.

use amqp::error::{AmqpError, ReplyCode};
use broker::vhost::meta::reached;

use super::channel::Mode;
use super::connections::{Connection, Phase};
use crate::shard::{At, Shard};

impl Shard {
    /// 530 when the node, the virtual host or the user has as many connections as it may have. For `connection.open`, before
    /// the permissions of the user are looked at, as in RabbitMQ. Those of the node that are not open yet count, as there.
    pub(crate) fn check_connection_limits(&self, user: &str, vhost: &str) -> Result<(), AmqpError> {
        let max = self.settings.max_connections;
        if self.connections.table.len() > max {
            return Err(refused(format!(
                "connection refused: node connection limit ({max}) is reached"
            )));
        }
        let found = self.broker.vhost_named(vhost);
        let limit = found.and_then(|vhost| vhost.limits.max_connections);
        if limit.is_some() {
            let open = self.count_connections(|_, of| of == vhost);
            if let Some(limit) = reached(limit, open) {
                return Err(refused(format!(
                    "access to vhost '{vhost}' refused for user '{user}': connection limit ({limit}) is reached"
                )));
            }
        }
        let found = self.broker.user(user);
        let limit = found.and_then(|user| user.limits.max_connections);
        if limit.is_some() {
            let open = self.count_connections(|of, _| of == user);
            if let Some(limit) = reached(limit, open) {
                return Err(refused(format!(
                    "connection refused for user '{user}': user connection limit ({limit}) is reached"
                )));
            }
        }
        Ok(())
    }

    fn count_connections(&self, meant: impl Fn(&str, &str) -> bool) -> usize {
        let sessions = self.connections.table.iter().filter_map(|(_, connection)| {
            let running = connection.phase == Phase::Running;
            connection.session.as_ref().filter(|_| running)
        });
        sessions.filter(|session| meant(&session.user, &session.vhost)).count()
    }

    /// 530 when the connection, its user or the node has as many channels as it may have.
    pub(crate) fn check_channel_limits(&self, conn: usize) -> Result<(), AmqpError> {
        let connection = &self.connections.table[conn];
        let (open, max) = (connection.channels.len(), usize::from(connection.channel_max));
        if max != 0 && open >= max {
            return Err(refused(format!(
                "number of channels opened ({open}) has reached the negotiated channel_max ({max})"
            )));
        }
        let user = self.user(conn);
        let limit = self.broker.user(&user).and_then(|user| user.limits.max_channels);
        if limit.is_some() {
            let own = self.connections.table.iter().filter(|(_, one)| one.is_of(&user));
            let open = own.map(|(_, connection)| connection.open_channels()).sum();
            if let Some(limit) = reached(limit, open) {
                return Err(refused(format!(
                    "number of channels opened for user '{user}' has reached the maximum allowed user limit of ({limit})"
                )));
            }
        }
        let max = self.settings.channel_max_per_node;
        if max != 0 && self.connections.counters.channels >= max as u64 {
            let node = &self.broker.settings.node;
            return Err(refused(format!(
                "number of channels opened on node '{node}' has reached the maximum allowed limit of ({max})"
            )));
        }
        Ok(())
    }

    /// 530 when the channel has as many consumers as it may have.
    pub(crate) fn check_consumer_limit(&mut self, at: At) -> Result<(), AmqpError> {
        let max = self.settings.consumer_max_per_channel;
        let consumers = self.channel(at).map_or(0, |channel| channel.consumers.len());
        if max != 0 && consumers >= max {
            return Err(refused(format!("reached maximum ({max}) of consumers per channel")));
        }
        Ok(())
    }
}

impl Connection {
    fn is_of(&self, user: &str) -> bool {
        self.session.as_ref().is_some_and(|session| *session.user == *user)
    }

    fn open_channels(&self) -> usize {
        self.channels.values().filter(|channel| channel.mode == Mode::Open).count()
    }
}

fn refused(text: String) -> AmqpError {
    AmqpError::new(ReplyCode::NotAllowed, text)
}
