//! Tests of the codec as a whole: round trips, hostile input, and another codec as the oracle.
#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod differential;
mod fuzz;
mod generate;
mod oracle;
mod round_trip;
