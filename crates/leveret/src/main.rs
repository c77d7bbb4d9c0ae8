//! The command line of Leveret.
fn main() {}
