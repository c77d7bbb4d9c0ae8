//! The `x-consistent-hash` exchange: each message goes to one destination, which a hash of its key chooses.
//!
//! The binding key is the weight, a whole number above zero: a destination of weight 20 gets twice as much as one of
//! weight 10. What is hashed is the routing key, or what the exchange's arguments name: a header (`hash-header` of RabbitMQ's
//! plugin, `x-hash-on` of LavinMQ) or a property (`hash-property`).
//!
//! The choice is a weighted rendezvous: every destination draws a number from the key and its own name, and the best draw
//! wins. So a new destination takes keys from the others and no two others exchange any, one that goes leaves its keys to
//! all others, and the same bindings give the same choice whatever the order in which they were made, after a restart too.
//! LavinMQ's `x-algorithm` (`ring`, `jump`) chooses between ways that do less; it is accepted and has no effect.
//!
//! A message without the header or property has the empty key. Of several bindings to one destination the oldest counts.

use std::collections::BTreeMap;

use amqp::value::{Table, Value};
use sha2::{Digest, Sha256};

use crate::binding::{Binding, BindingId, Destination};
use crate::erlang::Binary;
use crate::route::Headers;

/// The argument that names the header to hash, in RabbitMQ's plugin.
const HASH_HEADER: &str = "hash-header";
/// The argument that names the property to hash.
const HASH_PROPERTY: &str = "hash-property";
/// The argument that names the header to hash, in LavinMQ.
const X_HASH_ON: &str = "x-hash-on";

/// What is hashed.
enum Source {
    Key,
    Header(String),
    CorrelationId,
    MessageId,
    Timestamp,
}

/// The properties that can be hashed, by their names.
const PROPERTIES: [(&str, Source); 3] = [
    ("correlation_id", Source::CorrelationId),
    ("message_id", Source::MessageId),
    ("timestamp", Source::Timestamp),
];

/// The destinations by weight.
pub struct ConsistentHash {
    source: Source,
    by_weight: BTreeMap<u64, Vec<Member>>,
    /// The bindings of each destination with their weights, oldest first: the first one counts.
    bound: BTreeMap<Destination, Vec<(BindingId, u64)>>,
}

#[derive(Clone, Copy)]
struct Member {
    destination: Destination,
    /// The hash of its name.
    seed: u64,
}

/// Why an exchange cannot be declared with these arguments, in the plugin's text.
pub fn check_arguments(arguments: &Table) -> Result<(), String> {
    let (header, property) = (arguments.get(HASH_HEADER), arguments.get(HASH_PROPERTY));
    for (name, value) in [(HASH_HEADER, header), (HASH_PROPERTY, property)] {
        // The plugin ends the connection with an internal error.
        if let Some(value) = value
            && !matches!(value, Value::LongStr(_))
        {
            return Err(format!("invalid type '{}' for arg '{name}'", value.type_name()));
        }
    }
    match (header, property.and_then(Value::as_bytes)) {
        (Some(_), Some(_)) => {
            Err(format!("{HASH_HEADER} and {HASH_PROPERTY} are mutually exclusive"))
        }
        (None, Some(name)) if property_named(name).is_none() => {
            Err(format!("Unsupported property: {}", String::from_utf8_lossy(name)))
        }
        _ => Ok(()),
    }
}

/// Why a binding cannot have this key, in the plugin's text.
pub fn check_key(key: &[u8]) -> Result<(), String> {
    match weight(key) {
        None => Err(format!("The binding key must be an integer: {}", Binary(key))),
        Some(0) => Err("The binding key must be greater than 0".to_owned()),
        Some(_) => Ok(()),
    }
}

