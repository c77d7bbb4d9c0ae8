//! Every setting by every way, and what the odd values mean.

use std::net::IpAddr;

use service::config::flag;

use super::*;

/// One value of each row that is not its default, as TOML and as it is printed.
const VALUES: &[(&str, &str)] = &[
    ("server_address", "\"sip:[2001:db8::1]:5061;transport=tls\""),
    ("server_socket", "\"tls:127.0.0.1:0\""),
    ("notification_address", "[\"sip:a:5070\", \"sip:b;transport=tcp\"]"),
    ("multi_notify", "true"),
    ("notification_channel", "\"gossip\""),
    ("ping_interval", "5"),
    ("ping_timeout_ms", "100"),
    ("remove_inactive", "false"),
    ("fail_count_threshold_not_active", "2"),
    ("fail_count_threshold_disabled", "3"),
    ("nodes_max", "28"),
    ("leave_timeout_ms", "0"),
    ("num_workers", "8"),
    ("worker_usleep", "1000"),
    ("queue_messages_max", "5"),
    ("fr_timer_ms", "2000"),
    ("t1_ms", "50"),
    ("t2_ms", "800"),
    ("allow", "[\"192.0.2.0/24\", \"2001:db8::/32\"]"),
    ("body_bytes_max", "\"1MiB\""),
    ("tls_ca_file", "\"ca.pem\""),
    ("tls_cert_file", "\"cert.pem\""),
    ("tls_key_file", "\"key.pem\""),
    ("tls_names", "[\"node-a.example\"]"),
    ("peers", "[\"events\", \"a.b\"]"),
    ("replicated_peer", "\"sip\""),
    ("htable", "[\"*\", \"calls=>autoexpire=60;updateexpire=0\"]"),
    ("htable_bytes_max", "\"1GiB\""),
    ("bridge_peers", "[\"*\"]"),
    ("bridge_broker", "\"amqps://u:***@h:5671/v\""),
    ("bridge_exchange", "\"bus\""),
    ("bridge_queue", "\"\""),
    ("bridge_confirm", "false"),
    ("bridge_timeout_ms", "1"),
    ("bridge_prefetch", "7"),
    ("bridge_waiting_max", "9"),
    ("listen", "[]"),
    ("log_level", "\"debug\""),
    ("log_format", "\"json\""),
];

/// The password of a broker, which is never printed.
const SECRET: &str = "hunter2";

/// What a value that was set is printed as.
fn shown(name: &str, toml: &str) -> String {
    if toml.contains("***") { format!("# {name} = {toml}") } else { format!("{name} = {toml}") }
}

