//! The same tables against RabbitMQ 3.10.8.

use super::script;
use super::table::{PERMISSIONS, Table};
use crate::client::login::Login;
use crate::peers::{rabbitmq, rabbitmqctl};

/// Shows side by side where RabbitMQ says something else than the table. What the table says of RabbitMQ has to be so.
#[track_caller]
fn compare(table: Table, login: &Login) {
    let mut wrong = String::new();
    let rows = table.rows();
    for row in &rows {
        let heard = script::hears(rabbitmq(), login, &row.does);
        let told = row.rabbitmq.as_ref().map_or(&row.hears, |(told, _)| told);
        let (ours, does) = (&row.hears, &row.does);
        match &row.rabbitmq {
            Some((_, why)) if heard == row.hears => {
                wrong.push_str(&format!("{does}\n  no difference, but the table has: {why}\n"));
            }
            Some((_, why)) if heard == *told => {
                println!("{does}\n  leveret   {ours}\n  rabbitmq  {heard}\n  because   {why}");
            }
            _ if heard == *told => {}
            _ => wrong.push_str(&format!("{does}\n  leveret   {ours}\n  rabbitmq  {heard}\n")),
        }
    }
    assert!(wrong.is_empty(), "of {} rows:\n{wrong}", rows.len());
}

#[test]
fn rabbitmq_refuses_anyone_in_these_words() {
    compare(Table::Anyone, &Login::default());
}

#[test]
fn rabbitmq_refuses_who_may_do_little_in_these_words() {
    let [configure, write, read] = PERMISSIONS;
    rabbitmqctl(&["add_user", "limited", "limited"]);
    rabbitmqctl(&["set_permissions", "limited", configure, write, read]);
    compare(Table::Limited, &Login::user("limited", "limited"));
    rabbitmqctl(&["delete_user", "limited"]);
}
