//! A bus on addresses of its own, whose nodes can be started, asked, stopped and killed.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use dmq::address::{NodeUri, Transport};
use dmq::config::{DmqConfig, NotificationAddress};
use dmq::desk::{Node, NodeState, Status};
use service::shutdown::{self, Trigger};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};

/// How often nodes are asked how they are.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Nodes that do not agree by then never do.
const AGREE_TIMEOUT: Duration = Duration::from_secs(600);

/// A node that runs.
pub(crate) struct Running {
    pub(crate) uri: NodeUri,
    pub(crate) node: Node,
    stop: Trigger,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops it as a signal does; it tells the others.
    pub(crate) async fn leave(self) {
        self.stop.drain();
        self.task.await.expect("the node ends");
    }

    /// It is gone, and nobody is told.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// The nodes, from `127.0.7.1` on.
pub(crate) struct Bus {
    pub(crate) running: Vec<Running>,
    config: DmqConfig,
    transport: Transport,
    port: u16,
}

impl Bus {
    /// A bus without nodes. All of them get this configuration, with addresses.
    pub(crate) fn new(transport: Transport, config: DmqConfig) -> Bus {
        // What is free on the first address is as good as surely free on the others.
        let free = UdpSocket::bind((Ipv4Addr::new(127, 0, 7, 1), 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        Bus { running: Vec::new(), config, transport, port }
    }

    fn uri(&self, number: u8) -> NodeUri {
        let host = Ipv4Addr::new(127, 0, 7, number).to_string().into();
        NodeUri { host, port: self.port, transport: self.transport }
    }

    /// Starts the node of this number. All know the first one, and no other.
    pub(crate) fn start(&mut self, number: u8) {
        let (uri, first) = (self.uri(number), self.uri(1));
        let config = DmqConfig {
            server_address: Some(uri.clone()),
            notification_address: vec![NotificationAddress { text: first.to_string(), uri: first }],
            listen: Vec::new(),
            ..self.config.clone()
        };
        let (desk, orders) = service::desk::desk();
        let (stop, stopped) = shutdown::manual();
        let task = spawn_local(async move {
            dmq::daemon::serve(&config, orders, &stopped).await.expect("the node runs");
        });
        self.running.push(Running { uri, node: Node::new(desk), stop, task });
    }

    /// How every node is.
    pub(crate) async fn statuses(&self) -> Vec<Status> {
        let mut all = Vec::new();
        for running in &self.running {
            all.push(*running.node.status().await.expect("the node answers"));
        }
        all
    }

    /// Waits until every node holds active those that run, itself included, and no other; returns
    /// how long that took.
    pub(crate) async fn agree(&self) -> Duration {
        let mut running: Vec<&NodeUri> = self.running.iter().map(|running| &running.uri).collect();
        running.sort();
        let agrees = |status: &Status| {
            let active = status.nodes.iter().filter(|node| node.state == NodeState::Active);
            let mut active: Vec<&NodeUri> = active.map(|node| &node.uri).collect();
            active.sort();
            active == running
        };
        let began = Instant::now();
        let agreeing = async {
            while !self.statuses().await.iter().all(agrees) {
                sleep(LOOK_INTERVAL).await;
            }
        };
        if timeout(AGREE_TIMEOUT, agreeing).await.is_err() {
            let statuses = self.statuses().await;
            panic!("the nodes do not agree: {:#?}", statuses.iter().find(|s| !agrees(s)));
        }
        began.elapsed()
    }
}
