//! What cannot work is refused where it stands, with what to do.

use super::*;

/// The line of the file, what stands in line 4 and after, the refusal. What is missing is blamed on
/// the head of the section.
const TOGETHER: &[(u32, &str, &str)] = &[
    (
        5,
        "consumers = 4\nprefetch = 3",
        "prefetch: fewer messages than runs at the same time: 0, or at least 4",
    ),
    (4, "consumers = 0", "consumers: nothing would ever run: at least 1"),
    (
        4,
        "wire_no_ack = true",
        "wire_no_ack: needs auto_acknowledge = true: messages are not acknowledged at all",
    ),
    (4, "maximum_timeout_ms = 0", "maximum_timeout_ms: no run could ever end: at least 1"),
    (
        4,
        "port = 5672",
        "port: of which host: set hostname, or write the port into the hosts of [broker.NAME]",
    ),
    (4, "hostname = \"a\"\nbroker = \"b\"", "hostname: two brokers: remove this or broker"),
    (
        5,
        "auto_acknowledge = true\non_expire = \"requeue\"",
        "on_expire: a message that is acknowledged already cannot go back: drop or dead-letter",
    ),
    (
        5,
        "auto_acknowledge = true\nredelivery = { mode = \"requeue\" }",
        "redelivery_mode: with auto_acknowledge a message is tried again only in this process: hold",
    ),
    (4, "redelivery.max_attempts = 0", "redelivery_max_attempts: at least 1, the first run"),
    (
        4,
        "redelivery.backoff_ms = []",
        "redelivery_backoff_ms: expected from 1 to 32 pauses, such as [1000, 5000, 30000]",
    ),
    (
        4,
        "redelivery.backoff_ms = [86400001]",
        "redelivery_backoff_ms: a pause is at most 86400000 ms, a day",
    ),
    (4, "redelivery.jitter = 1.1", "redelivery_jitter: a part of a pause is from 0 to 1"),
    (
        5,
        "redelivery.mode = \"delay-queue\"\nredelivery.queue = \"w\"",
        "redelivery_queue: pauses of different lengths need a queue each: write {ms} where the pause stands",
    ),
    (
        6,
        "redelivery.mode = \"delay-queue\"\nredelivery.backoff_ms = [1]\nredelivery.queue = \"q\"",
        "redelivery_queue: a delay queue has a name, and not that of the queue itself",
    ),
    (
        4,
        "redelivery.declare = true",
        "redelivery_declare: there are no delay queues to declare: set redelivery_mode to delay-queue",
    ),
    (
        4,
        "dead_letter.mode = \"publish\"",
        "dead_letter_mode: publish needs dead_letter_exchange or, for a queue, dead_letter_routing_key",
    ),
    (
        4,
        "dead_letter.exchange = \"x\"",
        "dead_letter_exchange: means nothing unless dead_letter_mode is publish",
    ),
    (
        5,
        "dead_letter.mode = \"publish\"\ndead_letter.routing_key = \"q\"",
        "dead_letter_routing_key: leads back to the queue itself",
    ),
    (4, "rate_limit.burst = 2", "rate_limit_burst: needs rate_limit_per_s"),
    (4, "breaker.open_ms = 0", "breaker_open_ms: at least 1; breaker_failures = 0 is no breaker"),
    (
        5,
        "idempotency.key = \"message_id\"\nidempotency.ttl_s = 0",
        "idempotency_ttl_s: at least 1: no key would be kept",
    ),
    (
        4,
        "command.argv = [\"/bin/cat\"]",
        "command_argv: one pipeline only: remove this or http_url",
    ),
    (
        4,
        "http.follow_redirects = true",
        "http_follow_redirects: redirects are never followed, as an answer could lead a request anywhere: set http_url to where they lead",
    ),
    (
        4,
        "http.tls.cert = \"c.pem\"",
        "http_tls_cert: http_tls_cert and http_tls_key belong together: set the other one as well",
    ),
    (
        4,
        "http.pass_headers = [\"x-a\", \"Host\"]",
        "http_pass_headers: \"Host\" is never a message's to set: remove it",
    ),
    (
        4,
        "http.pass_headers = [\"webhook-id\"]",
        "http_pass_headers: \"webhook-id\" is never a message's to set: remove it",
    ),
    (
        4,
        "http.pass_headers = [\"Content-Type\"]",
        "http_pass_headers: \"Content-Type\" is never a message's to set: remove it",
    ),
    (4, "http.pass_headers = [\"a b\"]", "http_pass_headers: \"a b\" is no name of an HTTP header"),
    (
        1,
        "http.auth.basic.password_file = \"/p\"",
        "http_auth_basic_username: whose password: set it",
    ),
    (
        1,
        "http.auth.basic.username = \"u\"",
        "http_auth_basic_password: no password for the user: set it, such as { file = \"/run/secrets/password\" }",
    ),
    (
        5,
        "http.auth.basic.username = \"u\"\nhttp.auth.bearer.file = \"/p\"",
        "http_auth_bearer: one way to log in only: basic, bearer or oauth2",
    ),
    (
        1,
        "http.auth.oauth2.token_url = \"https://id/\"",
        "http_auth_oauth2_client_id: OAuth2 needs http_auth_oauth2_token_url, _client_id and _client_secret",
    ),
    (
        4,
        "http.net.deny = [\"moon\"]",
        "http_net_deny: \"moon\" is neither link-local, metadata, loopback or private, nor a network such as 10.0.0.0/8",
    ),
    (
        4,
        "http.method = \"GET IT\"",
        "http_method: \"GET IT\" is no method for requests; use POST, PUT or PATCH",
    ),
];

