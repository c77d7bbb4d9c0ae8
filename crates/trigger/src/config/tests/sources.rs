//! Where messages come from, who logs in, and what secrets are.

use super::*;

/// The addresses of the only trigger.
fn addresses(file: &str, others: &[(&str, &str)]) -> String {
    let files = [&[("trigger.toml", file)], others].concat();
    World { files: &files, variables: &[("AMQP_PASSWORD", "from env\n")] }.resolved(|set| {
        let shown = |address: &client::address::Address| {
            format!("{address} {} {:?}", address.password.0, address.mechanism.name())
        };
        set.triggers[0].addresses.iter().map(shown).collect::<Vec<_>>().join("; ")
    })
}

#[test]
fn a_trigger_finds_its_broker() {
    let trigger = |settings: &str| {
        format!(
            "{settings}\n[broker.main]\nhosts = [\"m\"]\n[broker.b]\nhosts = [\"x:1\", \"[::1]\"]\nvhost = \"v\"\n"
        )
    };
    for (settings, expected) in [
        ("", "amqp://guest@m:5672/ guest \"PLAIN\""),
        (
            "broker = \"b\"",
            "amqp://guest@x:1/v guest \"PLAIN\"; amqp://guest@[::1]:5672/v guest \"PLAIN\"",
        ),
        ("hostname = \"h\"", "amqp://guest@h:5672/ guest \"PLAIN\""),
        ("hostname = \"h\"\nport = 7\nvirtual_host = \"w\"", "amqp://guest@h:7/w guest \"PLAIN\""),
        ("hostname = \"::1\"\nport = 7", "amqp://guest@[::1]:7/ guest \"PLAIN\""),
        ("virtual_host = \"w\"", "amqp://guest@m:5672/w guest \"PLAIN\""),
        (
            "broker = \"man\"",
            "DIR/trigger.toml:4: [trigger.t] broker: there is no section [broker.man]; did you mean main?",
        ),
        (
            "account = \"x\"",
            "DIR/trigger.toml:4: [trigger.t] account: there is no section [account.x]; write it, or name another",
        ),
        (
            "hostname = \"amqp://h\"",
            "DIR/trigger.toml:4: [trigger.t] hostname: expected a host such as \"rabbit:5672\", got \"amqp://h\"",
        ),
    ] {
        assert_eq!(addresses(&trigger(&one(settings)), &[]), expected, "{settings}");
    }
    let alone = one("");
    assert_eq!(addresses(&alone, &[]), "amqp://guest@localhost:5672/ guest \"PLAIN\"");
}

#[test]
fn logins_come_from_accounts_files_and_variables() {
    let broker = |settings: &str| {
        format!(
            "{}[broker.main]\n{settings}\n[account.shop]\nusername = \"s\"\npassword_file = \"DIR/p\"\n",
            one("")
        )
    };
    let files = [("p", "from file\nsecond line\n"), ("empty", " \n")];
    for (settings, expected) in [
        (
            "username = \"u\"\npassword = { file = \"DIR/p\" }",
            "amqp://u@localhost:5672/ from file \"PLAIN\"",
        ),
        (
            "username = \"u\"\npassword = { env = \"AMQP_PASSWORD\" }",
            "amqp://u@localhost:5672/ from env \"PLAIN\"",
        ),
        ("account = \"shop\"", "amqp://s@localhost:5672/ from file \"PLAIN\""),
        (
            "username = \"u\"",
            "DIR/trigger.toml:5: [broker.main] password: no password for the user u: write password = { file = \"…\" } or { env = \"…\" }",
        ),
        (
            "password = { file = \"DIR/none\" }",
            "DIR/trigger.toml:6: [broker.main] password: cannot read DIR/none: No such file or directory (os error 2)",
        ),
        (
            "password = { file = \"DIR/empty\" }",
            "DIR/trigger.toml:6: [broker.main] password: the secret is empty: write it there",
        ),
        (
            "password = { env = \"NONE\" }",
            "DIR/trigger.toml:6: [broker.main] password: the environment variable NONE is not set, or not UTF-8",
        ),
        (
            "password_file = \"DIR/p\"\naccount = \"shop\"",
            "DIR/trigger.toml:7: [broker.main] account: the login is that of the account: remove username and password here, or account",
        ),
    ] {
        assert_eq!(addresses(&broker(settings), &files), expected, "{settings}");
    }
}

