//! Sections and settings of triggers: what is read, refused, looked up and printed.

mod refusals;
mod sources;

use std::ffi::OsString;
use std::fs;

use service::config::{Scalar, Setting, Sources};

use super::*;

/// The outside of one test: files in a directory of its own, and variables. `DIR` stands for it.
#[derive(Default, Clone, Copy)]
struct World<'a> {
    files: &'a [(&'a str, &'a str)],
    variables: &'a [(&'a str, &'a str)],
}

/// A queue and a pipeline, as every trigger needs them.
const NEEDED: &str = "queue = \"q\"\nhttp.url = \"http://h/\"\n";

impl World<'_> {
    /// What `then` makes of it, or the refusal.
    fn with(
        &self,
        then: impl FnOnce(&Sources) -> Result<String, service::config::ConfigError>,
    ) -> String {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().to_str().unwrap();
        for (name, text) in self.files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("DIR", dir)).unwrap();
        }
        let variable = |(name, value): &(&str, &str)| -> (OsString, OsString) {
            (name.into(), value.replace("DIR", dir).into())
        };
        let sources = Sources {
            search: vec![directory.path().into()],
            environment: self.variables.iter().map(variable).collect(),
            ..Sources::default()
        };
        then(&sources).unwrap_or_else(|refusal| refusal.to_string()).replace(dir, "DIR")
    }

    fn printed(&self) -> String {
        self.with(|sources| Ok(Sections::alone(sources)?.print()))
    }

    /// The line of `--print-config` about a setting of the last section, with single spaces.
    fn line(&self, setting: &str) -> String {
        let printed = self.printed();
        let is_it = |line: &&str| {
            let line = line.trim_start_matches("# ");
            line.strip_prefix(setting).is_some_and(|rest| rest.starts_with(' '))
        };
        let line = printed.lines().rev().find(is_it).unwrap_or(&printed);
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn resolved(&self, then: impl FnOnce(Set) -> String) -> String {
        self.with(|sources| Ok(then(Sections::alone(sources)?.resolve(None)?)))
    }
}

/// A file with one trigger that has what it needs, and `settings`.
fn one(settings: &str) -> String {
    format!("[trigger.t]\n{NEEDED}{settings}\n")
}

#[track_caller]
fn refused(file: &str, expected: &str) {
    let world = World { files: &[("trigger.toml", file)], ..World::default() };
    assert_eq!(world.resolved(|set| format!("{set:?}")), expected);
}

