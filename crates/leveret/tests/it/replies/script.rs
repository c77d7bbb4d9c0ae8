//! What a client of a table does, in words, and what it hears.
//!
//! Commands are parted by `;`. All but the last have to go well; what the last one is answered is what is heard:
//!
//! ```text
//! ok                                          nothing is wrong
//! ok returned 312 NO_ROUTE                    the same, and a message came back
//! channel 404 50.10 NOT_FOUND - …             the channel is closed
//! connection 540 60.40 NOT_IMPLEMENTED - …    the connection is closed
//! end                                         the broker closed the socket without a word
//! ```
//!
//! After a channel was closed its number can be opened again, and another channel of the connection goes on; both are looked
//! at every time. What a row declares is deleted after it.
//!
//! `''` is an empty word, `\n` and `\r` are what they are elsewhere. `name=value` words are arguments: `5` a long, `i32:5`,
//! `u8:5`, `f64:1.5`, `true`, `void`, `[]` an empty array, `{}` an empty table, all else a string; `bytes:300` is a string
//! of that many bytes. `other …` is said on another connection, `at 9 …` on channel 9, which nobody opened.

use std::net::SocketAddr;

use amqp::frame::FrameKind;
use amqp::method::{
    BasicAck, BasicCancel, BasicCancelOk, BasicGet, BasicNack, BasicQos, BasicRecover, BasicReject,
    ChannelCloseOk, ChannelFlow, ChannelOpen, ConfirmSelect, ConnectionCloseOk, ExchangeBind,
    ExchangeDelete, ExchangeUnbind, Method, QueueBind, QueueDelete, QueuePurge, QueueUnbind,
    TxCommit, TxRollback, TxSelect,
};
use amqp::value::{RawTable, Table, Value};

use crate::client::Client;
use crate::client::arguments::{Consume, Exchange, Queue, encoded};
use crate::client::channel::Channel;
use crate::client::login::Login;
use crate::client::message::{list, message};

/// Does it on a new connection; what is heard.
#[track_caller]
pub(super) fn hears(address: SocketAddr, login: &Login, does: &str) -> String {
    eprintln!("{does}");
    if let Some(login) = does.strip_prefix("login ") {
        return logs_in(address, login);
    }
    let client = login.open(address);
    let (channel, sibling) = (client.channel(), client.channel());
    let other = does.contains("other ").then(|| login.open(address));
    let other = other.map(|client| (client.channel(), client));
    let commands: Vec<&str> = does.split(';').map(str::trim).collect();
    let mut heard = String::new();
    for (at, command) in commands.iter().enumerate() {
        heard = match (command.strip_prefix("other "), &other) {
            (Some(command), Some((channel, client))) => says(client, channel, None, command),
            _ => says(&client, &channel, Some(&sibling), command),
        };
        let last = at + 1 == commands.len();
        assert!(last || heard.starts_with("ok"), "{does}\nat {command}: {heard}");
    }
    if !heard.starts_with("connection") && heard != "end" {
        client.close();
    }
    if let Some((_, client)) = other {
        client.close();
    }
    clean_up(&login.open(address), &commands);
    heard
}

/// Deletes what was declared.
fn clean_up(client: &Client, commands: &[&str]) {
    for command in commands {
        let command = command.strip_prefix("other ").unwrap_or(command);
        let words = words(command);
        match words.first().map(String::as_str) {
            Some("queue") if !words[1].is_empty() => {
                says(client, &client.channel(), None, &format!("delete {}", words[1]));
            }
            Some("exchange") if !words[1].is_empty() => {
                says(client, &client.channel(), None, &format!("delete-exchange {}", words[1]));
            }
            _ => {}
        }
    }
}

/// `user password vhost`: what becomes of the handshake.
fn logs_in(address: SocketAddr, words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let [user, password, vhost] = words[..] else { panic!("user, password and vhost: {words:?}") };
    let vhost: &'static str = vhost.to_owned().leak();
    let login = Login { vhost, ..Login::user(user, password) };
    let client = Client::raw(address);
    login.start(&client);
    let Some(answer) = client.next_frame() else { return "end".to_owned() };
    let Method::ConnectionTune(tune) = answer.method() else {
        return connection_closed(&client, &answer.method());
    };
    login.tune_and_open(&client, &tune);
    match client.next_frame() {
        None => "end".to_owned(),
        Some(answer) => match answer.method() {
            Method::ConnectionOpenOk(_) => "ok".to_owned(),
            other => connection_closed(&client, &other),
        },
    }
}

