//! What listings look like.
