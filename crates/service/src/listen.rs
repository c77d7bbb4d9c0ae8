//! Addresses as users write them, and the sockets that listen on them.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{Scalar, quoted};

/// Connections that the kernel keeps until they are accepted; it may have a lower limit itself.
const BACKLOG: i32 = 4096;

/// `HOST:PORT`. The host is an address, `[…]` around an IPv6 one, a name, or `*` for every
/// address of the machine; `localhost` means 127.0.0.1 and ::1. Port 0 lets the system choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Without brackets.
    pub host: String,
    /// From 0 to 65535.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Scalar for HostPort {
    fn parse(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "expected HOST:PORT such as \"127.0.0.1:5672\" or \"[::1]:5672\", got {}",
                quoted(text)
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let port = port.parse().map_err(|_| refused())?;
        let host = match host.strip_prefix('[').map(|h| h.strip_suffix(']')) {
            Some(Some(inner)) if inner.parse::<Ipv6Addr>().is_ok() => inner,
            Some(_) => return Err(refused()),
            None if host.is_empty() || host.contains([':', ' ', '/']) => return Err(refused()),
            None => host,
        };
        Ok(HostPort { host: host.to_owned(), port })
    }

    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}

impl HostPort {
    fn addresses(&self) -> Result<Vec<SocketAddr>, ListenError> {
        let both = |v4: Ipv4Addr, v6: Ipv6Addr| {
            Ok(vec![SocketAddr::new(v4.into(), self.port), SocketAddr::new(v6.into(), self.port)])
        };
        match self.host.as_str() {
            "localhost" => return both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
            "*" => return both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
            _ => {}
        }
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let unknown = |source| ListenError::UnknownHost { host: self.host.clone(), source };
        let found = (self.host.as_str(), self.port).to_socket_addrs().map_err(unknown)?;
        let mut addresses: Vec<SocketAddr> = found.collect();
        addresses.dedup();
        Ok(addresses)
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The name has no address.
    #[error("cannot listen on {host}: no such host: {source}")]
    UnknownHost {
        /// The name.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// Somebody listens there already.
    #[error(
        "cannot listen on {address} for {protocol}: address already in use: \
         is another broker running?"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// What it was meant for.
        protocol: &'static str,
    },
    /// A port below 1024 without the right to it.
    #[error(
        "cannot listen on {address} for {protocol}: permission denied: \
         ports below 1024 need CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// The address.
        address: SocketAddr,
        /// What it was meant for.
        protocol: &'static str,
    },
    /// An address that this machine does not have, or another refusal.
    #[error("cannot listen on {address} for {protocol}: {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What it was meant for.
        protocol: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
}

/// Listens on every address of `list`, in order; nothing listens after an error. The sockets do
/// not block, as tokio wants them. A machine without IPv6 only costs a warning, as long as
/// another address works.
pub fn bind(protocol: &'static str, list: &[HostPort]) -> Result<Vec<TcpListener>, ListenError> {
    let mut addresses = Vec::new();
    for entry in list {
        addresses.extend(entry.addresses()?);
    }
    let mut listeners = Vec::new();
    let mut without_ipv6 = None;
    for &address in &addresses {
        // Like other servers, `[::]` alone takes IPv4 as well.
        let any_v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        let only_v6 = !address.ip().is_unspecified() || addresses.contains(&any_v4);
        match open(address, only_v6) {
            Ok(listener) => listeners.push(listener),
            Err(source) if address.is_ipv6() && ipv6_is_missing(&source) => {
                tracing::warn!("no {protocol} on {address}: this machine has no IPv6 there");
                without_ipv6 = Some(ListenError::Refused { address, protocol, source });
            }
            Err(source) => {
                return Err(match source.kind() {
                    ErrorKind::AddrInUse => ListenError::InUse { address, protocol },
                    ErrorKind::PermissionDenied => ListenError::Denied { address, protocol },
                    _ => ListenError::Refused { address, protocol, source },
                });
            }
        }
    }
    match without_ipv6 {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

fn open(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn ipv6_is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}
