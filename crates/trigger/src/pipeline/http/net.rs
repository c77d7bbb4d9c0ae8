//! Which addresses a pipeline may reach: what stands between a URL and the services that trust
//! whoever is inside. Decides by address alone; a name is none of its business.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::pipeline::http::SetupError;

/// Where clouds tell their machines secrets, link-local or not.
const METADATA: [IpAddr; 9] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), // AWS, Google, Azure, Oracle and most others
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),   // AWS, credentials of ECS tasks
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),  // AWS, credentials of EKS pods
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), // Alibaba
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),   // Azure's wire server
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), // AWS
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)), // AWS, credentials of EKS pods
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)), // Google
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)), // Oracle
];

/// A kind of addresses that has a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Unspecified, multicast and broadcast: no address of one machine.
    Nobody,
    Loopback,
    LinkLocal,
    Metadata,
    /// RFC 1918, unique local (RFC 4193), shared (RFC 6598) and site-local.
    Private,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Nobody => "unspecified or multicast",
            Kind::Loopback => "loopback",
            Kind::LinkLocal => "link-local",
            Kind::Metadata => "metadata",
            Kind::Private => "private",
        }
    }

    /// The kinds that rules can name.
    const NAMED: [Kind; 4] = [Kind::LinkLocal, Kind::Metadata, Kind::Loopback, Kind::Private];

    fn holds(self, address: IpAddr) -> bool {
        match (self, address) {
            (Kind::Metadata, _) => METADATA.contains(&address),
            // All of 0.0.0.0/8 means this host (RFC 1122, 3.2.1.3).
            (Kind::Nobody, IpAddr::V4(v4)) => {
                v4.octets()[0] == 0 || v4.is_multicast() || v4.is_broadcast()
            }
            (Kind::Nobody, IpAddr::V6(v6)) => v6.is_unspecified() || v6.is_multicast(),
            (Kind::Loopback, _) => address.is_loopback(),
            (Kind::LinkLocal, IpAddr::V4(v4)) => v4.is_link_local(),
            (Kind::LinkLocal, IpAddr::V6(v6)) => v6.is_unicast_link_local(),
            (Kind::Private, IpAddr::V4(v4)) => {
                let [a, b, ..] = v4.octets();
                v4.is_private() || (a == 100 && b & 0xc0 == 64)
            }
            (Kind::Private, IpAddr::V6(v6)) => {
                v6.is_unique_local() || v6.segments()[0] & 0xffc0 == 0xfec0
            }
        }
    }
}

/// A rule that an address breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network rules forbid {address}: {rule}")]
pub(crate) struct Forbidden {
    address: IpAddr,
    rule: String,
}

/// The network rules of a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    kinds: Vec<Kind>,
    networks: Vec<IpNet>,
    allow_private: bool,
}

impl Rules {
    /// `deny` as in [`net_deny`](crate::config::HttpConfig::net_deny). Without `allow_private`,
    /// private, loopback and link-local addresses are forbidden, too.
    ///
    /// # Errors
    /// A word is neither a kind of addresses nor a network.
    pub fn new(deny: &[String], allow_private: bool) -> Result<Rules, SetupError> {
        let mut rules = Rules { kinds: vec![Kind::Nobody], networks: Vec::new(), allow_private };
        for word in deny {
            if let Some(kind) = Kind::NAMED.into_iter().find(|kind| kind.word() == word) {
                rules.kinds.push(kind);
            } else if let Ok(network) = word.parse::<IpNet>() {
                rules.networks.push(network.trunc());
            } else if let Ok(address) = word.parse::<IpAddr>() {
                rules.networks.push(address.into());
            } else {
                return Err(SetupError::Deny(word.clone()));
            }
        }
        Ok(rules)
    }

    /// An address that carries another one must be allowed as both.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        self.check_one(address)?;
        match embedded(address) {
            Some(inner) => self.check_one(inner.into()),
            None => Ok(()),
        }
    }

    fn check_one(&self, address: IpAddr) -> Result<(), Forbidden> {
        let forbidden = |rule: String| Err(Forbidden { address, rule });
        if let Some(kind) = self.kinds.iter().find(|kind| kind.holds(address)) {
            return forbidden(format!("{} addresses are denied", kind.word()));
        }
        if let Some(network) = self.networks.iter().find(|network| network.contains(&address)) {
            return forbidden(format!("{network} is denied"));
        }
        let private = [Kind::Loopback, Kind::LinkLocal, Kind::Private];
        match private.iter().find(|kind| !self.allow_private && kind.holds(address)) {
            Some(kind) => {
                forbidden(format!("{} addresses need net.allow_private = true", kind.word()))
            }
            None => Ok(()),
        }
    }
}

/// The IPv4 address that a packet to an IPv6 address may end up at.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match (a, b) {
        // Mapped (::ffff:a.b.c.d) and compatible (::a.b.c.d); ::1 is the loopback of IPv6.
        (0, 0) if [c, d, e] == [0; 3] && (f == 0xffff || (f == 0 && (g, h) > (0, 1))) => v4(g, h),
        // NAT64, the well-known prefix and the one for local use (RFC 6052, RFC 8215).
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] || c == 1 => v4(g, h),
        // 6to4 (RFC 3056).
        (0x2002, _) => v4(b, c),
        // Teredo (RFC 4380): the client's address, inverted.
        (0x2001, 0) => v4(!g, !h),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
