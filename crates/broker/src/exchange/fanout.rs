//! The fanout exchange: every binding matches, whatever its key.

use crate::binding::Binding;
use crate::exchange::destinations::Destinations;

/// Counts a binding in.
pub fn bind(destinations: &mut Destinations, binding: &Binding) {
    destinations.insert(binding.destination);
}

/// Counts a binding out.
pub fn unbind(destinations: &mut Destinations, binding: &Binding) {
    destinations.remove(binding.destination);
}
