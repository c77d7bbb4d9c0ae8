//! Brokers as a setting names them: URLs parted by commas, whose passwords are never shown.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use service::config::{Elsewhere, Field, Shape, quoted};

use crate::address::Address;

/// The brokers of a cluster, any of which will do; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(pub Vec<Address>);

impl Addresses {
    /// Moves the first of them to one of the listeners of this machine.
    pub fn move_to(&mut self, listeners: &[SocketAddr]) {
        if let Some(first) = self.0.first_mut() {
            first.move_to(listeners);
        }
    }
}

impl Default for Addresses {
    fn default() -> Self {
        Addresses(vec![Address::default()])
    }
}

impl Field for Addresses {
    fn set(&mut self, raw: &[String]) -> Result<(), String> {
        let list = Address::parse_list(&raw.join(",")).map_err(|error| error.to_string())?;
        self.0 = list;
        Ok(())
    }

    fn refer(&mut self, to: Elsewhere, at: &str) -> Option<Result<(), String>> {
        match to {
            Elsewhere::File => {
                let text = std::fs::read_to_string(at)
                    .map_err(|error| format!("cannot read the addresses in {at}: {error}"));
                Some(text.and_then(|text| self.set(&[text.trim().to_owned()])))
            }
            // The setting is a variable itself.
            Elsewhere::Environment => None,
        }
    }

    fn toml(&self) -> Option<String> {
        let shown = |address: &Address| address.to_string().replacen('@', ":***@", 1);
        Some(quoted(&self.0.iter().map(shown).collect::<Vec<_>>().join(",")))
    }

    fn shape(&self) -> Shape {
        Shape::List
    }

    fn may_hold_password(&self) -> bool {
        true
    }

    fn is_masked(&self) -> bool {
        true
    }
}
