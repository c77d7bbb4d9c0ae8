//! Tests of `chunk`.
