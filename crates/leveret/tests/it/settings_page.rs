//! docs/settings.md, docs/delayer-options.md, docs/trigger-options.md and docs/dmq-options.md are what
//! the tables of settings say. `UPDATE_DOCS=1` writes them anew.

use std::fs;
use std::path::Path;

use delayer::config::OPTIONS;
use dmq::config::DMQ;
use server::config::{SETTINGS, rabbitmq};
use service::shutdown::Exit;
use trigger::config::{ACCOUNT, BROKER, TRIGGER, TRIGGERS};

const HEAD: &str = "\
# Settings of `leveret serve`

See every setting, its value and where that comes from:

    leveret serve --print-config

Every setting has one name: `data_dir` is `data_dir` in `leveret.toml`, `LEVERET_DATA_DIR` in the
environment and `--data-dir` on the command line.

A later layer wins:

1. the default
2. `leveret.toml` in the working directory or, if there is none, in `/etc/leveret`; `--config FILE`
   or `LEVERET_CONFIG` names another file
3. `conf.d/*.toml` beside that file, in the order of their names; both may be
   [RabbitMQ's](rabbitmq-conf.md) instead
4. the environment
5. the command line

In a file, the first part of a name may be a table: `cert` in `[tls]` is `tls_cert`. A list is an
array in a file, parted by commas in a variable, and a flag that is repeated. An unknown name is
refused, with the nearest one. Sections `[delayer.NAME]` run a delayer each beside the broker,
`[trigger.NAME]` a trigger, and `[dmq]` a node of a DMQ bus; their settings are those of
[the delayer](delayer-options.md), [the trigger](trigger-options.md) and [the node](dmq-options.md).

A size has a unit of 1,024 (`k`, `KiB`, `M`, `MiB`, `G`, `GiB`, `T`, `TiB`) or 1,000 (`kB`, `MB`,
`GB`, `TB`), or none for bytes. A duration always has one: `ms`, `s`, `m`, `h`, `d`. `HOST` is an
address, `[…]` around an IPv6 one, a name, `localhost` for both loopback addresses or `*` for every
address; port 0 is a free one.

This page is made from the table in `crates/server/src/config.rs`.
";

const RABBITMQ_HEAD: &str = "\
# rabbitmq.conf

See what a RabbitMQ's configuration means to Leveret:

    leveret serve --config rabbitmq.conf --print-config

Every value is shown with the line that it stands in. Then start it:

    leveret serve --config rabbitmq.conf

A file is RabbitMQ's by its name, `*.conf`, or when it has keys of RabbitMQ; `*.toml` is Leveret's own.
`conf.d/*.conf` beside it are read after it, in the order of their names, and a directory in its
place is read the same way. Of lines with one key the last counts. Variables `LEVERET_…` and flags
win over the file. A key that RabbitMQ has and Leveret has no use for is a line of the log; a key that
neither knows stops the start, with its line and the nearest key.

Without a listener in it, the file means port 5672 of every address, as to RabbitMQ. Defaults that it
does not touch are Leveret's: see [the settings](settings.md).

`$(NAME)` is the environment's variable NAME, also within a value. A value in single quotes may hold a
`#`. Values `encrypted:…` are refused: give them by a variable. An `advanced.config` is refused: its
settings have to be lines of a rabbitmq.conf.

## Variables

| Variable | What it does |
|---|---|
| `RABBITMQ_CONFIG_FILE` | the file, with or without `.conf`, when no other is named |
| `RABBITMQ_CONFIG_FILES` | a file, or a directory whose `*.conf` are read |
| `RABBITMQ_DEFAULT_USER`, `RABBITMQ_DEFAULT_PASS`, `RABBITMQ_DEFAULT_VHOST` | the defaults of `default_user`, `default_pass`, `default_vhost`; with `_FILE`, a file that holds it |
| `RABBITMQ_NODE_PORT`, `RABBITMQ_NODE_IP_ADDRESS` | `amqp_listen` |
| `RABBITMQ_LOGS=-` | what happens anyway: the log goes to stderr |
| any other `RABBITMQ_…` | nothing; all of them together are one line of the log |

`$name` stands for any word, `*` for any further parts. Of keys for one setting that are all there, the
one that is later in its row counts, and the log says so.

This page is made from the tables in `crates/server/src/config/rabbitmq/keys.rs`.
";

const DELAYER_HEAD: &str = "\
# Options of `leveret delayer`

See every option, its value and where that comes from:

    leveret delayer --print-config --rabbitmq-queue retries --rabbitmq-exchange mail

They are AmqpDelayer's; called as `amqpdelayer`, `leveret` takes its place. [The guide](delayer.md)
says how to set it up. Every option has one name: `rabbitmq-queue` is `rabbitmq-queue: retries` in
the file, `AMQPDELAYER_RABBITMQ_QUEUE` or `LEVERET_DELAYER_RABBITMQ_QUEUE` in the environment and
`--rabbitmq-queue retries` or `--rabbitmq-queue=retries` on the command line. `-` and `_` are alike
and may be left out, and so may `rabbitmq-`, `storage-` and `www-` in front: `qos` is `rabbitmq-qos`.
Only `address` would be two, and is refused. So is an unknown name, with the nearest one.

A later layer wins:

1. the default
2. `/etc/copernica/amqpdelayer.txt`, if it is there; `--config FILE` or `AMQPDELAYER_CONFIG` names
   another file, which has to be there
3. the environment; `LEVERET_DELAYER_` wins over `AMQPDELAYER_`
4. the command line

The file has lines of `name: value`. `#` begins a comment at the start of a line or after a space; a
value may be empty, and in quotes it may hold anything. A list is parted by commas.

A delayer inside the broker has its options in a section `[delayer.NAME]` of `leveret.toml` (or of
`conf.d/*.toml`) and in variables `LEVERET_DELAYER_NAME_OPTION`, such as
`LEVERET_DELAYER_RETRIES_RABBITMQ_QOS` for the section `[delayer.retries]`. There `rabbitmq-address` is
the broker itself, as the user `default_user`, `storage-address` is `delayer-NAME` in its `data_dir`,
and the log is the broker's.

A time is a number of seconds, or has a unit: `ms`, `s`, `m`, `h`, `d`. A size has a unit of 1,024
(`KiB`, `MiB`, `GiB`, `TiB`) or 1,000 (`kB`, `MB`, `GB`, `TB`), or none for bytes. A password is never
printed; a variable that ends in `_FILE` names a file with the address.

This page is made from the table in `crates/delayer/src/config.rs`.
";

const TRIGGER_HEAD: &str = "\
# Settings of `leveret trigger`

See every setting, its value and where that comes from, and what is wrong or odd:

    leveret trigger --print-config --config trigger.toml
    leveret trigger check --config trigger.toml

[The guide](trigger.md) says how to set one up. The file is TOML. It has a section `[trigger.NAME]`
for each trigger, `[broker.NAME]` for brokers, `[account.NAME]` for logins, and at its top, or in
`[trigger]`, what holds for all. In a section the first part of a name may be a table: `http_url` is
`url` in `[trigger.NAME.http]`, and `redelivery_max_attempts` is in `redelivery = { max_attempts = 5
}`. A list is an array. An unknown name is refused, with the nearest one.

A later layer wins:

1. the default
2. `trigger.toml` in the working directory or, if there is none, in `/etc/leveret`; `--config FILE`
   or `LEVERET_TRIGGER_CONFIG` names another file, which has to be there
3. `trigger.d/*.toml` beside that file, in the order of their names
4. the environment: `LEVERET_TRIGGER_ORDERS_HTTP_URL` for the section `[trigger.orders]`. The section
   has to be in a file, `-` in its name is `_`, and lists are parted by commas, but for texts that may
   hold some: they are JSON, such as `[\"prog\", \"a, b\"]`
5. the command line, for what holds for all triggers

A secret is `{ file = \"/run/secrets/x\" }` or `{ env = \"X\" }`, which is `password_file` or
`password_env` in a variable's or a key's name; in the file itself only with `allow_inline_secrets`.
It is never printed. The first line counts, but all of signing keys. SIGHUP, and a change of any file
that was read, secrets and certificates among them, reads all of it again: triggers that changed
drain and start anew, others go on, and a file with a mistake changes nothing.

In `leveret.toml` (or `conf.d/*.toml`) the same sections run triggers inside the broker: without
`broker` and `hostname` they read from that broker, as `default_user`. What holds for all triggers is
in `[trigger]`; the log is the broker's. `leveret trigger check`, `render` and `test` look at them
with `--config leveret.toml`.

`MS` is milliseconds. A size has a unit of 1,024 (`KiB`, `MiB`, `GiB`) or 1,000 (`kB`, `MB`, `GB`), or
none for bytes. Names after the first mean the same.

This page is made from the tables in `crates/trigger/src/config`.
";

const DMQ_HEAD: &str = "\
# Settings of `leveret dmq`

See every setting, its value and where that comes from, and what is wrong or odd:

    leveret dmq --print-config --config dmq.toml
    leveret dmq check --config dmq.toml

[The guide](dmq.md) says how to join a bus. What Kamailio's module `dmq` has is called as there.
Every setting has one name: `ping_interval` is `ping_interval` in `dmq.toml`,
`LEVERET_DMQ_PING_INTERVAL` in the environment and `--ping-interval` on the command line. In a file
the first part of a name may be a table: `bridge_peers` is `peers` in `[bridge]`. An unknown name is
refused, with the nearest one.

A later layer wins:

1. the default
2. `dmq.toml` in the working directory or, if there is none, in `/etc/leveret`; `--config FILE` or
   `LEVERET_DMQ_CONFIG` names another file, which has to be there
3. `dmq.d/*.toml` beside that file, in the order of their names
4. the environment
5. the command line

A list is an array in a file, parted by commas in a variable, and a flag that is repeated; a value
that sets it replaces it. No name in a list holds a comma. A node reads its settings when it starts.

In `leveret.toml` (or `conf.d/*.toml`) the same settings stand in `[dmq]`, or in tables such as
`[dmq.bridge]`, and run the node inside the broker, one in a process. There `bridge_broker` is the
broker itself, as the user `default_user`, and the log is the broker's.

The password in `bridge_broker` is never printed. A file with the URL is named by
`bridge_broker_file`, or in the environment by `LEVERET_DMQ_BRIDGE_BROKER_FILE`.

A URI is `sip:HOST:PORT`, with `;transport=tcp` or `;transport=tls` where that is not UDP; without a
port it is 5060, or 5061 by TLS. A `BOOL` is true or false, or 1 or 0 where Kamailio writes that. `MS`
is milliseconds. A size has a unit of 1,024 (`KiB`, `MiB`, `GiB`) or 1,000 (`kB`, `MB`, `GB`), or none
for bytes. The name of a peer is 1 to 64 letters, digits or `-_.!~*'()&=+$`.

This page is made from the table in `crates/dmq/src/config/table.rs`.
";

/// What a program without a data directory never ends with.
const STORED: [Exit; 2] = [Exit::Data, Exit::Busy];

/// The codes of a program that never ends with some of them.
fn exit_codes(without: &[Exit]) -> String {
    let mut table = String::from("\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n");
    for exit in Exit::ALL.into_iter().filter(|exit| !without.contains(exit)) {
        table.push_str(&format!("| {} | {} |\n", exit.code(), exit.meaning()));
    }
    table
}

#[track_caller]
fn is_true(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/{name} is out of date: UPDATE_DOCS=1 cargo nextest run -p leveret settings_page"
    );
}

