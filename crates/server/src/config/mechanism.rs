//! The ways in which a client can say who it is.

use service::config::{Scalar, quoted};

/// One mechanism of SASL, as `connection.start` offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Name and password, as most clients send them.
    Plain,
    /// Name and password in a field table.
    Amqplain,
    /// The client's certificate names the user.
    External,
}

impl Mechanism {
    const ALL: [Mechanism; 3] = [Mechanism::Plain, Mechanism::Amqplain, Mechanism::External];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Amqplain => "AMQPLAIN",
            Mechanism::External => "EXTERNAL",
        }
    }
}

impl Scalar for Mechanism {
    fn parse(text: &str) -> Result<Self, String> {
        let found = Mechanism::ALL.into_iter().find(|m| m.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("expected EXTERNAL, PLAIN or AMQPLAIN, got {}", quoted(text)))
    }

    fn toml(&self) -> String {
        quoted(self.name())
    }
}
