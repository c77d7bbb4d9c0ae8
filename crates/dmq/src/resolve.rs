//! From names to addresses: of a node, and of all nodes behind one `notification_address`.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use tokio::time::timeout;

use crate::address::{NodeUri, UriError};

/// As many nodes come of one `notification_address` as Kamailio takes.
const NOTIFIED_MAX: usize = 30;

/// Name servers that have not answered by then are down.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    /// The name servers know of none.
    #[error("{0} has no address in DNS or /etc/hosts")]
    NoAddress(String),
    /// They do not answer.
    #[error("no name server has answered for {0}: see /etc/resolv.conf")]
    TimedOut(String),
    /// Something else.
    #[error("cannot look up {host}: {reason}")]
    Failed {
        /// The name.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// It is not a URI.
    #[error("{0:?} is no URI of a node: {1}")]
    BadUri(String, UriError),
}

/// Asks name servers, and remembers the answers as long as they may be. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Resolver(TokioResolver);

impl Resolver {
    /// Asks these servers or, when there are none, those of the system. `/etc/hosts` counts in any
    /// case.
    ///
    /// # Errors
    /// The resolver cannot be made.
    pub(crate) fn new(servers: &[SocketAddr]) -> Result<Resolver, NetError> {
        let mut builder = match servers {
            [] => TokioResolver::builder_tokio().unwrap_or_else(|error| {
                tracing::warn!("only /etc/hosts can resolve names: /etc/resolv.conf: {error}");
                TokioResolver::builder_with_config(
                    ResolverConfig::default(),
                    TokioRuntimeProvider::default(),
                )
            }),
            servers => TokioResolver::builder_with_config(
                ResolverConfig::from_name_servers(servers.iter().map(name_server).collect()),
                TokioRuntimeProvider::default(),
            ),
        };
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Ok(Resolver(builder.build()?))
    }

    /// The addresses of a host, those of IPv4 first; at least one. An address is its own, at once.
    ///
    /// # Errors
    /// There is none, or nobody knows.
    pub(crate) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let found = timeout(ANSWER_TIMEOUT, self.0.lookup_ip(host)).await;
        let found = found.unwrap_or(Err(NetError::Timeout)).map_err(|e| failed(host, &e))?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        match addresses.is_empty() {
            true => Err(ResolveError::NoAddress(host.to_owned())),
            false => Ok(addresses),
        }
    }

    /// The nodes that one `notification_address` means: itself or, with `multi_notify`, every
    /// address behind its name, as Kamailio 5.6.3 finds them. These are the targets of the SRV
    /// records of the bare name (if the URI has a port, only of those with that port), then the A
    /// and AAAA records of the name; at most 30.
    ///
    /// # Errors
    /// It is no URI, or there are none.
    pub(crate) async fn notify(
        &self,
        uri: &str,
        multi_notify: bool,
    ) -> Result<Vec<NodeUri>, ResolveError> {
        let bad = |error| ResolveError::BadUri(uri.to_owned(), error);
        let node: NodeUri = uri.parse().map_err(bad)?;
        if !multi_notify || node.ip().is_some() {
            return Ok(vec![node]);
        }
        let port = names_port(uri).then_some(node.port);
        let mut nodes: Vec<NodeUri> = Vec::new();
        let mut add = |found: Vec<IpAddr>, port: u16| {
            for address in found {
                let host = address.to_string().into();
                let found = NodeUri { host, port, transport: node.transport };
                if nodes.len() < NOTIFIED_MAX && !nodes.contains(&found) {
                    nodes.push(found);
                }
            }
        };
        for service in self.services(&node.host).await {
            if port.is_none_or(|port| port == service.port) {
                let target = service.target.to_ascii();
                match self.resolve(&target).await {
                    Ok(found) => add(found, service.port),
                    Err(error) => tracing::warn!("{uri}: a node is left out: {error}"),
                }
            }
        }
        let by_name = self.resolve(&node.host).await.map(|found| add(found, node.port));
        match nodes.is_empty() {
            true => by_name.map(|()| nodes),
            false => Ok(nodes),
        }
    }

    /// The SRV records of a name, the most wanted first; none is usual.
    async fn services(&self, name: &str) -> Vec<SRV> {
        let found = timeout(ANSWER_TIMEOUT, self.0.srv_lookup(name)).await;
        let found = match found.unwrap_or(Err(NetError::Timeout)) {
            Ok(found) => found,
            Err(error) => {
                if !error.is_no_records_found() {
                    tracing::warn!("SRV records: {}", failed(name, &error));
                }
                return Vec::new();
            }
        };
        let services = found.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(service) if !service.target.is_root() => Some(service.clone()),
            _ => None,
        });
        let mut services: Vec<SRV> = services.collect();
        services.sort_by_key(|service| (service.priority, Reverse(service.weight)));
        services
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn failed(host: &str, error: &NetError) -> ResolveError {
    let host = host.to_owned();
    match error {
        NetError::Timeout => ResolveError::TimedOut(host),
        error if error.is_no_records_found() => ResolveError::NoAddress(host),
        error => ResolveError::Failed { host, reason: error.to_string() },
    }
}

/// Whether a node's URI, which has been read before, names its port. Its host is a name.
fn names_port(uri: &str) -> bool {
    let address = uri.split([';', '?']).next().unwrap_or_default();
    let address = address.split_once(':').map_or("", |(_scheme, rest)| rest);
    address.rsplit('@').next().is_some_and(|host| host.contains(':'))
}
