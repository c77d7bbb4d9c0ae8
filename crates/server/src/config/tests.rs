//! What the settings of the broker refuse together, and that their table is in order.

use std::collections::BTreeSet;

use service::config::{Assignment, Origin, Sources};

use super::{SETTINGS, TABLE};

/// Loads with these flags and no other source; gives the refusal, empty when there is none.
fn refusal(flags: &[(&str, &str)]) -> String {
    let flags = flags.iter().map(|(name, value)| Assignment {
        name: (*name).into(),
        values: vec![(*value).into()],
        origin: Origin::Flag(service::config::flag(name)),
    });
    let sources = Sources { flags: flags.collect(), ..Sources::default() };
    SETTINGS.load(&sources).map_or_else(|e| e.to_string(), |_| String::new())
}

fn refused(flags: &[(&str, &str)], expected: &str) {
    let found = refusal(flags);
    assert!(found.contains(expected) && !expected.is_empty(), "{flags:?}: {found:?}");
}

#[test]
fn defaults_and_complete_tls_are_taken() {
    assert_eq!(refusal(&[]), "");
    let tls = [
        ("amqps_listen", "*:5671"),
        ("tls_cert", "c"),
        ("tls_key", "k"),
        ("tls_ca", "a"),
        ("tls_verify", "verify_peer"),
        ("tls_fail_if_no_peer_cert", "true"),
    ];
    assert_eq!(refusal(&tls), "");
}

#[test]
fn what_cannot_work_is_refused_at_its_setting() {
    refused(&[("amqp_listen", "")], "--amqp-listen: nothing to listen on");
    refused(&[("amqps_listen", "*:5671")], "--amqps-listen: TLS needs");
    refused(&[("tls_cert", "c")], "--tls-cert: tls_cert and tls_key belong together");
    refused(&[("tls_key", "k")], "--tls-key: tls_cert and tls_key belong together");
    refused(&[("tls_verify", "verify_peer")], "set tls_ca");
    refused(&[("tls_fail_if_no_peer_cert", "true")], "verify_peer");
    refused(&[("cache_size", "1MiB")], "at least 4MiB");
    refused(&[("max_message_size", "1GiB")], "512MiB");
    refused(&[("max_message_size", "0")], "512MiB");
    refused(&[("max_connections", "0")], "at least 1");
    refused(&[("channel_max", "0")], "at least 1");
    refused(&[("frame_max", "4095")], "from 4096");
    refused(&[("handshake_timeout", "0")], "longer than 0");
    refused(&[("product_version", "four")], "numbers");
    refused(&[("default_pass", "")], "must not be empty");
    refused(&[("vm_memory_high_watermark", "1.4")], "fraction from 0 to 1");
}

#[test]
fn every_field_has_one_row_and_sections_stand_together() {
    let names: BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len(), "a name twice");
    let mut config = super::ServeConfig::default();
    let fields: BTreeSet<*const ()> = TABLE
        .iter()
        .map(|row| (row.field)(&mut config) as *mut dyn service::config::Field as *const ())
        .collect();
    assert_eq!(fields.len(), TABLE.len(), "two rows set one field");
    let mut sections: Vec<_> = TABLE.iter().map(|row| row.section).collect();
    sections.dedup();
    let distinct: BTreeSet<_> = sections.iter().collect();
    assert_eq!(sections.len(), distinct.len(), "{sections:?}");
    assert!(TABLE.iter().all(|row| row.doc.ends_with('.')), "a doc is not a sentence");
}
