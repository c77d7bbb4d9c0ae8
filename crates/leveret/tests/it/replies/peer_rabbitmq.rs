//! The same tables against RabbitMQ, 3.10.8 or 4.3.

use super::script;
use super::table::Table;
use crate::peers;
use crate::site::{BrokerKind, Site};

/// Shows side by side where RabbitMQ says something else than the table. What the table says of RabbitMQ has to be so.
#[track_caller]
fn compare(file: &str) {
    let site = Site::of(BrokerKind::RabbitMq);
    let four = peers::rabbitmq_is_4();
    let (table, mut wrong) = (Table::read(file), String::new());
    table.run(&site, |row, login| {
        let heard = script::hears(site.amqp(), login, &row.does);
        let (ours, does) = (&row.hears, &row.does);
        let other = match &row.rabbitmq4 {
            Some(other) if four => Some(other),
            // What both say need not be written twice, and 4.3 may do as we do.
            _ => row.rabbitmq.as_ref().filter(|_| !four || heard != *ours),
        };
        let told = other.map_or(ours, |(told, _)| told);
        match other {
            Some((_, why)) if heard == *ours => {
                wrong.push_str(&format!("{does}\n  no difference, but the table has: {why}\n"));
            }
            Some((_, why)) if heard == *told => {
                println!("{does}\n  leveret   {ours}\n  rabbitmq  {heard}\n  because   {why}");
            }
            _ if heard == *told => {}
            _ => wrong.push_str(&format!("{does}\n  leveret   {ours}\n  rabbitmq  {heard}\n")),
        }
    });
    assert!(wrong.is_empty(), "of {} rows:\n{wrong}", table.rows.len());
}

#[test]
fn rabbitmq_refuses_anyone_in_these_words() {
    compare("anyone.txt");
}

#[test]
fn rabbitmq_refuses_who_may_do_little_in_these_words() {
    compare("limited.txt");
}

#[test]
fn rabbitmq_refuses_who_is_confined_in_these_words() {
    compare("confined.txt");
}
