//! Real sockets on loopback, with good and bad company.

mod datagrams;
mod secured;
mod streams;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn plan(transport: Transport) -> SocketPlan {
    SocketPlan {
        transport,
        addresses: vec![LOOPBACK],
        message_bytes_max: 20_000,
        tls: TlsPlan::default(),
    }
}

/// What has come out of sockets.
#[derive(Default)]
struct Seen {
    packets: Vec<(Source, Vec<u8>)>,
    failed: Vec<(Route, String)>,
}

impl Seen {
    /// Reads until it is enough. Connections work only meanwhile, as they do in a node.
    async fn until(&mut self, sockets: &mut Sockets, is_enough: impl Fn(&Seen) -> bool) {
        let reading = async {
            while !is_enough(self) {
                sockets.ready().await;
                let Seen { packets, failed } = self;
                sockets.read(
                    64,
                    &mut |source, packet| packets.push((source.clone(), packet.to_vec())),
                    &mut |route, reason| failed.push((route.clone(), reason)),
                );
            }
        };
        tokio::time::timeout(Duration::from_secs(600), reading).await.expect("enough in time");
    }
}

/// Reads until so many packets are there; no way may fail.
async fn packets(sockets: &mut Sockets, count: usize) -> Vec<(Source, Vec<u8>)> {
    let mut seen = Seen::default();
    seen.until(sockets, |seen| seen.packets.len() >= count || !seen.failed.is_empty()).await;
    assert_eq!(seen.failed, []);
    seen.packets
}

/// Lets a node's connections work until something else has happened; returns what it read.
async fn serving(sockets: &mut Sockets, something: impl Future<Output = ()>) -> Seen {
    let mut seen = Seen::default();
    tokio::select! {
        () = something => {}
        () = seen.until(sockets, |_| false) => {}
    }
    seen
}