#[test]
fn every_setting_comes_from_file_variable_and_flag() {
    let names: Vec<&str> = DMQ.table.iter().map(|row| row.name).collect();
    assert_eq!(VALUES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    for (name, toml) in VALUES {
        let given = toml.replace("***", SECRET);
        // The others that it needs, which flags win over.
        let others = "server_address = \"sip:[::1];transport=tls\"\ntls_cert_file = \"c\"\n\
                      tls_key_file = \"k\"\ntls_ca_file = \"a\"\nnotification_address = \"sip:n\"\n";
        let others: String =
            others.split_inclusive('\n').filter(|l| !l.starts_with(name)).collect();
        let text = given.replace(['"', '[', ']'], "").replace(", ", ",");
        let text = if given.starts_with("\"sip:[") { given.replace('"', "") } else { text };
        let by_file = format!("{others}{name} = {given}\n");
        let line = World { files: &[("dmq.toml", &by_file)], ..World::default() }.line(name);
        let at = by_file.lines().count();
        assert_eq!(line, format!("{} # DIR/dmq.toml:{at}", shown(name, toml)));
        let world = World { files: &[("dmq.toml", &others)], ..World::default() };
        let variable = format!("LEVERET_DMQ_{}", name.to_uppercase());
        let variables = [(&*variable, &*text)];
        let line = World { variables: &variables, ..world }.line(name);
        assert_eq!(line, format!("{} # environment {variable}", shown(name, toml)));
        let flag = format!("{}={text}", flag(name));
        let line = World { line: &[&flag], ..world }.line(name);
        let flag = flag.split('=').next().unwrap();
        assert_eq!(line, format!("{} # flag {flag}", shown(name, toml)));
    }
}

#[test]
fn a_table_is_the_first_part_of_a_name_and_so_is_dmq() {
    let file = "[dmq]\nserver.address = 'sip:h'\n[dmq.bridge]\npeers = ['*']\n";
    let world = World { files: &[("dmq.toml", file)], ..World::default() };
    assert_eq!(world.line("server_address"), "server_address = \"sip:h:5060\" # DIR/dmq.toml:2");
    assert_eq!(world.line("bridge_peers"), "bridge_peers = [\"*\"] # DIR/dmq.toml:4");
    let file = "server_address = 'sip:h'\n[dmq]\nserver_address = 'sip:i'\n";
    assert_eq!(
        World { files: &[("dmq.toml", file)], ..World::default() }.printed(),
        "DIR/dmq.toml:3: server_address is already set in line 1"
    );
}

#[test]
fn files_are_read_in_their_order() {
    let files = [
        ("dmq.toml", "server_address = 'sip:h'\nnum_workers = 3\nping_interval = 7"),
        ("dmq.d/b.toml", "num_workers = 5"),
        ("dmq.d/a.toml", "num_workers = 4\nt1_ms = 100"),
    ];
    let world = World { files: &files, ..World::default() };
    assert_eq!(world.line("num_workers"), "num_workers = 5 # DIR/dmq.d/b.toml:1");
    assert_eq!(world.line("t1_ms"), "t1_ms = 100 # DIR/dmq.d/a.toml:2");
    assert_eq!(world.line("ping_interval"), "ping_interval = 7 # DIR/dmq.toml:3");
}

#[test]
fn everything_printed_reads_back() {
    let file = VALUES.iter().filter(|(name, _)| *name != "bridge_broker");
    let file: String = file.map(|(name, toml)| format!("{name} = {toml}\n")).collect();
    let values = |printed: &str| -> Vec<String> {
        let value = |line: &str| line.split(" # ").next().unwrap_or_default().trim().to_owned();
        printed.lines().map(value).collect()
    };
    let printed = World { files: &[("dmq.toml", &file)], ..World::default() }.printed();
    let again = World { files: &[("dmq.toml", &printed)], ..World::default() }.printed();
    assert_eq!(values(&again), values(&printed));
    for (name, toml) in VALUES.iter().filter(|(name, _)| *name != "bridge_broker") {
        assert!(values(&printed).contains(&format!("{name} = {toml}")), "{name}: {printed}");
    }
}

#[test]
fn kamailio_writes_truth_as_numbers() {
    for (text, expected) in [("1", true), ("0", false), ("true", true), ("'false'", false)] {
        let config = config(&format!(
            "notification_address = 'sip:n'\nmulti_notify = {text}\nremove_inactive = {text}"
        ));
        assert_eq!(config.multi_notify, Switch(expected), "{text}");
        assert_eq!(config.remove_inactive, Switch(expected), "{text}");
    }
}

#[test]
fn timers_have_the_names_of_kamailios_tm_as_well() {
    for (name, row) in
        [("fr_timer", "fr_timer_ms"), ("retr_timer1", "t1_ms"), ("retr_timer2", "t2_ms")]
    {
        let file = format!("{NEEDED}{name} = 2000\n");
        let world = World { files: &[("dmq.toml", &file)], ..World::default() };
        assert_eq!(world.line(row), format!("{row} = 2000 # DIR/dmq.toml:2"));
    }
}

#[test]
fn addresses_are_read_as_kamailio_writes_them() {
    let address = |text: &str| {
        let config = config(&format!("tls.ca_file = 'a'\nnotification_address = '{text}'"));
        config.notification_address[0].uri.to_string()
    };
    assert_eq!(address("sip:dmq.Example"), "sip:dmq.example:5060");
    assert_eq!(address("sip:10.0.0.1:5062"), "sip:10.0.0.1:5062");
    assert_eq!(address("SIPS:u@h;Transport=TLS;lr"), "sip:h:5061;transport=tls");
    // What is looked up depends on what was written.
    let config = config("notification_address = 'sip:h'\nmulti_notify = 1");
    assert_eq!(config.notification_address[0].text, "sip:h");
}

#[test]
fn the_node_is_never_one_of_those_that_it_asks() {
    let notified = |settings: &str| -> Vec<String> {
        config(settings).notified().map(|at| at.uri.to_string()).collect()
    };
    let all = "notification_address = ['sip:192.0.2.3:5060', 'sip:a', 'sip:b']\n";
    assert_eq!(notified(all), ["sip:a:5060", "sip:b:5060"]);
    // By another transport, or at another port, it is another node.
    let others = "notification_address = ['sip:192.0.2.3:5061', 'sip:192.0.2.3;transport=tcp']\n";
    assert_eq!(notified(others).len(), 2);
    let one = all.replace("'sip:192.0.2.3:5060', ", "");
    assert_eq!(notified(&format!("{one}multi_notify = true")), ["sip:a:5060"]);
}

#[test]
fn it_listens_where_it_is_reached_or_where_it_is_told_to() {
    let socket = |settings: &str| config(settings).socket().to_string();
    assert_eq!(socket(""), "192.0.2.3:5060");
    assert_eq!(socket("server_socket = '0.0.0.0:5070'"), "0.0.0.0:5070");
    assert_eq!(socket("server_socket = 'udp:10.0.0.1:0'"), "10.0.0.1:0");
    assert_eq!(socket("server_socket = 'udp:[::1]:5060'"), "[::1]:5060");
    let file = "server_address = 'sip:[2001:db8::1]:5080'";
    let world = World { files: &[("dmq.toml", file)], ..World::default() };
    assert_eq!(world.with(|loaded| loaded.config.socket().to_string()), "[2001:db8::1]:5080");
}

#[test]
fn only_networks_on_the_list_may_send() {
    let allowed = |settings: &str, ip: &str| {
        let ip = ip.parse::<IpAddr>().unwrap();
        config(settings).allow.iter().any(|network| network.0.contains(&ip))
    };
    for (ip, expected) in [
        ("127.0.0.1", true),
        ("127.255.255.254", true),
        ("10.1.2.3", true),
        ("172.16.0.1", true),
        ("172.32.0.1", false),
        ("192.168.1.1", true),
        ("192.0.2.1", false),
        ("8.8.8.8", false),
        ("0.0.0.0", false),
        ("::1", true),
        ("::2", false),
        ("fd00::1", true),
        ("2001:db8::1", false),
    ] {
        assert_eq!(allowed("", ip), expected, "{ip}");
    }
    let one = "allow = ['192.0.2.7']";
    assert!(allowed(one, "192.0.2.7") && !allowed(one, "192.0.2.8") && !allowed(one, "127.0.0.1"));
    assert!(allowed("allow = ['::ffff:192.0.2.7']", "192.0.2.7"));
    assert!(allowed("allow = ['192.0.2.77/24']", "192.0.2.1"));
    let any = "allow = ['0.0.0.0/0', '::/0']";
    assert!(allowed(any, "8.8.8.8") && allowed(any, "2001:db8::1"));
}

#[test]
fn a_brokers_password_is_read_from_where_it_is_and_never_shown() {
    let secret = format!("amqp://u:{SECRET}@h/\n");
    let password = |loaded: &Loaded<DmqConfig>| {
        assert!(!DMQ.print(loaded).contains(SECRET));
        assert!(!format!("{loaded:?}").contains(SECRET));
        loaded.config.bridge_broker.0[0].password.0.clone()
    };
    let in_file = format!("{NEEDED}bridge_broker = \"{}\"", secret.trim());
    let named = format!("{NEEDED}bridge_broker_file = \"DIR/url\"");
    let table = format!("{NEEDED}bridge.broker = {{ file = \"DIR/url\" }}");
    for file in [&in_file, &named, &table] {
        let world = World { files: &[("dmq.toml", file), ("url", &secret)], ..World::default() };
        assert_eq!(world.with(password), SECRET, "{file}");
    }
    let world = World { files: &[("dmq.toml", NEEDED), ("url", &secret)], ..World::default() };
    for variable in [
        ("LEVERET_DMQ_BRIDGE_BROKER", secret.trim()),
        ("LEVERET_DMQ_BRIDGE_BROKER_FILE", "DIR/url"),
    ] {
        assert_eq!(
            World { variables: &[variable], ..world }.with(password),
            SECRET,
            "{variable:?}"
        );
    }
    let both = format!("{in_file}\nbridge_broker_file = \"DIR/url\"");
    let world = World { files: &[("dmq.toml", &both), ("url", &secret)], ..World::default() };
    assert_eq!(world.with(password), "DIR/dmq.toml:3: bridge_broker is already set in line 2");
}

#[test]
fn every_row_has_words_of_its_own() {
    for row in DMQ.table {
        assert!(row.doc.ends_with('.'), "{}", row.name);
        assert!(!row.name.contains('-'), "{}", row.name);
    }
}
