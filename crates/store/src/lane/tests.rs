//! Tests of `lane`.
