//! What each daemon does before its own work.
