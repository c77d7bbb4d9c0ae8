//! The destinations that one key reaches, each with the number of bindings that lead there.

use std::collections::BTreeMap;

use crate::binding::Destination;

/// A set of destinations that counts. Most keys reach one, so one is kept without an allocation; many are kept sorted, so
/// that the hundred-thousandth is still added and removed in logarithmic time.
#[derive(Default)]
pub struct Destinations(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    One(Destination, u32),
    #[expect(
        clippy::box_collection,
        reason = "there are many sets of one, which this makes smaller"
    )]
    Many(Box<BTreeMap<Destination, u32>>),
}

impl Destinations {
    /// Counts one more binding to the destination.
    pub fn insert(&mut self, destination: Destination) {
        match &mut self.0 {
            Inner::Empty => self.0 = Inner::One(destination, 1),
            Inner::One(only, count) if *only == destination => *count += 1,
            Inner::One(only, count) => {
                let many = BTreeMap::from([(*only, *count), (destination, 1)]);
                self.0 = Inner::Many(Box::new(many));
            }
            Inner::Many(many) => *many.entry(destination).or_default() += 1,
        }
    }

    /// Counts one binding less.
    pub fn remove(&mut self, destination: Destination) {
        match &mut self.0 {
            Inner::Empty => {}
            Inner::One(only, count) => {
                if *only == destination {
                    *count -= 1;
                    if *count == 0 {
                        self.0 = Inner::Empty;
                    }
                }
            }
            Inner::Many(many) => {
                if let Some(count) = many.get_mut(&destination) {
                    *count -= 1;
                    if *count == 0 {
                        many.remove(&destination);
                    }
                }
                if many.len() == 1
                    && let Some((only, count)) = many.pop_first()
                {
                    self.0 = Inner::One(only, count);
                }
            }
        }
    }

    /// Adds each destination once.
    pub fn add_to(&self, found: &mut Vec<Destination>) {
        match &self.0 {
            Inner::Empty => {}
            Inner::One(only, _) => found.push(*only),
            Inner::Many(many) => found.extend(many.keys()),
        }
    }

    /// Whether nothing is bound.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Inner::Empty)
    }
}
