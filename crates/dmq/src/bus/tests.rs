//! Whole buses on a network of the test's own: it loses, doubles and delays packets, falls apart and
//! comes together again, and its clock runs as fast as the test does.

mod delivery;
mod kamailio;
mod membership;
mod net;
mod small_lists;