#[test]
fn settings_that_do_not_go_together_are_refused() {
    for (line, settings, expected) in TOGETHER {
        refused(&one(settings), &format!("DIR/trigger.toml:{line}: [trigger.t] {expected}"));
    }
}

#[test]
fn what_every_trigger_needs_is_asked_for() {
    refused(
        "\n[trigger.t]\nhttp.url = \"http://h/\"",
        "DIR/trigger.toml:2: [trigger.t] queue: no queue to read from: set queue",
    );
    refused(
        "\n\n[trigger.t]\nqueue = \"q\"",
        "DIR/trigger.toml:3: [trigger.t] http_url: no pipeline to run: set http_url or command_argv",
    );
    refused("threads = 1", "DIR/trigger.toml: no trigger: write a section [trigger.NAME]");
    assert_eq!(
        World::default().resolved(|_| String::new()),
        "no configuration: name a file with --config, or write ./trigger.toml or \
         /etc/leveret/trigger.toml"
    );
}

#[test]
fn urls_are_http_with_a_host_and_without_a_login() {
    for (url, expected) in [
        ("ftp://h/", "it must begin with http:// or https://"),
        ("/hook", "it must begin with http:// or https:// and a host"),
        ("http://u:s3cret@h/", "it holds credentials; use http.auth"),
        ("http://h/a b", "it is no URL; encode what is odd"),
    ] {
        let file = format!("[trigger.t]\nqueue = \"q\"\nhttp.url = \"{url}\"");
        refused(&file, &format!("DIR/trigger.toml:3: [trigger.t] http_url: {expected}"));
    }
}

#[test]
fn typos_are_refused_with_the_nearest_name() {
    for (file, expected) in [
        ("lisen = []", "1: unknown setting lisen; did you mean listen?"),
        (
            "[trigger.t]\nqueu = \"q\"",
            "2: unknown setting queu in [trigger.t]; did you mean queue?",
        ),
        (
            "[trigger.t.http]\nulr = \"x\"",
            "2: unknown setting http_ulr in [trigger.t]; did you mean http_url?",
        ),
        (
            "[trigger.t]\nredelivery = { max_atempts = 1 }",
            "2: unknown setting redelivery_max_atempts in [trigger.t]; did you mean \
             redelivery_max_attempts?",
        ),
        (
            "[broker.b]\nhost = [\"a\"]",
            "2: unknown setting host in [broker.b]; did you mean hosts?",
        ),
        (
            "[account.a]\npasword = \"x\"",
            "2: unknown setting pasword in [account.a]; did you mean password?",
        ),
        (
            "[tigger.t]\nqueue = \"q\"",
            "2: unknown setting tigger_t_queue; did you mean a section [trigger.NAME]?",
        ),
        (
            "[trigger.t.grpc]\nmethod = \"m\"",
            "2: unknown setting grpc_method in [trigger.t]; docs/trigger-options.md lists every setting",
        ),
        (
            "[broker]\nhosts = [\"a\"]",
            "2: broker needs a name: write [broker.NAME] above its settings",
        ),
    ] {
        refused(file, &format!("DIR/trigger.toml:{expected}"));
    }
}

#[test]
fn variables_with_typos_are_refused() {
    let file = one("");
    for (variable, expected) in [
        (
            "LEVERET_TRIGGER_T_QUEU",
            "unknown environment variable LEVERET_TRIGGER_T_QUEU; did you mean LEVERET_TRIGGER_T_QUEUE?",
        ),
        (
            "LEVERET_TRIGGER_LISTN",
            "unknown environment variable LEVERET_TRIGGER_LISTN; did you mean LEVERET_TRIGGER_LISTEN?",
        ),
        (
            "LEVERET_BROKER_MAIN_PASSWORD",
            "unknown environment variable LEVERET_BROKER_MAIN_PASSWORD: it names no section \
             [broker.NAME] of the configuration file",
        ),
    ] {
        let world = World { files: &[("trigger.toml", &file)], variables: &[(variable, "x")] };
        assert_eq!(world.resolved(|_| "accepted".into()), expected);
    }
    // The broker's and the delayer's own are none of a trigger's business.
    let variables = &[("LEVERET_DATA_DIR", "x"), ("LEVERET_DELAYER_QOS", "x")];
    let world = World { files: &[("trigger.toml", &file)], variables };
    assert_eq!(world.resolved(|_| "accepted".into()), "accepted");
}

#[test]
fn a_program_and_its_directory_have_to_be_there() {
    let file = |settings: &str| format!("[trigger.t]\nqueue = \"q\"\n{settings}");
    let missing = World {
        files: &[("trigger.toml", &file("command.argv = [\"/no/such/program\"]"))],
        ..World::default()
    };
    let refusal = missing.resolved(|_| "accepted".into());
    let expected = "DIR/trigger.toml:3: [trigger.t] command_argv: the program /no/such/program of \
                    command.argv cannot be run: ";
    assert!(refusal.starts_with(expected), "{refusal}");
}