#[test]
fn the_page_of_settings_is_true() {
    is_true("settings.md", &format!("{HEAD}{}{}", SETTINGS.markdown(), exit_codes(&[])));
}

#[test]
fn the_page_of_rabbitmqs_keys_is_true() {
    is_true("rabbitmq-conf.md", &format!("{RABBITMQ_HEAD}{}", rabbitmq::markdown()));
}

#[test]
fn the_page_of_the_delayers_options_is_true() {
    let page = format!("{DELAYER_HEAD}{}{}", OPTIONS.markdown(), exit_codes(&[Exit::Unfinished]));
    is_true("delayer-options.md", &page);
}

#[test]
fn the_page_of_the_triggers_settings_is_true() {
    let tables = [TRIGGERS.markdown(), ACCOUNT.markdown(), BROKER.markdown(), TRIGGER.markdown()];
    is_true(
        "trigger-options.md",
        &format!("{TRIGGER_HEAD}{}{}", tables.concat(), exit_codes(&STORED)),
    );
}

#[test]
fn the_page_of_the_nodes_settings_is_true() {
    is_true(
        "dmq-options.md",
        &format!(
            "{DMQ_HEAD}{}{}",
            DMQ.markdown(),
            exit_codes(&[&STORED[..], &[Exit::Unfinished]].concat())
        ),
    );
}
