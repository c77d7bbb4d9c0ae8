//! Every refusal, word for word: what a client does, and what it hears.
//!
//! The tables are text files beside this one, read by `table.rs`; `script.rs` speaks their language. The same rows run
//! against RabbitMQ in `peer_rabbitmq.rs`: what it says otherwise stands in the row, with a reason.

mod peer_rabbitmq;
mod script;
mod table;

use crate::site::{BrokerKind, Site};
use table::{FILES, Table};

/// Runs all rows; those that heard something else are shown side by side.
#[track_caller]
fn check(file: &str) {
    let site = Site::of(BrokerKind::Leveret);
    let (table, mut wrong) = (Table::read(file), String::new());
    table.run(&site, |row, login| {
        let heard = script::hears(site.amqp(), login, &row.does);
        if heard != row.hears {
            let (does, told) = (&row.does, &row.hears);
            wrong.push_str(&format!("{does}\n  heard  {heard}\n  table  {told}\n"));
        }
    });
    assert!(wrong.is_empty(), "of {} rows:\n{wrong}", table.rows.len());
}

#[test]
fn there_are_many_rows() {
    let count: usize = FILES.iter().map(|file| Table::read(file).rows.len()).sum();
    assert!(count >= 300, "{count}");
}

#[test]
fn anyone_is_refused_in_these_words() {
    check("anyone.txt");
}

#[test]
fn who_may_do_little_is_refused_in_these_words() {
    check("limited.txt");
}

#[test]
fn who_is_confined_is_refused_in_these_words() {
    check("confined.txt");
}
