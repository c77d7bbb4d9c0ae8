//! The `x-modulus-hash` exchange (RabbitMQ's sharding plugin, part of 4.3): each message goes along one of the bindings, which
//! the hash of its routing key modulo their number chooses.
//!
//! The bindings are in the order of their destinations' names, so that a key goes the same way after a restart. A new one
//! moves most keys: [`super::consistent_hash`] is for who minds.

use crate::binding::{Binding, BindingId, Destination};
use crate::exchange::consistent_hash::{hash, mix};

/// The bindings in the order of their destinations: exchanges before queues, each by name.
#[derive(Default)]
pub struct ModulusHash {
    bindings: Vec<Bound>,
}

struct Bound {
    id: BindingId,
    to_queue: bool,
    name: Box<str>,
    destination: Destination,
}

impl ModulusHash {
    /// Counts a binding in.
    pub fn bind(&mut self, id: BindingId, binding: &Binding, name: &str) {
        let destination = binding.destination;
        let to_queue = matches!(destination, Destination::Queue(_));
        let at = self.bindings.partition_point(|b| (b.to_queue, &*b.name) < (to_queue, name));
        self.bindings.insert(at, Bound { id, to_queue, name: name.into(), destination });
    }

    /// Counts a binding out.
    pub fn unbind(&mut self, id: BindingId) {
        if let Some(at) = self.bindings.iter().position(|bound| bound.id == id) {
            self.bindings.remove(at);
        }
    }

    /// Adds the destination of the keys: of several, all together are hashed, as on RabbitMQ.
    pub fn route(&self, keys: &[&[u8]], found: &mut Vec<Destination>) {
        let hash = keys.iter().fold(0, |sum, key| mix(sum ^ hash(key)));
        let at = hash.checked_rem(self.bindings.len() as u64);
        let bound = at.and_then(|at| self.bindings.get(at as usize));
        found.extend(bound.map(|bound| bound.destination));
    }
}
