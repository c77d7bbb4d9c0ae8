//! Files and variables of RabbitMQ: what each key does to the settings, what is named in the log, what is refused.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use service::config::{Loaded, Sources};

use super::keys::{Does, KEYS, Key};
use crate::config::{SETTINGS, ServeConfig};

/// A directory with files, and variables.
#[derive(Default)]
struct World {
    files: Vec<(&'static str, String)>,
    variables: Vec<(&'static str, &'static str)>,
}

impl World {
    fn conf(text: &str) -> World {
        World { files: vec![("rabbitmq.conf", text.to_owned())], variables: Vec::new() }
    }

    fn with(mut self, name: &'static str, text: &str) -> World {
        self.files.push((name, text.to_owned()));
        self
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> World {
        self.variables.push((name, value));
        self
    }

    /// Loads the settings with `--config` naming `named`; paths in texts begin with `DIR`.
    fn load_named(&self, named: Option<&str>) -> Result<Loaded<ServeConfig>, String> {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        for (name, text) in &self.files {
            fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            fs::write(dir.join(name), text).unwrap();
        }
        let place = dir.to_str().unwrap();
        let variable = |(name, value): &(&str, &str)| -> (OsString, OsString) {
            (name.into(), value.replace("DIR", place).into())
        };
        let sources = Sources {
            config: named.map(|name| dir.join(name)),
            search: vec![dir.join("nowhere")],
            environment: self.variables.iter().map(variable).collect(),
            flags: Vec::new(),
        };
        let loaded =
            SETTINGS.load(&sources).map_err(|error| error.to_string().replace(place, "DIR"));
        loaded.map(|mut loaded| {
            for note in &mut loaded.notes {
                *note = note.replace(place, "DIR");
            }
            let strip = |path: &PathBuf| path.strip_prefix(dir).unwrap_or(path).to_owned();
            loaded.files = loaded.files.iter().map(strip).collect();
            loaded
        })
    }

    fn load(&self) -> Result<Loaded<ServeConfig>, String> {
        self.load_named(Some("rabbitmq.conf"))
    }
}

/// What `--print-config` says of a setting, without its origin.
fn printed(loaded: &Loaded<ServeConfig>, setting: &str) -> String {
    let all = SETTINGS.print(loaded);
    let is_it = |line: &&str| {
        let name = line.trim_start_matches("# ");
        name.strip_prefix(setting).is_some_and(|rest| rest.starts_with([' ', '=']))
    };
    let line = all.lines().find(is_it).unwrap_or_else(|| panic!("no {setting} in\n{all}"));
    let value = line.rsplit_once(" # ").map_or(line, |(value, _)| value);
    value.trim_end().trim_start_matches(setting).trim_start_matches(" = ").to_owned()
}

/// The settings whose values a file changes, as `name = value`; listening on every address goes without saying.
fn changes(text: &str) -> Vec<String> {
    let loaded = World::conf(text).load().unwrap_or_else(|error| panic!("{text}: {error}"));
    let amqp_listen = World::conf("").load().unwrap().config.amqp_listen;
    let base = ServeConfig { amqp_listen, ..ServeConfig::default() };
    let names = SETTINGS.differences(&base, &loaded.config);
    names.iter().map(|name| format!("{name} = {}", printed(&loaded, name))).collect()
}

fn notes(text: &str) -> Vec<String> {
    World::conf(text).load().unwrap().notes
}

#[track_caller]
fn refuses(text: &str, expected: &str) {
    let refused = World::conf(text).load().map(|_| ()).expect_err("it was taken");
    assert_eq!(refused, expected, "{text}");
}

/// One line of a file each, and what it does.
const EFFECTS: &[(&str, &str)] = &[
    ("listeners.tcp.default = 5673", "amqp_listen = [\"*:5673\"]"),
    ("listeners.tcp.local = 127.0.0.1:5673", "amqp_listen = [\"127.0.0.1:5673\"]"),
    ("listeners.tcp.1 = ::1:5673", "amqp_listen = [\"[::1]:5673\"]"),
    ("listeners.tcp.1 = [::1]:5673", "amqp_listen = [\"[::1]:5673\"]"),
    ("heartbeat = 20", "heartbeat = 20"),
    ("heartbeat = 0", "heartbeat = 0"),
    ("channel_max = 128", "channel_max = 128"),
    ("channel_max = 0", "channel_max = 65535"),
    ("frame_max = 8192", "frame_max = 8192"),
    ("frame_max = 0", "frame_max = 134217728"),
    ("max_message_size = 16777216", "max_message_size = \"16MiB\""),
    ("max_message_size = 32MiB", "max_message_size = \"32MiB\""),
    ("handshake_timeout = 5000", "handshake_timeout = \"5s\""),
    ("connection_max = 100", "max_connections = 100"),
    ("max_connections = 100", "max_connections = 100"),
    ("connection_max = infinity", "max_connections = 4294967295"),
    ("vm_memory_high_watermark.relative = 0.6", "vm_memory_high_watermark = 0.6"),
    ("vm_memory_high_watermark.relative = 1", "vm_memory_high_watermark = 1.0"),
    ("vm_memory_high_watermark.absolute = 2GB", "vm_memory_high_watermark = \"2GB\""),
    ("vm_memory_high_watermark.absolute = 1073741824", "vm_memory_high_watermark = \"1GiB\""),
    (
        "total_memory_available_override_value = 8GiB",
        "total_memory_available_override_value = \"8GiB\"",
    ),
    ("disk_free_limit.absolute = 1GB", "disk_free_limit = \"1GB\""),
    ("disk_free_limit.relative = 2.0", "disk_free_limit = 2.0"),
    ("disk_free_limit.relative = 1", "disk_free_limit = 1.0"),
    ("consumer_timeout = 1800000", "consumer_timeout = \"30m\""),
    ("channel_max_per_node = 500", "channel_max_per_node = 500"),
    ("consumer_max_per_channel = 10", "consumer_max_per_channel = 10"),
    ("default_queue_type = quorum", "default_queue_type = \"quorum\""),
    (
        "quorum_queue.property_equivalence.relaxed_checks_on_redeclaration = true",
        "relaxed_checks_on_redeclaration = true",
    ),
    (
        "message_interceptors.incoming.set_header_timestamp.overwrite = true",
        "set_header_timestamp = \"overwrite\"",
    ),
    (
        "message_interceptors.incoming.set_header_routing_node.overwrite = false",
        "set_header_routing_node = \"keep\"",
    ),
    ("default_user = alice", "default_user = \"alice\""),
    ("default_vhost = main", "default_vhost = \"main\""),
    ("default_user_tags.monitoring = true", "default_user_tags = [\"monitoring\"]"),
    ("default_user_tags.administrator = false", "default_user_tags = []"),
    ("default_permissions.configure = ^a", "default_permissions_configure = \"^a\""),
    ("default_permissions.read = ^a", "default_permissions_read = \"^a\""),
    ("default_permissions.write = ^a", "default_permissions_write = \"^a\""),
    ("loopback_users = none", "loopback_users = []"),
    ("loopback_users.guest = false", "loopback_users = []"),
    ("loopback_users.bob = true", "loopback_users = [\"bob\"]"),
    ("auth_mechanisms.1 = PLAIN", "auth_mechanisms = [\"PLAIN\"]"),
    ("ssl_cert_login_from = common_name", "ssl_cert_login_from = \"common_name\""),
    ("cluster_name = rabbits", "cluster_name = \"rabbits\""),
    ("product.name = Hare", "product = \"Hare\""),
    ("log.console.level = debug", "log_level = \"debug\""),
    ("log.default.level = warning", "log_level = \"warn\""),
    ("log.file.level = none", "log_level = \"off\""),
    ("log.console.formatter = json", "log_format = \"json\""),
    ("load_definitions = /etc/rabbitmq/d.json", "load_definitions = \"/etc/rabbitmq/d.json\""),
    ("definitions.local.path = /d", "load_definitions = \"/d\""),
    ("management.load_definitions = /d", "load_definitions = \"/d\""),
    ("definitions.skip_if_unchanged = true", "definitions_skip_if_unchanged = true"),
    ("prometheus.tcp.port = 15693", "metrics_listen = [\"*:15693\"]"),
    ("prometheus.tcp.ip = 10.0.0.1", "metrics_listen = [\"10.0.0.1:15692\"]"),
];

#[test]
fn keys_do_what_they_say() {
    for (line, expected) in EFFECTS {
        assert_eq!(changes(line), [*expected], "{line}");
        assert_eq!(notes(line), Vec::<String>::new(), "{line}");
    }
}

#[test]
fn every_key_that_sets_something_names_a_setting_and_is_tried() {
    for key in KEYS {
        let (Does::Sets(setting, _) | Does::Lists(setting, _) | Does::Empties(setting)) = &key.does
        else {
            continue;
        };
        let known = SETTINGS.table.iter().any(|row| row.name == *setting);
        assert!(known, "{}: there is no setting {setting}", key.name);
    }
    // Those of TLS need each other.
    let tls = changes(
        "listeners.ssl.default = 5671\nssl_options.cacertfile = /ca.pem\nssl_options.certfile = /cert.pem\n\
         ssl_options.keyfile = /key.pem\nssl_options.verify = verify_peer\n\
         ssl_options.fail_if_no_peer_cert = true\nlisteners.tcp = none\n\
         ssl_options.versions.1 = tlsv1.3",
    );
    let expected = [
        "amqp_listen = []",
        "amqps_listen = [\"*:5671\"]",
        "tls_cert = \"/cert.pem\"",
        "tls_key = \"/key.pem\"",
        "tls_ca = \"/ca.pem\"",
        "tls_verify = \"verify_peer\"",
        "tls_fail_if_no_peer_cert = true",
        "tls_versions = [\"tlsv1.3\"]",
    ];
    assert_eq!(tls, expected);
}

#[test]
fn a_password_is_set_and_not_shown() {
    let loaded = World::conf("default_pass = 'a#b c'").load().unwrap();
    assert_eq!(loaded.config.default_pass, "a#b c");
}

#[test]
fn several_keys_make_one_list() {
    let text = "listeners.tcp.a = 1001\nlisteners.tcp.b = 127.0.0.1:1002\nloopback_users.a = true\n\
                loopback_users.b = true\nloopback_users.c = false\nauth_mechanisms.1 = PLAIN\n\
                auth_mechanisms.2 = AMQPLAIN\nprometheus.tcp.ip = ::1\nprometheus.tcp.port = 9";
    let expected = [
        "amqp_listen = [\"*:1001\", \"127.0.0.1:1002\"]",
        "metrics_listen = [\"[::1]:9\"]",
        "loopback_users = [\"a\", \"b\"]",
        "auth_mechanisms = [\"PLAIN\", \"AMQPLAIN\"]",
    ];
    assert_eq!(changes(text), expected);
}

#[test]
fn a_file_says_where_its_values_stand() {
    let text = "# a comment\n\n  heartbeat=5 # short\nheartbeat =\t6\n";
    let loaded = World::conf(text).load().unwrap();
    assert_eq!(loaded.config.heartbeat, 6);
    let origin = loaded.origin("heartbeat").to_string();
    assert!(origin.ends_with("rabbitmq.conf:4"), "{origin}");
    let origin = loaded.origin("amqp_listen").to_string();
    assert!(origin.ends_with("rabbitmq.conf"), "{origin}");
}

#[test]
fn what_has_no_effect_is_named_once() {
    let rows = [
        (
            "cluster_formation.dns.hostname = x",
            "cluster_formation.dns.hostname has no effect: this is one node",
        ),
        (
            "management.tcp.port = 15672",
            "management.tcp.port has no effect: there is no management API yet",
        ),
        (
            "log.file = /var/log/x.log",
            "log.file has no effect: the log goes to stderr, and is as it is",
        ),
        (
            "mqtt.listeners.tcp.default = 1883",
            "mqtt.listeners.tcp.default has no effect: the plugin is not there",
        ),
    ];
    for (line, expected) in rows {
        assert_eq!(notes(line), [format!("DIR/rabbitmq.conf:1: {expected}")]);
        assert_eq!(changes(line), Vec::<String>::new());
    }
    let both = "vm_memory_high_watermark.absolute = 1GB\nvm_memory_high_watermark.relative = 0.5";
    assert_eq!(changes(both), ["vm_memory_high_watermark = \"1GB\""]);
    let expected = "DIR/rabbitmq.conf:2: vm_memory_high_watermark.relative has no effect beside \
                    vm_memory_high_watermark.absolute (DIR/rabbitmq.conf:1)";
    assert_eq!(notes(both), [expected]);
    let taken = "auth_backends.1 = internal\nproxy_protocol = false\nprometheus.authentication.enabled = false";
    assert_eq!(notes(taken), Vec::<String>::new());
}

#[test]
fn what_cannot_be_is_refused_with_its_line() {
    let rows = [
        ("heartbeat", "expected `key = value`, or # before a comment"),
        ("heartbeat =", "a value is missing behind `=`"),
        ("heart beat = 5", "expected `key = value`, or # before a comment"),
        ("heartbeat = '5", "the value begins with a quote that does not end"),
        ("heartbeat = '5' 6", "something stands behind the quoted value"),
        ("heartbeats = 5", "unknown setting heartbeats; did you mean heartbeat?"),
        (
            "loopback_user.guest = false",
            "unknown setting loopback_user.guest; did you mean loopback_users.$user?",
        ),
        (
            "nonsense.of.mine = 1",
            "unknown setting nonsense.of.mine; docs/rabbitmq-conf.md lists every setting",
        ),
        ("listeners.tcp = 5672", "listeners.tcp: expected none, got \"5672\""),
        (
            "listeners.tcp.default = x",
            "listeners.tcp.default: expected a port, or an address and a port, got \"x\"",
        ),
        (
            "handshake_timeout = 5s",
            "handshake_timeout: expected a number of milliseconds, got \"5s\"",
        ),
        (
            "vm_memory_high_watermark.relative = 40",
            "vm_memory_high_watermark.relative: expected a part of the memory from 0.0 to 1.0, got \"40\"",
        ),
        (
            "log.console.level = loud",
            "log.console.level: expected debug, info, notice, warning, error, critical, alert, emergency or none, got \"loud\"",
        ),
        (
            "auth_backends.1 = ldap",
            "auth_backends.1: users are those of the broker itself (internal); no other backend is there",
        ),
        (
            "prometheus.authentication.enabled = true",
            "prometheus.authentication.enabled: metrics are served without authentication: set it to false, and prometheus.tcp.ip to an address that only the scraper reaches",
        ),
        (
            "auth_mechanisms.1 = RABBIT-CR-DEMO",
            "auth_mechanisms.1: expected EXTERNAL, PLAIN or AMQPLAIN, got \"RABBIT-CR-DEMO\"",
        ),
        (
            "default_pass = encrypted:abc",
            "default_pass: encrypted values cannot be read: write $(NAME) and give the value in the variable NAME",
        ),
        ("default_user = $(NOBODY)", "$(NOBODY): there is no environment variable NOBODY"),
        (
            "heartbeat = 1000000",
            "heartbeat: expected a whole number from 0 to 65535, got \"1000000\"",
        ),
    ];
    for (line, expected) in rows {
        refuses(&format!("\n{line}"), &format!("DIR/rabbitmq.conf:2: {expected}"));
    }
    refuses(
        "[\n  {rabbit, []}\n].",
        "DIR/rabbitmq.conf:1: this is an advanced.config of Erlang terms, which cannot be \
             read: write its settings as `key = value` lines of a rabbitmq.conf",
    );
}

#[test]
fn variables_are_put_in() {
    let world = World::conf("default_user = $(WHO)\ncluster_name = at-$(WHO)-$(WHERE)!")
        .variable("WHO", "alice")
        .variable("WHERE", "home");
    let loaded = world.load().unwrap();
    assert_eq!(loaded.config.default_user, "alice");
    assert_eq!(loaded.config.cluster_name, "at-alice-home!");
}

#[test]
fn files_beside_come_after_by_name() {
    let world = World::conf("heartbeat = 1\nchannel_max = 7")
        .with("conf.d/20.conf", "heartbeat = 3")
        .with("conf.d/10.conf", "heartbeat = 2")
        .with("conf.d/30.txt", "nonsense");
    let loaded = world.load().unwrap();
    assert_eq!((loaded.config.heartbeat, loaded.config.channel_max), (3, 7));
    let expected = ["rabbitmq.conf", "conf.d/10.conf", "conf.d/20.conf"].map(PathBuf::from);
    assert_eq!(loaded.files, expected);
    let loaded = world.load_named(Some("conf.d")).unwrap();
    assert_eq!((loaded.config.heartbeat, loaded.config.channel_max), (3, 2047));
}

#[test]
fn a_file_is_recognised_by_what_it_says() {
    let rows = [
        ("settings", "listeners.tcp.default = 5673\nheartbeat = 9", true),
        ("settings", "heartbeat = 9", false),
        ("settings.toml", "heartbeat = 9", false),
        ("settings", "# nothing\n[tls]\ncert = \"a\"\nkey = \"b\"\n", false),
    ];
    for (name, text, is_rabbitmqs) in rows {
        let loaded = World::default().with(name, text).load_named(Some(name)).unwrap();
        let every = loaded.config.amqp_listen.iter().any(|listen| listen.host == "*");
        assert_eq!(every, is_rabbitmqs, "{text}");
    }
}

#[test]
fn rabbitmqs_variables_are_understood() {
    let world = World::default()
        .with("r/rabbitmq.conf", "heartbeat = 7")
        .with("r/conf.d/1.conf", "channel_max = 9")
        .variable("RABBITMQ_CONFIG_FILE", "DIR/r/rabbitmq")
        .variable("RABBITMQ_NODE_PORT", "5999")
        .variable("RABBITMQ_LOGS", "-")
        .variable("RABBITMQ_DEFAULT_USER", "eve")
        .variable("RABBITMQ_DEFAULT_PASS_FILE", "DIR/secret")
        .with("secret", "s3cret\n")
        .variable("RABBITMQ_ERLANG_COOKIE", "secret")
        .variable("RABBITMQ_USE_LONGNAME", "true")
        .variable("RABBITMQ_PORT_5672_TCP_ADDR", "10.0.0.1");
    let loaded = world.load_named(None).unwrap();
    let config = &loaded.config;
    assert_eq!((config.heartbeat, config.channel_max, &*config.default_user), (7, 9, "eve"));
    assert_eq!(config.amqp_listen[0].to_string(), "*:5999");
    assert_eq!(config.default_pass, "s3cret");
    let expected = "environment: RABBITMQ_ERLANG_COOKIE, RABBITMQ_USE_LONGNAME have no effect here";
    assert_eq!(loaded.notes, [expected]);
}

#[test]
fn an_address_alone_has_rabbitmqs_port() {
    for (address, port, expected) in [
        ("127.0.0.1", "", "127.0.0.1:5672"),
        ("::1", "", "[::1]:5672"),
        ("127.0.0.1", "5999", "127.0.0.1:5999"),
        ("", "5999", "*:5999"),
    ] {
        let world = World::default()
            .variable("RABBITMQ_NODE_IP_ADDRESS", address)
            .variable("RABBITMQ_NODE_PORT", port);
        let loaded = world.load_named(None).unwrap();
        assert_eq!(loaded.config.amqp_listen[0].to_string(), expected);
        assert_eq!(loaded.notes, <[String; 0]>::default());
    }
}

#[test]
fn every_row_can_be_reached() {
    for key in KEYS {
        let name = key.name.replace('*', "some.thing").replace('$', "");
        let found = Key::find(&name).unwrap_or_else(|| panic!("{name} is not found"));
        assert_eq!(found.name, key.name, "an earlier row hides it");
    }
}

/// What people have in a rabbitmq.conf beside what [`EFFECTS`] tries, each line commented as in an example.
const EXAMPLE: &str = "
# listeners.tcp.default = 5672
# num_acceptors.tcp = 10
# reverse_dns_lookups = true
# auth_backends.1 = rabbit_auth_backend_internal
# tcp_listen_options.backlog = 128
# tcp_listen_options.nodelay = true
# tcp_listen_options.linger.on = true
# ssl_options.honor_cipher_order = true
# ssl_options.versions.1 = tlsv1.2
# ssl_options.ciphers.1 = ECDHE-ECDSA-AES256-GCM-SHA384
# password_hashing_module = rabbit_password_hashing_sha256
# vm_memory_high_watermark_paging_ratio = 0.75
# vm_memory_calculation_strategy = rss
# cluster_partition_handling = pause_minority
# cluster_partition_handling.pause_if_all_down.nodes.1 = rabbit@a
# cluster_formation.peer_discovery_backend = rabbit_peer_discovery_k8s
# cluster_formation.classic_config.nodes.1 = rabbit@a
# cluster_formation.target_cluster_size_hint = 3
# queue_master_locator = min-masters
# queue_leader_locator = balanced
# collect_statistics_interval = 5000
# collect_statistics = fine
# raft.wal_max_size_bytes = 64000000
# net_ticktime = 60
# default_users.a.password = x
# deprecated_features.permit.transient_nonexcl_queues = true
# management.tcp.ip = 0.0.0.0
# management.cors.allow_origins.1 = https://origin-1.org
# management.path_prefix = /m
# prometheus.return_per_object_metrics = true
# log.dir = /var/log/rabbitmq
# log.file = false
# log.file.rotation.date = $D0
# log.syslog.transport = udp
# log.connection.level = warning
# log.exchange = true
# mqtt.allow_anonymous = false
# stomp.tcp.port = 61613
# stream.initial_credits = 50000
# auth_ldap.servers.1 = ldap.example.org
# auth_oauth2.resource_server_id = x
";

#[test]
fn every_line_of_an_example_is_taken_or_refused_for_a_reason() {
    for line in EXAMPLE.lines().filter_map(|line| line.strip_prefix("# ")) {
        let key = line.split_once(" = ").unwrap().0;
        match World::conf(line).load() {
            Ok(loaded) => {
                let said = loaded
                    .notes
                    .iter()
                    .all(|note| note.contains(&format!("{key} has no effect: ")));
                assert!(said && loaded.notes.len() <= 1, "{line}: {:?}", loaded.notes);
            }
            Err(why) => assert!(why.starts_with(&format!("DIR/rabbitmq.conf:1: {key}: ")), "{why}"),
        }
    }
    let silent = ["auth_backends.1 = rabbit_auth_backend_internal"];
    for line in silent {
        assert_eq!(notes(line), Vec::<String>::new());
    }
    assert_eq!(World::conf(EXAMPLE).load().unwrap().notes, Vec::<String>::new());
}

#[test]
fn random_texts_are_read_or_refused() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let alphabet: Vec<char> = "ab.=#'\"$()[] \t\n\\é%0-".chars().collect();
    for _ in 0..3_000 {
        let length = random(40);
        let text: String = (0..length).map(|_| alphabet[random(alphabet.len())]).collect();
        let _ = super::syntax::lines(Path::new("f"), &text, &[]);
    }
}
