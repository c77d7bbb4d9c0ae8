//! Stories about the bridge: the bus on one side, a broker on the other.

mod failing;
mod inward;
mod outward;
mod peer_kamailio;
mod world;
