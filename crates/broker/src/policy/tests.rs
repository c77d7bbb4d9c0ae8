//! Policies: what matches, what counts, what changes.