/// Says one command on a channel; what is heard.
#[track_caller]
fn says(client: &Client, channel: &Channel, sibling: Option<&Channel>, command: &str) -> String {
    let mut words = words(command);
    let unopened;
    let mut channel = channel;
    if words[0] == "at" {
        unopened = client.unopened(words[1].parse().unwrap());
        channel = &unopened;
        words.drain(..2);
    }
    send(channel, &words);
    channel.send(ChannelFlow { active: true });
    let mut returned = String::new();
    loop {
        let Some(frame) = client.next_frame() else { return "end".to_owned() };
        if frame.kind != FrameKind::Method {
            continue;
        }
        match frame.method() {
            Method::ChannelFlowOk(_) => return format!("ok{returned}"),
            Method::BasicReturn(m) => {
                returned = format!(" returned {} {}", m.reply_code, m.reply_text);
            }
            Method::ChannelClose(m) => {
                let at = (m.class_id, m.method_id);
                let heard = closed("channel", m.reply_code, at, m.reply_text);
                channel.send(ChannelCloseOk {});
                client.channel_at(channel.number).silent();
                if let Some(sibling) = sibling {
                    sibling.silent();
                }
                return heard;
            }
            method @ Method::ConnectionClose(_) => return connection_closed(client, &method),
            _ => {}
        }
    }
}

#[track_caller]
fn connection_closed(client: &Client, method: &Method<'_>) -> String {
    let Method::ConnectionClose(m) = method else { panic!("unexpected: {method:?}") };
    let at = (m.class_id, m.method_id);
    let heard = closed("connection", m.reply_code, at, m.reply_text);
    client.send(ConnectionCloseOk {});
    client.expect_end();
    heard
}

/// Names that a broker makes up are all the same. A text of several lines is one line.
fn closed(what: &str, code: u16, (class, method): (u16, u16), text: &str) -> String {
    let mut text = text.replace('\n', "\\n");
    if let Some(at) = text.find("'amq.gen-") {
        let end = text[at + 1..].find('\'').map_or(text.len(), |end| at + 1 + end);
        text.replace_range(at + 9..end, "…");
    }
    format!("{what} {code} {class}.{method} {text}")
}

/// The words of a command.
fn words(command: &str) -> Vec<String> {
    let word = |word: &str| match word {
        "''" => String::new(),
        word => word.replace("\\n", "\n").replace("\\r", "\r"),
    };
    command.split(' ').filter(|word| !word.is_empty()).map(word).collect()
}

fn send(channel: &Channel, words: &[String]) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let has = |flag: &str| words.contains(&flag);
    let arguments = table(&words);
    let encoded_arguments = encoded(&arguments);
    let raw = RawTable(&encoded_arguments);
    let name: Box<str> = sized(word(1)).into();
    match words[0] {
        "queue" => channel.send_declare(&Queue {
            name: name.into(),
            passive: has("passive"),
            durable: has("durable"),
            exclusive: has("exclusive"),
            auto_delete: has("auto-delete"),
            arguments,
        }),
        "exchange" => channel.send_declare_exchange(&Exchange {
            name: name.into(),
            kind: word(2).to_owned(),
            passive: has("passive"),
            durable: has("durable"),
            auto_delete: has("auto-delete"),
            internal: has("internal"),
            arguments,
        }),
        "bind" => channel.send(QueueBind {
            queue: &name,
            exchange: word(2),
            routing_key: word(3),
            no_wait: false,
            arguments: raw,
        }),
        "unbind" => channel.send(QueueUnbind {
            queue: &name,
            exchange: word(2),
            routing_key: word(3),
            arguments: raw,
        }),
        "xbind" => channel.send(ExchangeBind {
            destination: &name,
            source: word(2),
            routing_key: word(3),
            no_wait: false,
            arguments: raw,
        }),
        "xunbind" => channel.send(ExchangeUnbind {
            destination: &name,
            source: word(2),
            routing_key: word(3),
            no_wait: false,
            arguments: raw,
        }),
        "delete" => channel.send(QueueDelete {
            queue: &name,
            if_unused: has("if-unused"),
            if_empty: has("if-empty"),
            no_wait: false,
        }),
        "delete-exchange" => channel.send(ExchangeDelete {
            exchange: &name,
            if_unused: has("if-unused"),
            no_wait: false,
        }),
        _ => send_other(channel, &words, arguments),
    }
}

