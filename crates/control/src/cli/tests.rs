//! What is so of every command.

use super::commands::{all, find};
use super::session::Session;
use super::{Tool, arguments, help};
use crate::listing::Listing;

/// Commands of RabbitMQ 3.10 and 4.x that tools and people use, by tool.
const EXPECTED: &[(Tool, &str)] = &[
    (
        Tool::Ctl,
        "add_user delete_user list_users change_password authenticate_user clear_password \
         hash_password set_user_tags add_vhost delete_vhost list_vhosts restart_vhost \
         set_vhost_tags update_vhost_metadata set_permissions clear_permissions list_permissions \
         list_user_permissions set_topic_permissions clear_topic_permissions \
         list_topic_permissions list_user_topic_permissions set_policy clear_policy list_policies \
         set_operator_policy clear_operator_policy list_operator_policies set_parameter \
         clear_parameter list_parameters set_global_parameter clear_global_parameter \
         list_global_parameters set_vhost_limits clear_vhost_limits list_vhost_limits \
         set_user_limits clear_user_limits list_user_limits list_queues list_exchanges \
         list_bindings list_connections list_channels list_consumers list_unresponsive_queues \
         list_hashes purge_queue delete_queue close_connection close_all_connections \
         close_all_user_connections export_definitions import_definitions cluster_status status \
         environment join_cluster forget_cluster_node stop shutdown stop_app start_app reset \
         force_reset set_cluster_name set_log_level set_disk_free_limit \
         set_vm_memory_high_watermark wait await_startup await_online_nodes ping version report \
         trace_on trace_off list_feature_flags enable_feature_flag list_deprecated_features help \
         eval encode decode list_delayed cancel_delayed release_delayed suspend_listeners \
         resume_listeners autocomplete",
    ),
    (
        Tool::Diagnostics,
        "ping status check_running check_local_alarms check_alarms check_port_connectivity \
         check_port_listener check_protocol_listener check_virtual_hosts \
         check_certificate_expiration certificates alarms listeners memory_breakdown \
         server_version cluster_status log_tail is_booting is_running resolve_hostname \
         runtime_thread_stats discover_peers erlang_version os_env log_location observer",
    ),
    (
        Tool::Queues,
        "quorum_status rebalance add_member delete_member grow shrink peek stream_status \
         check_if_node_is_quorum_critical check_if_node_is_mirror_sync_critical",
    ),
    (Tool::Plugins, "list enable disable set is_enabled directories help version"),
];

#[test]
fn every_command_that_tools_use_is_there() {
    for (tool, names) in EXPECTED {
        for name in names.split_whitespace() {
            assert!(find(*tool, name).is_some(), "{} {name}", tool.name());
        }
    }
}

#[test]
fn no_tool_has_a_command_twice() {
    for tool in Tool::ALL {
        let mut names: Vec<_> =
            all().filter(|command| command.tools.has(tool)).map(|command| command.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}", tool.name());
    }
}

#[test]
fn every_command_is_in_its_overview() {
    for tool in Tool::ALL {
        let overview = help::overview(tool);
        for command in all().filter(|command| command.tools.has(tool)) {
            assert!(overview.contains(&format!("   {} ", command.name)), "{}", command.name);
            assert!(!command.summary.is_empty(), "{}", command.name);
            assert!(help::of(tool, command).contains(command.usage));
        }
    }
}

#[test]
fn what_a_listing_shows_are_columns_of_it() {
    for listing in Listing::ALL {
        for column in listing.shown() {
            assert!(listing.columns().contains(column), "{listing:?} {column}");
        }
    }
}

/// A node with a large log takes minutes to start, and an import of many queues as long.
#[test]
fn what_takes_long_is_waited_for() {
    for (line, timeout_s) in [
        ("start_app", None),
        ("stop_app", None),
        ("import_definitions all.json", None),
        ("start_app --timeout 5", Some(5.0)),
        ("list_queues", Some(60.0)),
        ("list_queues --timeout infinity", None),
    ] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let given = arguments::read(Tool::Ctl, &words).map_err(|failure| failure.text).unwrap();
        let session = Session::new(&given, &|_| Err(String::new()));
        assert_eq!(session.timeout_s, timeout_s, "{line}");
    }
}
