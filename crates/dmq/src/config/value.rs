//! The types of a node's own settings, and how each reads and prints itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use service::config::{Scalar, quoted};
use service::listen::HostPort;

use crate::address::{NodeUri, Transport};

impl Scalar for NodeUri {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|why| {
            let text = quoted(text);
            format!("expected a node such as \"sip:192.0.2.1:5060\", but of {text} {why}")
        })
    }

    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}

/// A node that is asked for the others, or, with `multi_notify`, a name that stands for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationAddress {
    /// As it was written: whether it names a port decides which SRV records count.
    pub text: String,
    /// What that is.
    pub uri: NodeUri,
}

impl Scalar for NotificationAddress {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(NotificationAddress { text: text.to_owned(), uri: Scalar::parse(text)? })
    }

    fn toml(&self) -> String {
        quoted(&self.text)
    }
}

/// True or false, which Kamailio writes 1 and 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub bool);

impl Scalar for Switch {
    const SWITCH: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "1" => Ok(Switch(true)),
            "0" => Ok(Switch(false)),
            _ => Scalar::parse(text).map(Switch),
        }
    }

    fn toml(&self) -> String {
        Scalar::toml(&self.0)
    }
}

/// Addresses that may send to us: a network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl Network {
    /// Networks that cannot be reached from outside: loopback, RFC 1918 and RFC 4193.
    pub fn private() -> Vec<Network> {
        const PRIVATE: [(IpAddr, u8); 6] = [
            (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
            (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
            (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
            (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
            (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
            (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
        ];
        PRIVATE.map(|(ip, length)| Network(IpNet::new_assert(ip, length))).to_vec()
    }
}

impl Scalar for Network {
    fn parse(text: &str) -> Result<Self, String> {
        let one = || text.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical()));
        let network = text.parse::<IpNet>().ok().or_else(one);
        network.map(|network| Network(network.trunc())).ok_or_else(|| {
            format!("expected a network such as \"10.0.0.0/8\", got {}", quoted(text))
        })
    }

    fn toml(&self) -> String {
        quoted(&self.0.to_string())
    }
}

/// Where to listen: `HOST:PORT`, before which Kamailio writes the transport (`udp:192.0.2.1:5060`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSocket {
    /// The transport, if it is named.
    pub transport: Option<Transport>,
    /// The address.
    pub at: HostPort,
}

/// Transports as they stand before an address.
const TRANSPORTS: [(&str, Transport); 3] =
    [("udp:", Transport::Udp), ("tcp:", Transport::Tcp), ("tls:", Transport::Tls)];

impl Scalar for ServerSocket {
    fn parse(text: &str) -> Result<Self, String> {
        let named = TRANSPORTS.iter().find_map(|(prefix, transport)| {
            text.strip_prefix(prefix).map(|rest| (Some(*transport), rest))
        });
        let (transport, rest) = named.unwrap_or((None, text));
        Ok(ServerSocket { transport, at: Scalar::parse(rest)? })
    }

    fn toml(&self) -> String {
        let prefix = self.transport.map_or(String::new(), |t| format!("{}:", t.word()));
        quoted(&format!("{prefix}{}", self.at))
    }
}