/// What is not about exchanges, queues and bindings.
fn send_other(channel: &Channel, words: &[&str], arguments: Table) {
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let number = |at: usize| word(at).parse::<u64>().unwrap_or_default();
    let has = |flag: &str| words.contains(&flag);
    let name: Box<str> = sized(word(1)).into();
    match words[0] {
        "purge" => channel.send(QueuePurge { queue: &name, no_wait: false }),
        "publish" => publish(channel, &name, words),
        "get" => channel.send(BasicGet { queue: &name, no_ack: has("no-ack") }),
        "consume" => channel.send_consume(&Consume {
            queue: name.into(),
            tag: word(2).to_owned(),
            no_ack: has("no-ack"),
            exclusive: has("exclusive"),
            arguments,
        }),
        "cancel" => channel.send(BasicCancel { consumer_tag: &name, no_wait: false }),
        "cancel-ok" => channel.send(BasicCancelOk { consumer_tag: &name }),
        "ack" => channel.send(BasicAck { delivery_tag: number(1), multiple: has("multiple") }),
        "reject" => {
            channel.send(BasicReject { delivery_tag: number(1), requeue: has("requeue") });
        }
        "nack" => channel.send(BasicNack {
            delivery_tag: number(1),
            multiple: has("multiple"),
            requeue: has("requeue"),
        }),
        "recover" => channel.send(BasicRecover { requeue: has("requeue") }),
        "qos" => channel.send(BasicQos {
            prefetch_size: number(2) as u32,
            prefetch_count: number(1) as u16,
            global: has("global"),
        }),
        "flow" => channel.send(ChannelFlow { active: has("on") }),
        "open" => channel.send(ChannelOpen {}),
        "tx" => channel.send(TxSelect {}),
        "commit" => channel.send(TxCommit {}),
        "rollback" => channel.send(TxRollback {}),
        "confirm" => channel.send(ConfirmSelect { no_wait: false }),
        "raw" => channel.connection.borrow_mut().wire.write(&bytes(&words[1..])),
        other => panic!("no command {other}"),
    }
}

fn publish(channel: &Channel, exchange: &str, words: &[&str]) {
    let mut sent = message(exchange, words.get(2).unwrap_or(&""), "m");
    sent.mandatory = words.contains(&"mandatory");
    sent.immediate = words.contains(&"immediate");
    for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
        sent = match name {
            "expiration" => sent.expiration(value),
            "user-id" => sent.user_id(value),
            "reply-to" => sent.reply_to(value),
            "cc" => sent.header("CC", list(&value.split(',').collect::<Vec<_>>())),
            header => sent.header(header, parsed(value)),
        };
    }
    channel.send_message(&sent);
}

fn table(words: &[&str]) -> Table {
    let mut table = Table::new();
    for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
        table.insert(name, parsed(value));
    }
    table
}

fn parsed(value: &str) -> Value {
    match (value, value.split_once(':')) {
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        ("void", _) => Value::Void,
        ("[]", _) => Value::Array(Vec::new()),
        ("{}", _) => Value::Table(Table::new()),
        (_, Some(("i32", number))) => Value::I32(number.parse().unwrap()),
        (_, Some(("u8", number))) => Value::U8(number.parse().unwrap()),
        (_, Some(("f64", number))) => Value::F64(number.parse().unwrap()),
        (text, _) => text.parse().map_or_else(|_| Value::from(&*sized(text)), Value::I64),
    }
}

/// `bytes:300` is that many letters.
fn sized(word: &str) -> String {
    let count = word.strip_prefix("bytes:").and_then(|count| count.parse().ok());
    count.map_or_else(|| word.to_owned(), |count| "b".repeat(count))
}

/// Hexadecimal digits.
fn bytes(words: &[&str]) -> Vec<u8> {
    let digits = words.concat();
    let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
