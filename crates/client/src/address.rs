//! Where a broker is and who logs in: `amqp(s)://user:password@host:port/vhost?options`, after
//! RabbitMQ's URI specification and its query parameters.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The port of `amqp`.
pub const PORT: u16 = 5672;
/// The port of `amqps`.
pub const TLS_PORT: u16 = 5671;

/// One broker. `Display` shows it without the password and the options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether the connection is encrypted: `amqps`. Default: no.
    pub tls: bool,
    /// A name or an IP address; IPv6 without its brackets. Default: localhost.
    pub host: String,
    /// Default: 5672, or 5671 with TLS.
    pub port: u16,
    /// Default: guest.
    pub user: String,
    /// Default: guest.
    pub password: Password,
    /// Default: `/`. No path is `/`, and so is a trailing `/` alone, as Copernica's programs read
    /// it; RabbitMQ's own clients take the latter for a virtual host without a name.
    pub vhost: String,
    /// `heartbeat`, seconds; 0 is none. Default: what the broker suggests.
    pub heartbeat_s: Option<u16>,
    /// `connection_timeout`, given in milliseconds. Default: the options' timeout.
    pub connection_timeout: Option<Duration>,
    /// `channel_max`; 0 leaves it to the broker. Default: 2047.
    pub channel_max: Option<u16>,
    /// `auth_mechanism`. Default: PLAIN.
    pub mechanism: Mechanism,
    /// `cacertfile`. Default: the options' file.
    pub ca: Option<PathBuf>,
    /// `certfile`. Default: the options' file.
    pub cert: Option<PathBuf>,
    /// `keyfile`. Default: the options' file.
    pub key: Option<PathBuf>,
    /// `verify`: whether the broker's certificate is checked; `verify_none` switches it off, so
    /// that anybody can pose as the broker. Default: yes, `verify_peer`.
    pub verify: bool,
    /// `server_name_indication`: the name in the broker's certificate. Default: the host.
    pub server_name: Option<String>,
}

/// How to log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// User name and password.
    #[default]
    Plain,
    /// By the certificate of the TLS connection.
    External,
}

impl Mechanism {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::External => "EXTERNAL",
        }
    }
}

/// A password, which neither `Debug` nor `Display` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Default for Address {
    fn default() -> Address {
        Address {
            tls: false,
            host: "localhost".into(),
            port: PORT,
            user: "guest".into(),
            password: Password("guest".into()),
            vhost: "/".into(),
            heartbeat_s: None,
            connection_timeout: None,
            channel_max: None,
            mechanism: Mechanism::Plain,
            ca: None,
            cert: None,
            key: None,
            verify: true,
            server_name: None,
        }
    }
}

/// What is wrong with an address. The texts never show any part of it that may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither `amqp://` nor `amqps://`.
    #[error("the address does not start with amqp:// or amqps://; {HINT}")]
    Scheme,
    /// Text after the host that is not a port.
    #[error("the port after the host is not a number from 1 to 65535; {0}")]
    Port(&'static str),
    /// `[` without `]`, or something else than an IPv6 address inside.
    #[error("expected an IPv6 address in the brackets, as in amqp://[::1]:5672/")]
    Brackets,
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("{part} holds a % that does not stand for a character; a % itself is %25")]
    Percent {
        /// Which part of the address.
        part: &'static str,
    },
    /// Longer than a short string can be.
    #[error("{part} is longer than 255 bytes")]
    Long {
        /// Which part of the address.
        part: &'static str,
    },
    /// A query parameter that means nothing here.
    #[error("unknown option {name:?} in the address; known are {}", KNOWN.join(", "))]
    Option {
        /// Its name.
        name: String,
    },
    /// A query parameter with a value that does not fit.
    #[error("the option {name} of the address is not {expected}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A list with nothing in it, or nothing between two commas.
    #[error("there is an empty address in the list")]
    Empty,
    /// An address of a list that does not start as one.
    #[error(
        "address {number} of the list does not start with amqp:// or amqps://; a comma inside an address is written %2C"
    )]
    List {
        /// Which one, from 1.
        number: usize,
    },
}

const HINT: &str = "did you mean amqp://user:password@hostname/vhost?";
const SLASH_HINT: &str = "a / in a user name or a password is written %2F";

/// Names of query parameters, in the order of the match that reads them.
const KNOWN: [&str; 9] = [
    "heartbeat",
    "connection_timeout",
    "channel_max",
    "auth_mechanism",
    "cacertfile",
    "certfile",
    "keyfile",
    "verify",
    "server_name_indication",
];

