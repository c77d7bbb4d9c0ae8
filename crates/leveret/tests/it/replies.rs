//! Every refusal, word for word: what a client does, and what it hears.
//!
//! The tables are text files beside this one, read by `table.rs`; `script.rs` speaks their language. The same rows run
//! against RabbitMQ in `peer_rabbitmq.rs`: what it says otherwise stands in the row, with a reason.

mod peer_rabbitmq;
mod script;
mod table;

use std::net::SocketAddr;

use crate::broker::{Broker, shared};
use crate::client::login::Login;
use table::Table;

/// Runs all rows; those that heard something else are shown side by side.
#[track_caller]
fn check(table: Table, address: SocketAddr, login: &Login) {
    let rows = table.rows();
    let mut wrong = String::new();
    for row in &rows {
        let heard = script::hears(address, login, &row.does);
        if heard != row.hears {
            wrong.push_str(&format!("{}\n  heard  {heard}\n  table  {}\n", row.does, row.hears));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{wrong}", rows.len());
}

#[test]
fn there_are_many_rows() {
    let count: usize = Table::ALL.iter().map(|table| table.rows().len()).sum();
    assert!(count >= 80, "{count}");
}

#[test]
fn anyone_is_refused_in_these_words() {
    check(Table::Anyone, shared().amqp(), &Login::default());
}

#[test]
fn who_may_do_little_is_refused_in_these_words() {
    let [configure, write, read] = table::PERMISSIONS;
    let broker = Broker::with(&[
        "--default-user=limited",
        "--default-pass=limited",
        "--default-permissions-configure",
        configure,
        "--default-permissions-write",
        write,
        "--default-permissions-read",
        read,
    ]);
    check(Table::Limited, broker.amqp(), &Login::user("limited", "limited"));
}
