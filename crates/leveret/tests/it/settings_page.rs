//! docs/settings.md is what the table of settings says. `UPDATE_DOCS=1` writes it anew.

use std::fs;
use std::path::Path;

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
refused, with the nearest one.

A size has a unit of 1,024 (`k`, `KiB`, `M`, `MiB`, `G`, `GiB`, `T`, `TiB`) or 1,000 (`kB`, `MB`,
`GB`, `TB`), or none for bytes. A duration always has one: `ms`, `s`, `m`, `h`, `d`. `HOST` is an
address, `[…]` around an IPv6 one, a name, `localhost` for both loopback addresses or `*` for every
address; port 0 is a free one.

This page is made from the table in `crates/server/src/config.rs`.
";

fn page() -> String {
    let mut page = format!("{HEAD}{}", SETTINGS.markdown());
    page.push_str("\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        page.push_str(&format!("| {} | {} |\n", exit.code(), exit.meaning()));
    }
    page
}

#[test]
fn the_page_of_settings_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/settings.md is out of date: UPDATE_DOCS=1 cargo nextest run -p leveret settings_page"
    );
}
