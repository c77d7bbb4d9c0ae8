//! What a shard needs to know of the configuration, with everything derived that is asked per message.

use std::path::PathBuf;

use crate::config::ServeConfig;
use crate::config::mechanism::Mechanism;
use crate::config::timeout_action::TimeoutAction;

/// Limits and names of one running broker. Sizes in bytes, times in the unit of the name.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) max_message_size: u64,
    pub(crate) frame_max: u32,
    pub(crate) channel_max: u16,
    pub(crate) heartbeat_s: u16,
    pub(crate) handshake_ms: u64,
    pub(crate) max_connections: usize,
    /// Channels of all connections; 0 is no limit.
    pub(crate) channel_max_per_node: usize,
    /// 0 is no limit.
    pub(crate) consumer_max_per_channel: usize,
    /// 0 is for ever.
    pub(crate) consumer_timeout_ms: u64,
    pub(crate) consumer_timeout_action: TimeoutAction,
    pub(crate) product: String,
    pub(crate) version: String,
    pub(crate) cluster_name: String,
    /// The same without what was set while the node ran.
    pub(crate) own_cluster_name: String,
    /// How clients may log in, in the order in which they are offered it.
    pub(crate) mechanisms: Vec<Mechanism>,
    pub(crate) data_dir: PathBuf,
    /// The memory that parts are counted from, where a setting says so.
    pub(crate) memory_total: Option<u64>,
    /// Resident memory that turns the memory alarm on.
    pub(crate) memory_limit: u64,
    /// Free disk that turns the disk alarm on.
    pub(crate) disk_free_limit: u64,
}

impl Settings {
    /// Reads the machine's memory for the watermark.
    pub(crate) fn new(config: &ServeConfig) -> Settings {
        let measured = || {
            let total = service::machine::total_memory(&service::machine::root());
            total.unwrap_or_else(|error| {
                tracing::warn!("cannot tell the machine's memory ({error}); taking 1 GiB");
                1 << 30
            })
        };
        let given = config.total_memory_available_override_value;
        let total = given.map_or_else(measured, |size| size.0);
        Settings {
            max_message_size: config.max_message_size.0,
            frame_max: config.frame_max,
            channel_max: config.channel_max,
            heartbeat_s: config.heartbeat,
            handshake_ms: u64::try_from(config.handshake_timeout.as_millis()).unwrap_or(u64::MAX),
            max_connections: config.max_connections,
            channel_max_per_node: config.channel_max_per_node,
            consumer_max_per_channel: config.consumer_max_per_channel,
            consumer_timeout_ms: u64::try_from(config.consumer_timeout.as_millis())
                .unwrap_or(u64::MAX),
            consumer_timeout_action: config.consumer_timeout_action,
            product: config.product.clone(),
            version: config.product_version.clone(),
            cluster_name: config.cluster_name.clone(),
            own_cluster_name: config.cluster_name.clone(),
            data_dir: config.data_dir.clone(),
            memory_total: given.map(|size| size.0),
            memory_limit: config.vm_memory_high_watermark.bytes(total),
            disk_free_limit: config.disk_free_limit.bytes(total),
            mechanisms: config.auth_mechanisms.clone(),
        }
    }
}