/// One value of each row that is not its default, as TOML and as it is printed.
const VALUES: &[(&str, &str)] = &[
    ("broker", "\"main\""),
    ("account", "\"shop\""),
    ("hostname", "\"rabbit\""),
    ("port", "5673"),
    ("virtual_host", "\"v\""),
    ("queue", "\"orders\""),
    ("auto_acknowledge", "true"),
    ("wire_no_ack", "true"),
    ("consumers", "7"),
    ("size", "\"large\""),
    ("prefetch", "70"),
    ("maximum_timeout_ms", "1000"),
    ("expiration_ms", "0"),
    ("on_expire", "\"dead-letter\""),
    ("drain_timeout_ms", "5"),
    ("allow_redelivery", "true"),
    ("refuse_redelivered", "false"),
    ("redelivery_max_attempts", "9"),
    ("redelivery_mode", "\"delay-queue\""),
    ("redelivery_backoff_ms", "[10, 20]"),
    ("redelivery_jitter", "0.5"),
    ("redelivery_queue", "\"wait.{ms}\""),
    ("redelivery_declare", "true"),
    ("dead_letter_mode", "\"publish\""),
    ("dead_letter_exchange", "\"dlx\""),
    ("dead_letter_routing_key", "\"dead\""),
    ("binary_message", "true"),
    ("max_message_bytes", "\"1MiB\""),
    ("profile", "\"cloudevents-binary\""),
    ("headers", "\"typed\""),
    ("int64", "\"string\""),
    ("omit_missing", "true"),
    ("timestamp_unit", "\"ms\""),
    ("on_invalid_text", "\"replace\""),
    ("decompress", "true"),
    ("cloudevents_type", "\"shop.order\""),
    ("lambda_arn", "\"arn:aws:mq:x\""),
    ("ordering_key", "\"headers.customer\""),
    ("rate_limit_per_s", "2.5"),
    ("rate_limit_burst", "3"),
    ("breaker_failures", "0"),
    ("breaker_open_ms", "100"),
    ("idempotency_key", "\"message_id\""),
    ("idempotency_ttl_s", "60"),
    ("reply_enabled", "true"),
    ("http_url", "\"https://svc/hook?a=1\""),
    ("http_method", "\"PUT\""),
    ("http_connect_timeout_ms", "10"),
    ("http_static_headers", "[\"X-Tenant: blue, green\", \"X-Two: 2\"]"),
    ("http_pass_headers", "[\"x-region\"]"),
    ("http_follow_redirects", "true"),
    ("http_max_response_bytes", "\"1KiB\""),
    ("http_read_response", "false"),
    ("http_auth_basic_username", "\"u\""),
    ("http_auth_basic_password", "{ file = \"/p\" }"),
    ("http_auth_bearer", "{ env = \"TOKEN\" }"),
    ("http_auth_oauth2_token_url", "\"https://id/token\""),
    ("http_auth_oauth2_client_id", "\"c\""),
    ("http_auth_oauth2_client_secret", "{ file = \"/s\" }"),
    ("http_auth_oauth2_scope", "\"a b\""),
    ("http_tls_ca", "\"ca.pem\""),
    ("http_tls_cert", "\"c.pem\""),
    ("http_tls_key", "\"k.pem\""),
    ("http_sign_standard_webhooks", "{ file = \"/k\" }"),
    ("http_net_deny", "[\"private\", \"10.0.0.0/8\"]"),
    ("http_net_allow_private", "false"),
    ("http_net_pin_dns", "false"),
    ("command_argv", "[\"/bin/sh\", \"-c\", \"echo a,b\"]"),
    ("command_stdin", "\"body\""),
    ("command_exit_preset", "\"corvus\""),
    ("command_exit_codes", "[\"3=dead-letter\", \"4=requeue\"]"),
    ("command_max_output_bytes", "\"2MiB\""),
    ("command_kill_after_ms", "1"),
    ("command_directory", "\"/tmp\""),
    ("command_environment", "[\"A=1,2\", \"B\"]"),
];

/// Reads one row alone, without the checks of what belongs together.
fn read(row: &'static Setting<TriggerConfig>, toml: &str) -> TriggerConfig {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.toml");
    fs::write(&file, format!("{} = {toml}\n", row.name)).unwrap();
    let settings = service::config::Settings { check: |_| Ok(()), ..TRIGGER };
    let sources = Sources { config: Some(file), ..Sources::default() };
    settings.load(&sources).unwrap().config
}

