//! What a command finds around it.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use rustix::process::Signal;

use super::*;

fn header(name: &'static str, value: &str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
}

/// What `env` says, without what shells add.
async fn variables(config: &CommandConfig, run: &Run) -> BTreeMap<String, String> {
    let config = CommandConfig { argv: ["/usr/bin/env"].into_iter().collect(), ..config.clone() };
    let command = Command::new(&config, "orders", "in", true).unwrap();
    let body = command.run(run).await.reply.unwrap().body;
    let lines = str::from_utf8(&body).unwrap().lines();
    lines.filter_map(|line| line.split_once('=')).map(|(n, v)| (n.into(), v.into())).collect()
}

#[tokio::test]
async fn there_are_the_variables_of_the_run_and_few_others() {
    let asked =
        ["GREETING=a=b c", "CARGO_PKG_NAME", "NO_SUCH_VARIABLE", "LANG=tlh", "TRIGGER_NAME=x"];
    let config =
        CommandConfig { environment: asked.into_iter().collect(), ..CommandConfig::default() };
    let mut run = run_of(b"");
    run.rendered.headers = vec![
        header("content-type", "application/json"),
        header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        header("tracestate", "a=b"),
        header("x-trigger-body-encoding", "base64"),
        header("x-amqp-routing-key", "eu"),
        header("ce-id", "7"),
        // Names that a message header could have that is passed on.
        header("path", "/tmp"),
        header("x-path", "/tmp"),
        header("ld-preload", "evil.so"),
        header("x-trigger-attempt", "99"),
        header("x-trigger-queue", "evil"),
    ];
    let all = variables(&config, &run).await;
    let expected = [
        ("AMQP_ROUTING_KEY", "eu"),
        ("CARGO_PKG_NAME", "trigger"),
        ("CE_ID", "7"),
        ("CONTENT_TYPE", "application/json"),
        ("GREETING", "a=b c"),
        ("LANG", "tlh"),
        ("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("TRACESTATE", "a=b"),
        ("TRIGGER_ATTEMPT", "2"),
        ("TRIGGER_BODY_ENCODING", "base64"),
        ("TRIGGER_DEADLINE_MS", "1795338487006"),
        ("TRIGGER_EXECUTION_ID", "0199-abc"),
        ("TRIGGER_MESSAGE_ID", "order-7"),
        ("TRIGGER_NAME", "orders"),
        ("TRIGGER_QUEUE", "in"),
        ("TRIGGER_REDELIVERED", "true"),
    ];
    let own = |name: &str| !["PATH", "HOME", "TZ"].contains(&name);
    let found: Vec<_> =
        all.iter().map(|(n, v)| (n.as_str(), v.as_str())).filter(|(n, _)| own(n)).collect();
    assert_eq!(found, expected);
    assert_eq!(all.get("PATH").cloned(), std::env::var("PATH").ok());
}

#[tokio::test]
async fn values_that_are_not_text_are_left_out() {
    let with_id = |id: &[u8]| {
        let mut run = run_of(b"");
        let id = PropertiesBuf { message_id: Some(id.into()), ..PropertiesBuf::default() };
        run.message = Rc::new(Message { properties: id.encode(), ..Message::default() });
        run
    };
    for id in [&b"a\xffb"[..], b"a\nb", b"a\0b"] {
        let all = variables(&CommandConfig::default(), &with_id(id)).await;
        assert_eq!(all.get("TRIGGER_MESSAGE_ID"), None, "{id:?}");
        assert_eq!(all["TRIGGER_REDELIVERED"], "false");
    }
    let mut run = run_of(b"");
    run.message = Rc::new(Message { properties: b"broken".to_vec(), ..Message::default() });
    run.rendered.headers =
        vec![header("tracestate", &"x".repeat(5_000)), header("ce-id", "\u{e9}")];
    let all = variables(&CommandConfig::default(), &run).await;
    for name in ["TRIGGER_MESSAGE_ID", "TRACESTATE", "CE_ID"] {
        assert_eq!(all.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn signals_do_what_they_do_in_a_shell() {
    let script = Script::new("grep -E 'SigBlk|SigIgn' /proc/self/status");
    let reply = script.run(&run_of(b"")).await.reply.unwrap();
    let text = str::from_utf8(&reply.body).unwrap();
    let masks: Vec<u64> = text
        .lines()
        .map(|line| u64::from_str_radix(line.split_once('\t').unwrap().1, 16).unwrap())
        .collect();
    // Rust itself ignores SIGPIPE, on which `yes | head` relies.
    let own = [Signal::PIPE, Signal::TERM, Signal::INT, Signal::CHILD];
    let mask: u64 = own.iter().map(|signal| 1 << (signal.as_raw() - 1)).sum();
    assert_eq!(masks.iter().map(|set| set & mask).collect::<Vec<_>>(), [0, 0], "{text}");
}
