//! A broker that a story takes place beside: ours, or RabbitMQ.

use std::net::SocketAddr;

use crate::broker::Broker;
use crate::peers;

/// Whose broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokerKind {
    Leveret,
    RabbitMq,
}

impl BrokerKind {
    /// Whether it has the words of RabbitMQ 4.x, as ours has where they differ from those of 3.x.
    pub(crate) fn is_4(self) -> bool {
        self == BrokerKind::Leveret || peers::rabbitmq_is_4()
    }
}

/// A broker that runs.
pub(crate) enum Site {
    Leveret(Box<Broker>),
    RabbitMq(SocketAddr),
}

impl Site {
    /// One of this kind: ours is started, RabbitMQ runs already.
    pub(crate) fn of(kind: BrokerKind) -> Site {
        match kind {
            BrokerKind::Leveret => Site::Leveret(Box::new(Broker::start())),
            BrokerKind::RabbitMq => Site::RabbitMq(peers::rabbitmq()),
        }
    }

    /// Where clients connect.
    pub(crate) fn amqp(&self) -> SocketAddr {
        match self {
            Site::Leveret(broker) => broker.amqp(),
            Site::RabbitMq(address) => *address,
        }
    }

    /// Administers it with `rabbitmqctl`, or as that does; what was said.
    #[track_caller]
    pub(crate) fn ctl(&self, arguments: &[&str]) -> String {
        match self {
            Site::Leveret(broker) => broker.ctl(arguments),
            Site::RabbitMq(_) => peers::rabbitmqctl(arguments),
        }
    }

    /// Our own broker.
    #[track_caller]
    pub(crate) fn leveret(&mut self) -> &mut Broker {
        match self {
            Site::Leveret(broker) => broker,
            Site::RabbitMq(_) => panic!("this broker is not ours"),
        }
    }
}