#[test]
fn secrets_stand_in_a_file_only_where_that_is_allowed() {
    let file = one("http.auth.bearer = \"hunter2\"");
    let refusal = "DIR/trigger.toml:4: [trigger.t] http_auth_bearer: a secret does not belong into \
                   this file: write http_auth_bearer = { file = \"…\" } or { env = \"…\" }, or allow \
                   it with allow_inline_secrets";
    refused(&file, refusal);
    let allowed = format!("allow_inline_secrets = true\n{file}");
    let world = World { files: &[("trigger.toml", &allowed)], ..World::default() };
    let secrets = world.resolved(|set| set.triggers[0].secrets.bearer.clone());
    assert_eq!(secrets, "hunter2");
    assert_eq!(world.line("http_auth_bearer"), "# http_auth_bearer = \"***\" # DIR/trigger.toml:5");
    let shown = world.resolved(|set| format!("{set:?}"));
    assert!(!shown.contains("hunter2") && !world.printed().contains("hunter2"), "{shown}");
    // A variable is as good as one that the file names.
    let variables = &[("LEVERET_TRIGGER_T_HTTP_AUTH_BEARER", "hunter2")];
    let plain = one("");
    let world = World { files: &[("trigger.toml", &plain)], variables };
    assert_eq!(world.resolved(|set| set.triggers[0].secrets.bearer.clone()), "hunter2");
    assert!(!world.printed().contains("hunter2"));
}

#[test]
fn variables_win_over_files_and_may_name_files_with_secrets() {
    let file = one("consumers = 2");
    let variables = &[
        ("LEVERET_TRIGGER_T_CONSUMERS", "3"),
        ("LEVERET_TRIGGER_LISTEN", "127.0.0.1:0,[::1]:0"),
        ("LEVERET_TRIGGER_T_HTTP_AUTH_BEARER_FILE", "DIR/token"),
        ("LEVERET_TRIGGER_T_HTTP_STATIC_HEADERS", "[\"X-A: 1,2\", \"X-B: 3\"]"),
    ];
    let world = World { files: &[("trigger.toml", &file), ("token", "t0k\n")], variables };
    assert_eq!(world.line("consumers"), "consumers = 3 # environment LEVERET_TRIGGER_T_CONSUMERS");
    assert_eq!(
        world.line("listen"),
        "listen = [\"127.0.0.1:0\", \"[::1]:0\"] # environment LEVERET_TRIGGER_LISTEN"
    );
    let found = world.resolved(|set| {
        let one = &set.triggers[0];
        format!("{} {:?}", one.secrets.bearer, one.trigger.http.static_headers.0)
    });
    assert_eq!(found, "t0k [(\"X-A\", \"1,2\"), (\"X-B\", \"3\")]");
}

#[test]
fn signing_keys_are_all_lines_of_their_file() {
    let file = one("http.sign.standard_webhooks.file = \"DIR/keys\"");
    let keys =
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\n whsec_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4\n";
    let world = World { files: &[("trigger.toml", &file), ("keys", keys)], ..World::default() };
    assert_eq!(world.resolved(|set| set.triggers[0].secrets.signing_keys.len().to_string()), "2");
    let broken =
        World { files: &[("trigger.toml", &file), ("keys", "hunter2")], ..World::default() };
    let refusal = broken.resolved(|_| "accepted".into());
    let expected = "DIR/trigger.toml:4: [trigger.t] http_sign_standard_webhooks: ";
    assert!(refusal.starts_with(expected) && !refusal.contains("hunter2"), "{refusal}");
}

