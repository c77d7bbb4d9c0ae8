//! What a shard needs to know of the configuration, with everything derived that is asked per message.

use std::path::PathBuf;

use crate::config::ServeConfig;

/// Limits and names of one running broker. Sizes in bytes, times in the unit of the name.
pub(crate) struct Settings {
    pub(crate) max_message_size: u64,
    pub(crate) frame_max: u32,
    pub(crate) channel_max: u16,
    pub(crate) heartbeat_s: u16,
    pub(crate) handshake_ms: u64,
    pub(crate) max_connections: usize,
    pub(crate) product: String,
    pub(crate) version: String,
    pub(crate) cluster_name: String,
    pub(crate) data_dir: PathBuf,
    /// Resident memory that turns the memory alarm on.
    pub(crate) memory_limit: u64,
    /// Free disk that turns the disk alarm on.
    pub(crate) disk_free_limit: u64,
}

impl Settings {
    /// Reads the machine's memory for the watermark.
    pub(crate) fn new(config: &ServeConfig) -> Settings {
        let total = service::machine::total_memory(&service::machine::root());
        let total = total.unwrap_or_else(|error| {
            tracing::warn!("cannot tell the machine's memory ({error}); taking 1 GiB");
            1 << 30
        });
        Settings {
            max_message_size: config.max_message_size.0,
            frame_max: config.frame_max,
            channel_max: config.channel_max,
            heartbeat_s: config.heartbeat,
            handshake_ms: u64::try_from(config.handshake_timeout.as_millis()).unwrap_or(u64::MAX),
            max_connections: config.max_connections,
            product: config.product.clone(),
            version: config.product_version.clone(),
            cluster_name: config.cluster_name.clone(),
            data_dir: config.data_dir.clone(),
            memory_limit: config.vm_memory_high_watermark.bytes(total),
            disk_free_limit: config.disk_free_limit.0,
        }
    }
}
