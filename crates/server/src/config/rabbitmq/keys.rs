//! Every key of RabbitMQ's configuration that has a meaning here, and what becomes of the others.

use super::value::{
    channels, count, flag, formatter, frame, host, level, listener, mechanism, member,
    milliseconds, milliseconds_or_none, multiple, part, port, same, size, tls_version, unlimited,
};

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// As in the file. A part `$…` is any one part; `*` at the end is any parts, at least one.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) does: Does,
}

/// Reads a value, or says what was expected.
pub(crate) type Read = fn(&str) -> Result<String, String>;

/// Reads an item of a list from the key's last part and the value; none when it is no item.
pub(crate) type ReadItem = fn(&str, &str) -> Result<Option<String>, String>;

/// What a key does.
#[derive(Debug)]
pub(crate) enum Does {
    /// Gives a setting its value.
    Sets(&'static str, Read),
    /// Adds to a setting that is a list.
    Lists(&'static str, ReadItem),
    /// `none`: the list is empty.
    Empties(&'static str),
    /// Gives a setting a part of its address.
    Joins(&'static str, Part, Read),
    /// Nothing when the value is one of these, which are what happens here anyway; any other stops the
    /// start, for this reason.
    Takes(&'static [&'static str], &'static str),
    /// Nothing, for this reason.
    Nothing(&'static str),
    /// Stops the start, for this reason: without it, the broker would not do what is asked of it.
    IsRefused(&'static str),
}

/// A part of an address.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Host,
    Port,
}

use Does::{Empties, IsRefused, Joins, Lists, Nothing, Sets, Takes};

const MANAGEMENT: &str = "there is no management API yet";
const CLUSTER: &str = "this is one node";
const RUNTIME: &str = "there is no Erlang runtime";
const STORE: &str = "the store is another one";
const TUNING: &str = "there is nothing to tune here";
const RUSTLS: &str = "TLS is done by rustls, with safe ciphers and order";
const STDERR: &str = "the log goes to stderr, and is as it is";
const PLUGIN: &str = "the plugin is not there";
const INTERNAL: &[&str] = &["internal", "rabbit_auth_backend_internal"];
const BACKEND: &str = "users are those of the broker itself (internal); no other backend is there";
const STATISTICS: &str = "statistics cost nothing while nobody asks";

const fn key(name: &'static str, does: Does) -> Key {
    Key { name, does }
}

/// Of rows that name one setting the later one wins where both are given; of rows that fit one key,
/// the first.
pub(crate) const KEYS: &[Key] = &[
    // Listeners.
    key("listeners.tcp.$name", Lists("amqp_listen", listener)),
    key("listeners.tcp", Empties("amqp_listen")),
    key("listeners.ssl.$name", Lists("amqps_listen", listener)),
    key("listeners.ssl", Empties("amqps_listen")),
    key("num_acceptors.$protocol", Nothing(TUNING)),
    key("handshake_timeout", Sets("handshake_timeout", milliseconds)),
    key(
        "ssl_handshake_timeout",
        Nothing("handshake_timeout counts from the first byte, TLS included"),
    ),
    key("reverse_dns_lookups", Nothing("peers are shown by their addresses")),
    key(
        "proxy_protocol",
        Takes(
            &["false"],
            "the PROXY protocol is not spoken: let the proxy pass connections on as they are",
        ),
    ),
    key("tcp_listen_options.nodelay", Nothing("it is always on")),
    key("tcp_listen_options.*", Nothing("the system's own values are good")),
    key("tcp_listen_options", Nothing("the system's own values are good")),
    key("socket_writer.gc_threshold", Nothing(RUNTIME)),
    // TLS.
    key("ssl_options.cacertfile", Sets("tls_ca", same)),
    key("ssl_options.certfile", Sets("tls_cert", same)),
    key("ssl_options.keyfile", Sets("tls_key", same)),
    key("ssl_options.verify", Sets("tls_verify", same)),
    key("ssl_options.fail_if_no_peer_cert", Sets("tls_fail_if_no_peer_cert", flag)),
    key("ssl_options.versions.$version", Lists("tls_versions", tls_version)),
    key(
        "ssl_options.password",
        IsRefused(
            "the private key must not be encrypted: write it without a password, readable for the broker only",
        ),
    ),
    key("ssl_options.cacerts.$name", IsRefused("name a PEM file with ssl_options.cacertfile")),
    key("ssl_options.cert", IsRefused("name a PEM file with ssl_options.certfile")),
    key("ssl_options.key.$kind", IsRefused("name a PEM file with ssl_options.keyfile")),
    key("ssl_options.*", Nothing(RUSTLS)),
    key("ssl_options", Nothing(RUSTLS)),
    key("ssl_allow_poodle_attack", Nothing(RUSTLS)),
    key("ssl_cert_login_from", Sets("ssl_cert_login_from", same)),
    key("ssl_cert_login_san_type", Nothing("a certificate names its user by its subject")),
    key("ssl_cert_login_san_index", Nothing("a certificate names its user by its subject")),
    // Users.
    key("loopback_users.$user", Lists("loopback_users", member)),
    key("loopback_users", Empties("loopback_users")),
    key("anonymous_login_user", Nothing("there is no login without a name")),
    key("anonymous_login_pass", Nothing("there is no login without a name")),
    key("default_user", Sets("default_user", same)),
    key("default_pass", Sets("default_pass", same)),
    key("default_vhost", Sets("default_vhost", same)),
    key("default_user_tags.$tag", Lists("default_user_tags", member)),
    key("default_permissions.configure", Sets("default_permissions_configure", same)),
    key("default_permissions.write", Sets("default_permissions_write", same)),
    key("default_permissions.read", Sets("default_permissions_read", same)),
    key("default_users.*", IsRefused("declare users in definitions: load_definitions = FILE")),
    key(
        "default_policies.*",
        IsRefused("declare policies in definitions: load_definitions = FILE"),
    ),
    key("default_limits.*", IsRefused("declare limits in definitions: load_definitions = FILE")),
    key("auth_mechanisms.$name", Lists("auth_mechanisms", mechanism)),
    key("auth_backends.$num", Takes(INTERNAL, BACKEND)),
    key("auth_backends.$num.$what", Takes(INTERNAL, BACKEND)),
    key("password_hashing_module", Nothing("passwords are hashed by SHA-256, as is its default")),
    key("credential_validator.*", Nothing("passwords are not judged")),
    // Limits.
    key("vm_memory_high_watermark.relative", Sets("vm_memory_high_watermark", part)),
    key("vm_memory_high_watermark.absolute", Sets("vm_memory_high_watermark", size)),
    key("vm_memory_high_watermark_paging_ratio", Nothing("messages are on disk from the start")),
    key("vm_memory_calculation_strategy", Nothing("memory is what the system counts (rss)")),
    key("memory_monitor_interval", Nothing("memory is looked at twice a second")),
    key(
        "total_memory_available_override_value",
        Sets("total_memory_available_override_value", size),
    ),
    key("disk_free_limit.relative", Sets("disk_free_limit", multiple)),
    key("disk_free_limit.absolute", Sets("disk_free_limit", size)),
    key("disk_monitor.*", Nothing("the disk is looked at twice a second")),
    key("max_message_size", Sets("max_message_size", size)),
    key("connection_max", Sets("max_connections", count)),
    key("max_connections", Sets("max_connections", count)),
    key("channel_max_per_node", Sets("channel_max_per_node", unlimited)),
    key("consumer_max_per_channel", Sets("consumer_max_per_channel", unlimited)),
    key("consumer_timeout", Sets("consumer_timeout", milliseconds_or_none)),
    key("vhost_max", Nothing("virtual hosts are not limited")),
    key("cluster_queue_limit", Nothing("queues are limited by virtual host")),
    key("cluster_exchange_limit", Nothing("exchanges are not limited")),
    // Protocol.
    key("heartbeat", Sets("heartbeat", same)),
    key("frame_max", Sets("frame_max", frame)),
    key("initial_frame_max", Nothing("frames before the login have a limit of their own")),
    key("channel_max", Sets("channel_max", channels)),
    key(
        "message_interceptors.incoming.set_header_timestamp.overwrite",
        Sets("set_header_timestamp", flag),
    ),
    key(
        "message_interceptors.incoming.set_header_routing_node.overwrite",
        Sets("set_header_routing_node", flag),
    ),
    key("message_interceptors.*", IsRefused("there is no such message interceptor")),
    key("product.name", Sets("product", same)),
    key("product.version", Sets("product_version", same)),
    key("cluster_name", Sets("cluster_name", same)),
    key("cluster_tags.$tag", Nothing(CLUSTER)),
    key("node_tags.$tag", Nothing(CLUSTER)),
    key("motd_file", Nothing("there is no message of the day")),
    // Definitions.
    key(
        "definitions.import_backend",
        Takes(&["local_filesystem", "local"], "definitions are loaded from files: remove the key"),
    ),
    key("management.load_definitions", Sets("load_definitions", same)),
    key("definitions.local.path", Sets("load_definitions", same)),
    key("load_definitions", Sets("load_definitions", same)),
    key("definitions.skip_if_unchanged", Sets("definitions_skip_if_unchanged", flag)),
    key("definitions.hashing.algorithm", Nothing("whether definitions changed is told by SHA-256")),
    key(
        "definitions.https.url",
        IsRefused(
            "definitions are loaded from files: fetch the file before the start, and name it with load_definitions",
        ),
    ),
    key("definitions.https.*", Nothing("definitions are loaded from files")),
    key("definitions.tls.*", Nothing("definitions are loaded from files")),
    // The log.
    key("log.file.level", Sets("log_level", level)),
    key("log.default.level", Sets("log_level", level)),
    key("log.level", Sets("log_level", level)),
    key("log.console.level", Sets("log_level", level)),
    key("log.file.formatter", Sets("log_format", formatter)),
    key("log.formatter", Sets("log_format", formatter)),
    key("log.console.formatter", Sets("log_format", formatter)),
    key("log.*", Nothing(STDERR)),
    // Metrics.
    key("prometheus.tcp.ip", Joins("metrics_listen", Part::Host, host)),
    key("prometheus.tcp.port", Joins("metrics_listen", Part::Port, port)),
    key(
        "prometheus.ssl.*",
        IsRefused("metrics are served without TLS: let a proxy do it, or remove the key"),
    ),
    key(
        "prometheus.authentication.enabled",
        Takes(
            &["false"],
            "metrics are served without authentication: set it to false, and prometheus.tcp.ip to an address that only the scraper reaches",
        ),
    ),
    key("prometheus.*", Nothing("metrics are served in one form, at /metrics")),
    key("collect_statistics", Nothing(STATISTICS)),
    key("collect_statistics_interval", Nothing(STATISTICS)),
    // Queues.
    key("classic_queue.default_version", Nothing(STORE)),
    key("queue_leader_locator", Nothing(CLUSTER)),
    key("queue_master_locator", Nothing(CLUSTER)),
    key("default_queue_type", Sets("default_queue_type", same)),
    key(
        "quorum_queue.property_equivalence.relaxed_checks_on_redeclaration",
        Sets("relaxed_checks_on_redeclaration", flag),
    ),
    key("quorum_queue.*", Nothing("a quorum queue has one member, and nothing to tune")),
    key("queue_index_embed_msgs_below", Nothing(STORE)),
    key("msg_store_file_size_limit", Nothing(STORE)),
    key("message_store_shutdown_timeout", Nothing(STORE)),
    key("default_worker_pool_size", Nothing(TUNING)),
    key("delegate_count", Nothing(TUNING)),
    key("vhost_restart_strategy", Nothing("virtual hosts do not fail one by one")),
    key("mirroring_sync_batch_size", Nothing(CLUSTER)),
    key("mirroring_sync_max_throughput", Nothing(CLUSTER)),
    key("stream.*", Nothing(PLUGIN)),
    // Clusters.
    key("cluster_partition_handling", Nothing(CLUSTER)),
    key("cluster_partition_handling.*", Nothing(CLUSTER)),
    key("cluster_formation.*", Nothing(CLUSTER)),
    key("cluster_keepalive_interval", Nothing(CLUSTER)),
    key("net_ticktime", Nothing(CLUSTER)),
    key("distribution.*", Nothing(CLUSTER)),
    key("raft.*", Nothing(CLUSTER)),
    key("khepri.*", Nothing(CLUSTER)),
    key("mnesia_table_loading_retry_timeout", Nothing(CLUSTER)),
    key("mnesia_table_loading_retry_limit", Nothing(CLUSTER)),
    // The runtime.
    key("erlang.*", Nothing(RUNTIME)),
    key("hipe_compile", Nothing(RUNTIME)),
    key("background_gc_enabled", Nothing(RUNTIME)),
    key("background_gc_target_interval", Nothing(RUNTIME)),
    key("runtime.*", Nothing(RUNTIME)),
    key("sysmon_handler.*", Nothing(RUNTIME)),
    key("deprecated_features.permit.$feature", Nothing("what RabbitMQ deprecates works here")),
    // Plugins.
    key("management.*", Nothing(MANAGEMENT)),
    key("management_agent.*", Nothing(MANAGEMENT)),
    key("mqtt.*", Nothing(PLUGIN)),
    key("web_mqtt.*", Nothing(PLUGIN)),
    key("stomp.*", Nothing(PLUGIN)),
    key("web_stomp.*", Nothing(PLUGIN)),
    key("amqp1_0.*", Nothing(PLUGIN)),
    key("shovel.*", Nothing(PLUGIN)),
    key("federation.*", Nothing(PLUGIN)),
    key("aws.*", Nothing(PLUGIN)),
    key("event_exchange.*", Nothing("events go to the virtual host /")),
    key("tracing.*", Nothing(PLUGIN)),
    key("trust_store.*", Nothing(PLUGIN)),
    key("auth_cache.*", Nothing(PLUGIN)),
    key("auth_http.*", Nothing(PLUGIN)),
    key("auth_ldap.*", Nothing(PLUGIN)),
    key("auth_oauth2.*", Nothing(PLUGIN)),
];

impl Key {
    /// The row for a key of a file.
    pub(super) fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.fits(name))
    }

    fn fits(&self, name: &str) -> bool {
        let (mut pattern, mut parts) = (self.name.split('.'), name.split('.'));
        loop {
            match (pattern.next(), parts.next()) {
                (Some("*"), rest) => return rest.is_some(),
                (Some(wanted), Some(part)) if wanted == part || wanted.starts_with('$') => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }
}

/// The place of a row in the table.
pub(super) fn row(key: &'static Key) -> usize {
    KEYS.iter().position(|row| std::ptr::eq(row, key)).unwrap_or(0)
}
