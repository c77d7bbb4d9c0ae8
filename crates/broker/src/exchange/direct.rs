//! The direct exchange: the routing key is the binding key, byte for byte.

use std::rc::Rc;

use crate::Map;
use crate::binding::{Binding, Destination};
use crate::exchange::destinations::Destinations;

/// The destinations of each key.
#[derive(Default)]
pub struct Direct {
    by_key: Map<Rc<[u8]>, Destinations>,
}

impl Direct {
    /// Counts a binding in.
    pub fn bind(&mut self, binding: &Binding) {
        self.by_key.entry(binding.key.clone()).or_default().insert(binding.destination);
    }

    /// Counts a binding out.
    pub fn unbind(&mut self, binding: &Binding) {
        if let Some(destinations) = self.by_key.get_mut(&binding.key) {
            destinations.remove(binding.destination);
            if destinations.is_empty() {
                self.by_key.remove(&binding.key);
            }
        }
    }

    /// Adds the destinations of the key.
    pub fn route(&self, key: &[u8], found: &mut Vec<Destination>) {
        if let Some(destinations) = self.by_key.get(key) {
            destinations.add_to(found);
        }
    }
}
