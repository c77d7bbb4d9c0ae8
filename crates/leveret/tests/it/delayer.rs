//! `leveret delayer` from outside: messages leave a queue and come back when they are due, whatever
//! happens to the delayer, its broker, its storage and its clock meanwhile.
//!
//! A story is a function of a [`world::Place`].

mod parcel;
mod process;
pub(crate) mod world;

mod clock;
mod crashes;
mod due;
mod embedded;
mod full;
mod modes;
mod outages;
mod people;
mod properties;
mod refused;
mod returning;
mod throttle;
