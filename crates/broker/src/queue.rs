//! One queue: a deterministic state machine driven by commands that carry the time.
