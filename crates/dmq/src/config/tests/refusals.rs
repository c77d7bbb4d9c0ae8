//! What cannot work is refused where it stands, with what to do.

use super::*;

/// A line of the file, and its refusal.
const REFUSED: &[(&str, &str)] = &[
    // Addresses.
    (
        "server_socket = '192.0.2.3'",
        "server_socket: expected HOST:PORT such as \"127.0.0.1:5672\" or \"[::1]:5672\", got \
         \"192.0.2.3\"",
    ),
    (
        "server_socket = 'tcp:192.0.2.3:5060'",
        "server_socket: server_address is reached by udp: write the same transport, or none",
    ),
    (
        "notification_address = '192.0.2.1'",
        "notification_address: expected a node such as \"sip:192.0.2.1:5060\", but of \
         \"192.0.2.1\" it does not start with sip:",
    ),
    (
        "notification_address = ['sip:a', 'sip:0.0.0.0']",
        "notification_address: no node can be reached at 0.0.0.0",
    ),
    ("multi_notify = 1", "multi_notify: there is no name to look up: set notification_address"),
    ("multi_notify = 2", "multi_notify: expected true or false, got \"2\""),
    (
        "allow = []",
        "allow: no node could send anything: name networks, or 0.0.0.0/0 and ::/0 for any",
    ),
    (
        "allow = ['10.0.0.0/33']",
        "allow: expected a network such as \"10.0.0.0/8\", got \"10.0.0.0/33\"",
    ),
    ("allow = ['hare']", "allow: expected a network such as \"10.0.0.0/8\", got \"hare\""),
    // TLS.
    (
        "tls.cert_file = 'c'",
        "tls_cert_file: tls_cert_file and tls_key_file belong together: set the other one as well",
    ),
    (
        "tls.key_file = 'k'",
        "tls_key_file: tls_cert_file and tls_key_file belong together: set the other one as well",
    ),
    (
        "notification_address = 'sip:n;transport=tls'",
        "notification_address: TLS needs tls_ca_file, or a certificate of our own in tls_cert_file \
         and tls_key_file",
    ),
    // Numbers.
    ("ping_interval = 0", "ping_interval: must be from 1 to 3600"),
    ("ping_interval = 3601", "ping_interval: must be from 1 to 3600"),
    (
        "ping_interval = -1",
        "ping_interval: expected a whole number from 0 to 4294967295, got \"-1\"",
    ),
    (
        "ping_interval = '60s'",
        "ping_interval: expected a whole number from 0 to 4294967295, got \"60s\"",
    ),
    ("num_workers = 0", "num_workers: must be from 1 to 256"),
    ("num_workers = 65536", "num_workers: expected a whole number from 0 to 65535, got \"65536\""),
    ("queue_messages_max = 0", "queue_messages_max: must be from 1 to 1000000"),
    ("nodes_max = 0", "nodes_max: must be from 1 to 100000"),
    ("ping_timeout_ms = 0", "ping_timeout_ms: must be from 1 to 3600000"),
    ("fr_timer_ms = 3600001", "fr_timer_ms: must be from 1 to 3600000"),
    ("t1_ms = 0", "t1_ms: must be from 1 to 3600000"),
    (
        "t2_ms = 499",
        "t1_ms: must not be longer than t2_ms, which is the longest pause: lower it, or raise t2_ms",
    ),
    ("leave_timeout_ms = 3600001", "leave_timeout_ms: must be from 0 to 3600000"),
    ("body_bytes_max = 1023", "body_bytes_max: must be from 1KiB to 16MiB"),
    ("body_bytes_max = '17MiB'", "body_bytes_max: must be from 1KiB to 16MiB"),
    ("htable_bytes_max = 1", "htable_bytes_max: must be at least 64KiB"),
    ("bridge_timeout_ms = 0", "bridge_timeout_ms: must be from 1 to 3600000"),
    ("bridge_prefetch = 0", "bridge_prefetch: must be from 1 to 65535"),
    ("bridge_waiting_max = 0", "bridge_waiting_max: must be from 1 to 10000000"),
    // Peers.
    (
        "notification_channel = 'htable'",
        "notification_channel: is the peer of hash tables: name another, as on all nodes of the bus",
    ),
    (
        "peers = ['notification_peer']",
        "peers: the peer \"notification_peer\" has a meaning of its own: name another",
    ),
    (
        "peers = ['a', 'htable']",
        "peers: the peer \"htable\" has a meaning of its own: name another",
    ),
    ("peers = ['*']", "peers: the peer \"*\" has a meaning of its own: name another"),
    (
        "replicated_peer = 'htable'",
        "replicated_peer: the peer \"htable\" has a meaning of its own: name another",
    ),
    ("bridge_peers = ['notification_peer']", "bridge_peers: lists of nodes are not published"),
    (
        "htable = [\"a\\tb\"]",
        "htable: \"a\\tb\" cannot be the name of a table: 1 to 255 bytes without control characters",
    ),
    (
        "htable = ['a', 'b=>autoexpire=soon']",
        "htable: autoexpire of the table \"b\" is a number of seconds, or 0 or 1, not \"soon\"",
    ),
    (
        "htable = ['b=>autoexpires=5']",
        "htable: \"autoexpires\" is no parameter of the table \"b\"; autoexpire and updateexpire are",
    ),
    // The bridge.
    (
        "bridge_exchange = ''",
        "bridge_exchange: the default exchange cannot part messages by peers: name one",
    ),
    (
        "bridge_broker = 'http://u:hunter2@h'",
        "bridge_broker: the address does not start with amqp:// or amqps://; did you mean \
         amqp://user:password@hostname/vhost?",
    ),
    (
        "bridge_broker_file = 'DIR/absent'",
        "bridge_broker: cannot read the addresses in DIR/absent: No such file or directory (os \
         error 2)",
    ),
    // Names.
    ("ping_intervall = 1", "unknown setting ping_intervall; did you mean ping_interval?"),
    (
        "notification_adress = 'x'",
        "unknown setting notification_adress; did you mean notification_address?",
    ),
    ("bridge.exchang = 'x'", "unknown setting bridge_exchang; did you mean bridge_exchange?"),
    ("bridge_broker_env = 'X'", "unknown setting bridge_broker_env; did you mean bridge_broker?"),
    ("jitter = 'x'", "unknown setting jitter; docs/dmq-options.md lists every setting"),
];

