//! The `x-random` exchange: each message goes along one of the bindings, whatever its key. A destination that is bound
//! twice gets twice as much.

use crate::binding::{Binding, BindingId, Destination};
use crate::exchange::consistent_hash::mix;

/// All bindings.
#[derive(Default)]
pub struct Random {
    bindings: Vec<(BindingId, Destination)>,
}

impl Random {
    /// Counts a binding in.
    pub fn bind(&mut self, id: BindingId, binding: &Binding) {
        self.bindings.push((id, binding.destination));
    }

    /// Counts a binding out.
    pub fn unbind(&mut self, id: BindingId) {
        if let Some(at) = self.bindings.iter().position(|(other, _)| *other == id) {
            self.bindings.swap_remove(at);
        }
    }

    /// Adds the destination of one binding.
    pub fn route(&self, dice: &mut Dice, found: &mut Vec<Destination>) {
        let drawn = dice.below(self.bindings.len());
        found.extend(self.bindings.get(drawn).map(|(_, destination)| *destination));
    }
}

/// Numbers that look random and follow from a seed: so a test or a simulation can be repeated. Nothing depends on nobody
/// guessing them.
pub struct Dice(u64);

impl Dice {
    /// Numbers that follow from the first bytes of the seed.
    pub fn new(seed: [u8; 32]) -> Dice {
        let [a, b, c, d, e, f, g, h, ..] = seed;
        Dice(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// A number from 0 to `count - 1`, all equally likely; 0 when there is none.
    pub fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        ((u128::from(mix(self.0)) * count as u128) >> 64) as usize
    }
}