impl Address {
    /// Reads one address. User, password, host, virtual host and the values of options are
    /// percent-decoded.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(AddressError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err(AddressError::Scheme),
        };
        let mut address = Address { tls, ..Address::default() };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let place = match authority.rsplit_once('@') {
            Some((login, place)) => {
                address.login(login)?;
                place
            }
            None => authority,
        };
        // A password whose `/` is not encoded ends the authority early.
        let hint = if path.contains('@') { SLASH_HINT } else { HINT };
        address.place(place, hint)?;
        if !path.is_empty() {
            address.vhost = short(path, "the virtual host")?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            address.option(name, &decode(value, "an option")?)?;
        }
        Ok(address)
    }

    /// Reads addresses separated by commas; a comma inside an address is written `%2C`.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse_list(text: &str) -> Result<Vec<Address>, AddressError> {
        let parse = |(index, text): (usize, &str)| match Address::parse(text) {
            _ if text.trim().is_empty() => Err(AddressError::Empty),
            Err(AddressError::Scheme) if index > 0 => Err(AddressError::List { number: index + 1 }),
            parsed => parsed,
        };
        text.split(',').enumerate().map(parse).collect()
    }

    /// A broker on this machine, without TLS.
    pub fn local(port: u16, user: &str, password: &str, vhost: &str) -> Address {
        Address {
            host: "127.0.0.1".into(),
            port,
            user: user.to_owned(),
            password: Password(password.to_owned()),
            vhost: vhost.to_owned(),
            ..Address::default()
        }
    }

    /// Moves to one of the listeners of a broker on this machine, to one that is reached on
    /// loopback if there is one: some users may log in there only.
    pub fn move_to(&mut self, listeners: &[SocketAddr]) {
        let near = |at: &&SocketAddr| at.ip().is_loopback() || at.ip().is_unspecified();
        let Some(listener) = listeners.iter().find(near).or(listeners.first()) else { return };
        let ip: IpAddr = match listener.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            other => other,
        };
        self.host = ip.to_string();
        self.port = listener.port();
    }

    fn login(&mut self, login: &str) -> Result<(), AddressError> {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        self.user = short(user, "the user name")?;
        if let Some(password) = password {
            self.password = Password(decode(password, "the password")?);
        }
        Ok(())
    }

    fn place(&mut self, place: &str, hint: &'static str) -> Result<(), AddressError> {
        let (host, port) = match place.strip_prefix('[') {
            Some(bracket) => {
                let (host, rest) = bracket.split_once(']').ok_or(AddressError::Brackets)?;
                host.parse::<Ipv6Addr>().map_err(|_| AddressError::Brackets)?;
                match rest.strip_prefix(':') {
                    None if !rest.is_empty() => return Err(AddressError::Port(hint)),
                    port => (host.to_owned(), port),
                }
            }
            None => {
                let (host, port) = match place.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (place, None),
                };
                (decode(host, "the host")?, port)
            }
        };
        if !host.is_empty() {
            self.host = host;
        }
        self.port = match port {
            Some(text) if !text.is_empty() => {
                let port = text.parse().ok().filter(|port| *port != 0);
                port.ok_or(AddressError::Port(hint))?
            }
            _ if self.tls => TLS_PORT,
            _ => PORT,
        };
        Ok(())
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), AddressError> {
        let [heartbeat, timeout, channel_max, mechanism, ca, cert, key, verify, sni] = KNOWN;
        let file = || Some(PathBuf::from(value)).filter(|file| !file.as_os_str().is_empty());
        match name {
            _ if name == heartbeat => self.heartbeat_s = Some(number(heartbeat, value)?),
            _ if name == timeout => {
                let ms = number(timeout, value)?;
                self.connection_timeout = Some(Duration::from_millis(ms)).filter(|_| ms > 0);
            }
            _ if name == channel_max => self.channel_max = Some(number(channel_max, value)?),
            _ if name == mechanism => {
                self.mechanism = match value.to_ascii_lowercase().as_str() {
                    "plain" => Mechanism::Plain,
                    "external" => Mechanism::External,
                    _ => {
                        let expected = "plain or external";
                        return Err(AddressError::Value { name: mechanism, expected });
                    }
                }
            }
            _ if name == ca => self.ca = file(),
            _ if name == cert => self.cert = file(),
            _ if name == key => self.key = file(),
            _ if name == verify => {
                self.verify = match value {
                    "verify_peer" => true,
                    "verify_none" => false,
                    _ => {
                        let expected = "verify_peer or verify_none";
                        return Err(AddressError::Value { name: verify, expected });
                    }
                }
            }
            _ if name == sni => self.server_name = Some(value.to_owned()),
            _ => return Err(AddressError::Option { name: name.to_owned() }),
        }
        Ok(())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        write!(f, "{scheme}://{}@", Encoded(&self.user))?;
        if self.host.contains(':') {
            write!(f, "[{}]:{}/", self.host, self.port)?;
        } else {
            write!(f, "{}:{}/", Encoded(&self.host), self.port)?;
        }
        if self.vhost == "/" { Ok(()) } else { Encoded(&self.vhost).fmt(f) }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text)
    }
}

fn number<T: FromStr>(name: &'static str, value: &str) -> Result<T, AddressError> {
    value.parse().map_err(|_| AddressError::Value { name, expected: "a number in its range" })
}

fn short(text: &str, part: &'static str) -> Result<String, AddressError> {
    let text = decode(text, part)?;
    if text.len() > 255 { Err(AddressError::Long { part }) } else { Ok(text) }
}

fn decode(text: &str, part: &'static str) -> Result<String, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next(), rest.next()).ok_or(AddressError::Percent { part })?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| AddressError::Percent { part })
}

fn hex(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Text with everything but the unreserved characters percent-encoded.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => write!(f, "{}", char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => write!(f, "{}", char::from(byte)),
            _ => write!(f, "%{byte:02X}"),
        })
    }
}

#[cfg(test)]
mod tests;
