//! What each daemon does before its own work: settings, logging, stopping, listening, TLS, metrics.
//! It knows nothing of messages or queues.

pub mod config;
pub mod desk;
pub mod http;
pub mod listen;
pub mod log;
pub mod machine;
pub mod metrics;
pub mod shutdown;
pub mod startup;
pub mod time;
pub mod tls;
