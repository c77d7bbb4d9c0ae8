//! Tests of `live`.