#[test]
fn a_definition_differs_when_a_file_does() {
    let directory = tempfile::tempdir().unwrap();
    let (file, token) = (directory.path().join("trigger.toml"), directory.path().join("token"));
    let setting = format!("http.auth.bearer.file = \"{}\"", token.display());
    fs::write(&file, one(&setting)).unwrap();
    let sources = Sources { config: Some(file.clone()), ..Sources::default() };
    let load = |secret: &str| {
        fs::write(&token, secret).unwrap();
        Sections::alone(&sources).unwrap().resolve(None).unwrap()
    };
    let first = load("one");
    assert_eq!(load("one"), first);
    assert_ne!(load("two").triggers, first.triggers);
    assert_eq!(first.watched, [file, directory.path().join("trigger.d"), token.clone()]);
}

#[test]
fn tls_is_mutual_or_without_a_certificate() {
    let broker = |settings: &str| format!("{}[broker.main]\n{settings}\n", one(""));
    for (settings, expected) in [
        (
            "tls_ca = \"ca\"",
            "6: [broker.main] tls_ca: means nothing without TLS: set tls_mode to on or mutual",
        ),
        (
            "tls = { mode = \"on\", cert = \"c\" }",
            "6: [broker.main] tls_cert: is shown to the broker only with tls_mode = \"mutual\"",
        ),
        (
            "tls = { mode = \"mutual\", cert = \"c\" }",
            "5: [broker.main] tls_key: tls_mode = \"mutual\" needs tls_cert and tls_key",
        ),
        (
            "tls.sasl = \"external\"",
            "6: [broker.main] tls_sasl: logging in by certificate needs tls_mode = \"mutual\"",
        ),
        ("hosts = []", "6: [broker.main] hosts: no broker: name one, such as \"rabbit:5672\""),
        (
            "hosts = [\"amqp://h\"]",
            "6: [broker.main] hosts: expected a host such as \"rabbit:5672\", got \"amqp://h\"",
        ),
        (
            "reconnect = { min_ms = 1 }",
            "6: [broker.main] reconnect_min_ms: too short: at least 10 ms",
        ),
        (
            "reconnect = { min_ms = 50, max_ms = 20 }",
            "6: [broker.main] reconnect_max_ms: must be from reconnect_min_ms to 3600000, an hour",
        ),
    ] {
        assert_eq!(addresses(&broker(settings), &[]), format!("DIR/trigger.toml:{expected}"));
    }
    let refusal = addresses(&broker("tls = { mode = \"on\", ca = \"DIR/none.pem\" }"), &[]);
    assert!(
        refusal.starts_with("DIR/trigger.toml:6: [broker.main] tls_mode: cannot read"),
        "{refusal}"
    );
}

#[test]
fn what_may_not_be_meant_is_told() {
    let warned = |settings: &str| {
        let file = one(settings);
        let world = World { files: &[("trigger.toml", &file)], ..World::default() };
        world.resolved(|set| set.warnings.join("; "))
    };
    assert_eq!(warned(""), "");
    for (settings, expected) in [
        ("maximum_timeout_ms = 900001", "maximum_timeout_ms is over 900000"),
        ("allow_redelivery = true", "may stay unacknowledged for 36 minutes"),
        ("redelivery.max_attempts = 2", "means nothing without allow_redelivery"),
        ("auto_acknowledge = true", "is only counted"),
        ("command.stdin = \"body\"", "mean nothing to an HTTP endpoint"),
        (
            "allow_redelivery = true\nmaximum_timeout_ms = 1\nredelivery.mode = \"requeue\"\nordering_key = \"message_id\"",
            "lose their place",
        ),
    ] {
        let text = warned(settings);
        assert!(text.starts_with("[trigger.t] ") && text.contains(expected), "{settings}: {text}");
    }
    let broker = format!("{}[broker.b]\n", one(""));
    let world = World { files: &[("trigger.toml", &broker)], ..World::default() };
    let text = world.resolved(|set| set.warnings.join("; "));
    assert!(text.contains("names no broker"), "{text}");
}