/// The whole number that a key is, with or without a sign; 0 for all below one. One that is too large for the type weighs
/// as much as the type can say.
fn weight(key: &[u8]) -> Option<u64> {
    let (digits, negative) = match key {
        [b'-', digits @ ..] => (digits, true),
        [b'+', digits @ ..] | digits => (digits, false),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(if negative { 0 } else { digits.iter().fold(0, add) })
}

fn property_named(name: &[u8]) -> Option<Source> {
    PROPERTIES.into_iter().find(|(known, _)| known.as_bytes() == name).map(|(_, source)| source)
}

impl ConsistentHash {
    /// Without destinations. The arguments passed [`check_arguments`].
    pub fn new(arguments: &Table) -> ConsistentHash {
        let property = arguments.get(HASH_PROPERTY).and_then(Value::as_bytes);
        let header =
            [HASH_HEADER, X_HASH_ON].into_iter().find_map(|name| arguments.get(name)?.as_str());
        let source = match (header, property.and_then(property_named)) {
            (Some(header), _) => Source::Header(header.to_owned()),
            (None, Some(property)) => property,
            (None, None) => Source::Key,
        };
        ConsistentHash { source, by_weight: BTreeMap::new(), bound: BTreeMap::new() }
    }

    /// Whether nothing but the routing key is hashed.
    pub fn routes_by_key(&self) -> bool {
        matches!(self.source, Source::Key)
    }

    /// Counts a binding in that passed [`check_key`].
    pub fn bind(&mut self, id: BindingId, binding: &Binding, name: &str) {
        let weight = weight(&binding.key).unwrap_or(0).max(1);
        let bound = self.bound.entry(binding.destination).or_default();
        bound.push((id, weight));
        if bound.len() == 1 {
            let member = Member::new(binding.destination, name);
            self.by_weight.entry(weight).or_default().push(member);
        }
    }

    /// Counts a binding out that was counted in.
    pub fn unbind(&mut self, id: BindingId, binding: &Binding) {
        let Some(bound) = self.bound.get_mut(&binding.destination) else { return };
        let Some(at) = bound.iter().position(|(other, _)| *other == id) else { return };
        let (_, weight) = bound.remove(at);
        let next = bound.first().map(|(_, weight)| *weight);
        if next.is_none() {
            self.bound.remove(&binding.destination);
        }
        if at > 0 {
            return;
        }
        let Some(members) = self.by_weight.get_mut(&weight) else { return };
        let found = members.iter().position(|member| member.destination == binding.destination);
        let member = found.map(|at| members.swap_remove(at));
        if members.is_empty() {
            self.by_weight.remove(&weight);
        }
        if let (Some(member), Some(weight)) = (member, next) {
            self.by_weight.entry(weight).or_default().push(member);
        }
    }

    /// Adds the destination of the message; of several keys the first is hashed, as in the plugin.
    pub fn route(&self, keys: &[&[u8]], headers: &Headers<'_>, found: &mut Vec<Destination>) {
        let properties = headers.properties();
        let hash = match &self.source {
            Source::Key => keys.first().map_or(EMPTY, |key| hash(key)),
            Source::Header(name) => headers.table().get(name).map_or(EMPTY, hash_value),
            Source::CorrelationId => properties.correlation_id().map_or(EMPTY, hash),
            Source::MessageId => properties.message_id().map_or(EMPTY, hash),
            Source::Timestamp => {
                properties.timestamp().map_or(EMPTY, |seconds| hash(&seconds.to_be_bytes()))
            }
        };
        found.extend(self.choose(hash));
    }

    /// The best draw. Among equal weights the greatest number wins, so only the best of each weight is weighed, by
    /// `-ln(draw) / weight`: the least of these is each one's in proportion to its weight.
    fn choose(&self, hash: u64) -> Option<Destination> {
        let best = self.by_weight.iter().filter_map(|(weight, members)| {
            let draws = members.iter().map(|member| (mix(hash ^ member.seed), member.destination));
            draws.max().map(|(draw, destination)| (*weight, draw, destination))
        });
        let cost = |(weight, draw, _): &(u64, u64, Destination)| {
            -((*draw as f64 + 1.0) / TWO_TO_64).ln() / *weight as f64
        };
        best.min_by(|a, b| cost(a).total_cmp(&cost(b))).map(|(_, _, destination)| destination)
    }
}

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

impl Member {
    fn new(destination: Destination, name: &str) -> Member {
        let kind = match destination {
            Destination::Queue(_) => b"q",
            Destination::Exchange(_) => b"x",
        };
        let digest = Sha256::new().chain_update(kind).chain_update(name).finalize();
        let seed = digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        Member { destination, seed }
    }
}

/// The hash of the empty key.
const EMPTY: u64 = 0;

/// A number for some bytes, the same on every machine and in every version: what a message reaches depends on it.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    u64::from(crc32c::crc32c(bytes))
}

/// Strings by their bytes, whole numbers by their value whatever their width, others by how they are written.
fn hash_value(value: &Value) -> u64 {
    match (value.as_bytes(), value.as_i64()) {
        (Some(bytes), _) => hash(bytes),
        (None, Some(number)) => hash(&number.to_be_bytes()),
        (None, None) => {
            let mut encoded = Vec::new();
            Table(vec![(Vec::new(), value.clone())]).encode(&mut encoded);
            hash(&encoded)
        }
    }
}

/// Spreads a number over all 64 bits: every bit of it changes about half of them (the end of splitmix64).
pub(super) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests;
