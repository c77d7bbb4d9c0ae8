//! Tests of the faulty file system itself.
