//! Who a node is: a SIP URI as it stands in node lists and in `From`.
//!
//! Kamailio compares nodes as strings, so there is one way to write each: an explicit port always,
//! `;transport=` for TCP and TLS only, no user, no other parameters.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// The port of SIP over UDP and TCP.
pub const PORT: u16 = 5060;
/// The port of SIP over TLS.
pub const TLS_PORT: u16 = 5061;
/// The longest host, in bytes; DNS allows no more.
const HOST_BYTES_MAX: usize = 253;

/// How SIP messages reach a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: requests are retransmitted.
    Udp,
    /// A stream.
    Tcp,
    /// A stream in TLS.
    Tls,
}

impl Transport {
    /// As in a URI's `transport=`.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }

    /// As in a Via.
    pub fn token(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// Whether what is sent arrives, or the connection breaks: nothing is retransmitted.
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// Where SIP is when a URI names no port.
    pub fn port(self) -> u16 {
        if self == Transport::Tls { TLS_PORT } else { PORT }
    }
}

/// A node's URI. Cheap to clone; equal nodes are written alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeUri {
    /// An IPv4 address, an IPv6 address without brackets, or a name, in lower case.
    pub host: Arc<str>,
    /// Never left out when it is written.
    pub port: u16,
    /// UDP when none is named.
    pub transport: Transport,
}

/// Why a text is no node's URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It does not start with `sip:` or `sips:`.
    #[error("it does not start with sip:")]
    Scheme,
    /// No host, or one that no DNS name or address can be.
    #[error("it has no host that could be one")]
    Host,
    /// Not from 1 to 65535.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// Neither `udp` nor `tcp` nor `tls`.
    #[error("its transport is not udp, tcp or tls")]
    Transport,
}

impl NodeUri {
    /// The address, when the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for NodeUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sip:")?;
        self.host_port(f)?;
        match self.transport {
            Transport::Udp => Ok(()),
            other => write!(f, ";transport={}", other.word()),
        }
    }
}

impl NodeUri {
    /// `host:port`, with brackets around an IPv6 address.
    pub fn host_port(&self, f: &mut impl fmt::Write) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for NodeUri {
    type Err = UriError;

    /// Reads what Kamailio and people write: a user, headers and unknown parameters are dropped,
    /// `sips:` counts as `sip:`, and no port means the transport's.
    fn from_str(text: &str) -> Result<NodeUri, UriError> {
        let rest = ["sip:", "sips:"].iter().find_map(|scheme| {
            let head = text.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
        });
        let rest = rest.ok_or(UriError::Scheme)?;
        // A user may have what parameters and headers begin with (RFC 3261 25.1).
        let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
        let rest = rest.split('?').next().unwrap_or_default();
        let mut parts = rest.split(';');
        let address = parts.next().unwrap_or_default();
        let mut transport = Transport::Udp;
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name.trim().eq_ignore_ascii_case("transport") {
                transport = match value.trim().to_ascii_lowercase().as_str() {
                    "udp" => Transport::Udp,
                    "tcp" => Transport::Tcp,
                    "tls" => Transport::Tls,
                    _ => return Err(UriError::Transport),
                };
            }
        }
        let (host, port) = split_port(address)?;
        let port = match port {
            None => transport.port(),
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(UriError::Port),
                Ok(port) => port,
            },
        };
        Ok(NodeUri { host, port, transport })
    }
}

/// The host, checked, and what follows its colon.
fn split_port(address: &str) -> Result<(Arc<str>, Option<&str>), UriError> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UriError::Host)?;
        let host: std::net::Ipv6Addr = host.parse().map_err(|_| UriError::Host)?;
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':').ok_or(UriError::Port)?),
        };
        return Ok((host.to_string().into(), port));
    }
    let (host, port) = match address.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(is_name) {
        return Err(UriError::Host);
    }
    Ok((host.to_ascii_lowercase().into(), port))
}