#[test]
fn every_setting_reads_and_prints_its_value() {
    let names: Vec<&str> = TRIGGER.table.iter().map(|row| row.name).collect();
    assert_eq!(VALUES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    for (row, (_, toml)) in TRIGGER.table.iter().zip(VALUES) {
        let mut config = read(row, toml);
        assert_eq!((row.field)(&mut config).toml().as_deref(), Some(*toml), "{}", row.name);
        assert_eq!(TRIGGER.differences(&config, &TriggerConfig::default()), [row.name]);
        // The same as a table: [redelivery] max_attempts.
        if let Some((table, key)) = row.name.split_once('_') {
            let file = one(&format!("[trigger.u.{table}]\n{key} = {toml}"));
            let world = World { files: &[("trigger.toml", &file)], ..World::default() };
            let printed = world.printed();
            assert!(!printed.contains("unknown setting"), "{}: {printed}", row.name);
        }
    }
}

#[test]
fn words_numbers_and_keys_are_read_strictly() {
    for (setting, toml, expected) in [
        (
            "on_expire",
            "\"never\"",
            "expected one of auto, requeue, dead-letter, drop, got \"never\"",
        ),
        ("consumers", "-1", "expected a whole number from 0 to 65535, got \"-1\""),
        ("consumers", "1.5", "expected a whole number from 0 to 65535, got \"1.5\""),
        (
            "expiration_ms",
            "\"10s\"",
            "expected a whole number from 0 to 9223372036854775807, got \"10s\"",
        ),
        ("redelivery_jitter", "nan", "expected a number such as 0.5, got \"nan\""),
        ("auto_acknowledge", "\"yes\"", "expected true or false, got \"yes\""),
        (
            "max_message_bytes",
            "\"5 parsecs\"",
            "expected a size such as \"64MiB\" or \"50MB\", got \"5 parsecs\"",
        ),
        (
            "ordering_key",
            "\"headers.\"",
            "expected message_id, correlation_id, routing_key or headers.NAME, got \"headers.\"",
        ),
        ("http_static_headers", "[\"novalue\"]", "expected headers such as \"X-Tenant: blue\""),
        (
            "command_exit_codes",
            "[\"3\"]",
            "expected exit codes such as \"3=dead-letter\", got \"3\"",
        ),
        ("command_exit_codes", "[\"3=ok\", \"3=drop\"]", "the exit code 3 is there twice"),
        (
            "command_exit_codes",
            "[\"3=explode\"]",
            "expected one of ok, retry, dead-letter, requeue, drop, got \"explode\"",
        ),
        ("queue", "[\"a\", \"b\"]", "expected one value, got 2"),
    ] {
        let file = format!("[trigger.t]\n{setting} = {toml}\n");
        refused(&file, &format!("DIR/trigger.toml:2: [trigger.t] {setting}: {expected}"));
    }
}

#[test]
fn the_seeds_own_names_mean_the_same() {
    let names = [
        ("api_keys", "consumers", "20"),
        ("maximum_timeout", "maximum_timeout_ms", "30000"),
        ("expiration", "expiration_ms", "7"),
        ("allow_redelivery_of_messages", "allow_redelivery", "true"),
    ];
    for (name, row, value) in names {
        let file = one(&format!("{name} = {value}"));
        let world = World { files: &[("trigger.toml", &file)], ..World::default() };
        assert_eq!(world.line(row), format!("{row} = {value} # DIR/trigger.toml:4"));
        refused(
            &one(&format!("{name} = {value}\n{row} = {value}")),
            &format!("DIR/trigger.toml:5: {row} is already set in line 4"),
        );
    }
}

#[test]
fn a_size_stands_for_consumers() {
    let numbers = |settings: &str| {
        let file = one(settings);
        World { files: &[("trigger.toml", &file)], ..World::default() }.resolved(|set| {
            let trigger = &set.triggers[0].trigger;
            format!("{} {}", trigger.consumers, trigger.prefetch)
        })
    };
    assert_eq!(numbers(""), "10 10");
    assert_eq!(numbers("size = \"medium\""), "20 20");
    assert_eq!(numbers("size = \"large\"\nprefetch = 50"), "40 50");
    assert_eq!(
        numbers("size = \"small\"\nconsumers = 10"),
        "DIR/trigger.toml:4: [trigger.t] size: consumers says the same: remove one of them"
    );
    assert_eq!(
        numbers("size = \"large\"\nprefetch = 20"),
        "DIR/trigger.toml:5: [trigger.t] prefetch: fewer messages than runs at the same time: 0, or \
         at least 40"
    );
}

#[test]
fn everything_printed_reads_back() {
    let file = "listen = []\nthreads = 2\nallow_inline_secrets = true\n\
                [account.shop]\nusername = \"u\"\npassword = { env = \"SECRET\" }\n\
                [broker.main]\nhosts = [\"a:1\", \"b\"]\naccount = \"shop\"\n\
                [trigger.t]\nqueue = \"q\"\nsize = \"large\"\ncommand = { argv = [\"/bin/cat\", \"x,y\"] }\n";
    let world = World { files: &[("trigger.toml", file)], ..World::default() };
    let directory = tempfile::tempdir().unwrap();
    let printed = world.printed();
    fs::write(directory.path().join("trigger.toml"), &printed).unwrap();
    let sources = Sources { search: vec![directory.path().into()], ..Sources::default() };
    let again = Sections::alone(&sources).unwrap();
    let values = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split(" # ").next().unwrap_or_default().trim().into())
            .collect()
    };
    assert_eq!(values(&again.print()), values(&printed));
    let printed = World { files: &[("trigger.toml", &printed)], variables: &[("SECRET", "x")] };
    assert_eq!(printed.resolved(|set| set.triggers[0].trigger.consumers.to_string()), "40");
}

#[test]
fn every_row_has_words_of_its_own() {
    fn check<C: Default + Clone>(settings: &service::config::Settings<C>) {
        for row in settings.table {
            assert!(row.doc.ends_with('.'), "{}", row.name);
            assert!(!row.name.contains('-'), "{}", row.name);
        }
    }
    check(&TRIGGERS);
    check(&TRIGGER);
    check(&BROKER);
    check(&ACCOUNT);
    assert_eq!(PipelineSize::parse("LARGE").unwrap().consumers(), 40);
}
