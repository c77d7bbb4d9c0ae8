//! docs/settings.md and docs/delayer-options.md are what the tables of settings say. `UPDATE_DOCS=1`
//! writes them anew.

use std::fs;
use std::path::Path;

use delayer::config::OPTIONS;
use server::config::SETTINGS;
use service::shutdown::Exit;

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
3. `conf.d/*.toml` beside that file, in the order of their names
4. the environment
5. the command line

In a file, the first part of a name may be a table: `cert` in `[tls]` is `tls_cert`. A list is an
array in a file, parted by commas in a variable, and a flag that is repeated. An unknown name is
refused, with the nearest one. Sections `[delayer.NAME]` run a delayer each beside the broker; their
options are those of [the delayer](delayer-options.md).

A size has a unit of 1,024 (`k`, `KiB`, `M`, `MiB`, `G`, `GiB`, `T`, `TiB`) or 1,000 (`kB`, `MB`,
`GB`, `TB`), or none for bytes. A duration always has one: `ms`, `s`, `m`, `h`, `d`. `HOST` is an
address, `[…]` around an IPv6 one, a name, `localhost` for both loopback addresses or `*` for every
address; port 0 is a free one.

This page is made from the table in `crates/server/src/config.rs`.
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

/// The codes of a part that may run triggers, or not.
fn exit_codes(runs_triggers: bool) -> String {
    let mut table = String::from("\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n");
    for exit in Exit::ALL.into_iter().filter(|exit| runs_triggers || *exit != Exit::Unfinished) {
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
    is_true("settings.md", &format!("{HEAD}{}{}", SETTINGS.markdown(), exit_codes(true)));
}

#[test]
fn the_page_of_the_delayers_options_is_true() {
    let page = format!("{DELAYER_HEAD}{}{}", OPTIONS.markdown(), exit_codes(false));
    is_true("delayer-options.md", &page);
}
