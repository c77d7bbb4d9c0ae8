//! Messages that wait for their time in exchanges of type `x-delayed-message`.
/// Names the waiting room of one delayed exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RoomId(pub(crate) u32);
