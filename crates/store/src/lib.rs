//! The node's one durable log.