#[test]
fn what_cannot_work_is_refused_where_it_stands() {
    for (line, expected) in REFUSED {
        let file = format!("{NEEDED}{line}\n");
        let refusal = World { files: &[("dmq.toml", &file)], ..World::default() }.printed();
        let at = if expected.starts_with("t1_ms: must not") { "" } else { "DIR/dmq.toml:2: " };
        assert_eq!(refusal, format!("{at}{expected}"), "{line}");
    }
}

#[test]
fn a_node_has_an_address_that_can_be_answered_to() {
    let of = |line: &str| World { files: &[("dmq.toml", line)], ..World::default() }.printed();
    assert_eq!(
        of(""),
        "server_address: no address that the other nodes can answer to: set it to one of this \
         machine, such as \"sip:192.0.2.1:5060\""
    );
    for host in ["0.0.0.0", "[::]", "224.0.0.1", "255.255.255.255", "[ff02::1]", "[::ffff:0.0.0.0]"]
    {
        let refusal = of(&format!("server_address = 'sip:{host}:5060'"));
        assert!(refusal.starts_with("DIR/dmq.toml:1: server_address: nobody could answer to "));
        assert!(refusal.ends_with("and where to listen in server_socket"), "{refusal}");
    }
    for uri in [
        "",
        "sip:",
        "h",
        "http://h",
        "sip:h:0",
        "sip:h:65536",
        "sip:h:x",
        "sip:h;transport=sctp",
        "sip:a b",
        "sip:[::1",
        "sip:[h]",
        "sip:\\u0000",
        "sip:h\\r\\nVia: x",
        "sip:\u{e9}",
        "sip:h/",
        "*",
    ] {
        let refusal = of(&format!("server_address = \"{uri}\""));
        if uri.is_empty() {
            // As in a variable: not set.
            assert!(refusal.contains("no address that the other nodes can answer to"), "{refusal}");
            continue;
        }
        let expected = "DIR/dmq.toml:1: server_address: expected a node such as ";
        assert!(refusal.starts_with(expected), "{uri:?}: {refusal}");
        assert!(!refusal.contains(char::is_control), "{uri:?}");
    }
    assert_eq!(
        of("server_address = 'sip:h;transport=tls'"),
        "DIR/dmq.toml:1: server_address: TLS needs a certificate: set tls_cert_file and tls_key_file"
    );
}

/// What no peer is called, and would break the line of a request or the name of a routing key.
const BAD_NAMES: [&str; 9] =
    ["a b", "a/b", "a@b", "a:b", "a;b", "a\\r\\nb", "a%41", "\u{e9}", "a#"];

#[test]
fn peers_have_names_that_can_stand_in_a_request() {
    let long = "a".repeat(65);
    for setting in ["notification_channel", "peers", "replicated_peer", "bridge_peers"] {
        for name in BAD_NAMES.into_iter().chain([&*long]) {
            let file = format!("{NEEDED}{setting} = \"{name}\"");
            let refusal = World { files: &[("dmq.toml", &file)], ..World::default() }.printed();
            let expected = format!("DIR/dmq.toml:2: {setting}: a peer's name is 1 to 64 of ");
            assert!(refusal.starts_with(&expected), "{setting} {name:?}: {refusal}");
        }
    }
    let file = format!("{NEEDED}notification_channel = ''");
    let refusal = World { files: &[("dmq.toml", &file)], ..World::default() }.printed();
    assert!(refusal.contains("a peer's name is 1 to 64"), "{refusal}");
    let longest = "a".repeat(64);
    let config = config(&format!("peers = [\"{longest}\", \"A-z0_.!~*'()&=+$\"]"));
    assert_eq!(config.peers.len(), 2);
}

#[test]
fn without_hash_tables_their_peer_is_like_any_other() {
    let config = config("htable = []\npeers = ['htable']\nbridge_peers = ['htable']");
    assert!(!config.has_tables() && config.has_bridge());
}

#[test]
fn mistakes_are_named_as_they_were_made() {
    let world = World { files: &[("dmq.toml", NEEDED)], ..World::default() };
    let refused = |variable, line: &[&str]| {
        let refusal = World { variables: &[variable], line, ..world }.printed();
        refusal.lines().next().unwrap_or_default().to_owned()
    };
    let none = ("PATH", "/");
    assert_eq!(
        refused(("LEVERET_DMQ_PING_INTERVALL", "5"), &[]),
        "unknown environment variable LEVERET_DMQ_PING_INTERVALL; did you mean \
         LEVERET_DMQ_PING_INTERVAL?"
    );
    assert_eq!(
        refused(("LEVERET_DMQ_T1_MS", "fast"), &[]),
        "LEVERET_DMQ_T1_MS: expected a whole number from 0 to 9223372036854775807, got \"fast\""
    );
    assert_eq!(refused(none, &["--num-workers", "0"]), "--num-workers: must be from 1 to 256");
    // A variable of the broker's is not ours.
    assert!(refused(("LEVERET_DATA_DIR", "x"), &[]).starts_with("server_address = "));
}
