//! Which headers go on, and which do not.

use super::*;
use amqp::value::{Table, Value};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What the headers carry when these are to be passed on, as `name: value`.
#[track_caller]
fn check(pass: &[&str], fields: &[(&str, Value)], expected: &[&str]) {
    let pass: Vec<String> = pass.iter().map(|name| (*name).to_owned()).collect();
    let list = PassList::new(&pass);
    let table = Table(fields.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.clone())).collect());
    let mut out = Vec::new();
    table.encode(&mut out);
    let mut headers = Vec::new();
    list.carried(RawTable(&out[4..])).unwrap().append(&mut headers);
    let text = |(name, value): &(HeaderName, HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    assert_eq!(headers.iter().map(text).collect::<Vec<_>>(), expected);
}

#[test]
fn text_integers_and_truth_values_are_passed() {
    let names = ["x-s", "X-Int", "x-bool", "x-missing", "x-double"];
    let fields = [
        ("x-S", "text, and more".into()),
        ("x-s", "second".into()),
        ("x-int", Value::I64(-5)),
        ("x-bool", true.into()),
        ("x-double", Value::F64(1.0)),
        ("x-other", "not asked for".into()),
    ];
    check(&names, &fields, &["x-s: text, and more", "x-int: -5", "x-bool: true"]);
}

#[test]
fn a_value_cannot_become_another_header() {
    let fields = [
        ("a", "x\r\nhost: evil".into()),
        ("b", "x\ny".into()),
        ("c", "x\0y".into()),
        ("d", "tab\tand é".into()),
    ];
    check(&["a", "b", "c", "d"], &fields, &["d: tab\tand é"]);
}

#[test]
fn names_of_ours_and_names_that_are_none_are_not_passed() {
    let names = ["x-trigger-attempt", "X-Amqp-Exchange", "ce-id", "traceparent", "a b", ""];
    let fields = names.map(|name| (name, "v".into()));
    check(&names, &fields, &[]);
}

#[test]
fn no_more_than_8_kib_are_passed() {
    let long = "v".repeat(PASSED_BYTES_MAX - 8);
    let fields = [("x-a", Value::from(&*long)), ("x-b", "1".into()), ("x-c", "".into())];
    check(&["x-a", "x-b", "x-c"], &fields, &[&format!("x-a: {long}")]);
    let fields = [("x-b", "1".into()), ("x-a", Value::from(&*long)), ("x-c", "".into())];
    check(&["x-a", "x-b", "x-c"], &fields, &["x-b: 1", "x-c: "]);
}

#[test]
fn a_trace_is_text_or_binary() {
    let parent = format!("traceparent: {PARENT}");
    check(&[], &[("traceparent", PARENT.into())], &[&parent]);
    let bytes = Value::Bytes(PARENT.into());
    let fields = [("tracestate", "a=1,b=2".into()), ("Traceparent", bytes)];
    check(&[], &fields, &[&parent, "tracestate: a=1,b=2"]);
    check(&[], &[("tracestate", "a=1".into())], &[]);
    check(&[], &[("traceparent", PARENT.into()), ("tracestate", "a\r\n".into())], &[&parent]);
    check(&[], &[("traceparent", Value::I64(1))], &[]);
}

#[test]
fn a_traceparent_is_as_the_standard_has_it() {
    assert!(is_traceparent(PARENT));
    assert!(is_traceparent(&PARENT.replacen("00", "cc", 1)));
    assert!(is_traceparent(&format!("{}-what the future brings", PARENT.replacen("00", "01", 1))));
    let wrong = [
        String::new(),
        format!("{PARENT}-more"),
        format!("{PARENT} "),
        PARENT.replacen("00", "ff", 1),
        PARENT.to_uppercase(),
        PARENT.replace('-', "_"),
        PARENT[..54].into(),
        format!("{}more", PARENT.replacen("00", "01", 1)),
        format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
        format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", "0".repeat(16)),
    ];
    for text in wrong {
        assert!(!is_traceparent(&text), "{text}");
    }
}

#[test]
fn headers_that_cannot_be_read_carry_nothing() {
    assert!(PassList::default().carried(RawTable(b"\x01k?")).is_err());
    assert!(PassList::default().carried(RawTable(b"\x09k")).is_err());
}
