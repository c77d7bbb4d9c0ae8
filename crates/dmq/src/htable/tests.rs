//! Bodies in, tables and bodies out. What Kamailio accepts and sends was seen on 5.6.3.

mod limits;
mod model;
mod syncs;

use super::*;

/// A Sunday in 2026.
const NOW: Millis = 1_795_369_559_123;

fn limits(names: &[&str]) -> Limits {
    let names = names.iter().map(ToString::to_string).collect();
    Limits { names, bytes_max: 1 << 20, tables_max: 8, cell_bytes_max: 60_000 }
}

fn tables(names: &[&str]) -> Tables {
    Tables::new(&limits(names)).unwrap()
}

fn int(table: &str, key: &str, number: i64) -> TableSet {
    let (table, key) = (table.into(), key.into());
    TableSet { table, key, value: Value::Int(number), expire_s: None }
}

fn text(table: &str, key: &str, text: &str) -> TableSet {
    TableSet { value: Value::Text(text.into()), ..int(table, key, 0) }
}

/// What a table holds: `key=number` or `key="text"`, then `+ms` when it expires.
#[track_caller]
fn check(tables: &Tables, table: &str, now_ms: Millis, expected: &[&str]) {
    let held = tables.dump(table, now_ms).unwrap_or_default().into_iter().map(|cell| {
        let value = match cell.value {
            Value::Int(number) => number.to_string(),
            Value::Text(text) => format!("{text:?}"),
        };
        let left = cell.expires_in_ms.map(|ms| format!("+{ms}")).unwrap_or_default();
        format!("{}={value}{left}", cell.key)
    });
    assert_eq!(held.collect::<Vec<_>>(), expected);
}

/// Takes bodies that all are applied.
#[track_caller]
fn take(tables: &mut Tables, now_ms: Millis, bodies: &[&str]) {
    for body in bodies {
        assert_eq!(tables.take(body.as_bytes(), now_ms), Ok(Taken::Applied), "{body}");
    }
}

fn bodies(set: &TableSet) -> Vec<String> {
    let bodies = tables(&["*"]).set(set, NOW).unwrap();
    bodies.into_iter().map(|body| String::from_utf8(body).unwrap()).collect()
}

#[test]
fn what_is_sent_is_byte_for_byte_what_kamailio_sends() {
    let expiring = |expire_s, set| TableSet { expire_s: Some(expire_s), ..set };
    assert_eq!(
        bodies(&text("ht", "key1", "value-one")),
        [r#"{"action":2,"htname":"ht","cname":"key1","type":2,"strval":"value-one","mode":1}"#]
    );
    assert_eq!(
        bodies(&int("ht", "cnt", 42)),
        [r#"{"action":2,"htname":"ht","cname":"cnt","type":0,"intval":42,"mode":1}"#]
    );
    assert_eq!(
        bodies(&expiring(60, text("ht", "k2", "v2"))),
        [
            r#"{"action":2,"htname":"ht","cname":"k2","type":2,"strval":"v2","mode":1}"#,
            r#"{"action":3,"htname":"ht","cname":"k2","type":0,"intval":60,"mode":0}"#,
        ]
    );
    assert_eq!(
        bodies(&text("nt", "e1", "with \"quotes\" \\ / and é")),
        [
            r#"{"action":2,"htname":"nt","cname":"e1","type":2,"strval":"with \"quotes\" \\ / and é","mode":1}"#
        ]
    );
    assert_eq!(
        bodies(&text("ht", "c1", "a\nb\tc\u{1}d"))[0],
        r#"{"action":2,"htname":"ht","cname":"c1","type":2,"strval":"a\nb\tc\u0001d","mode":1}"#
    );
    let mut tables = tables(&["*"]);
    tables.set(&int("ht", "cnt", 42), NOW).unwrap();
    let gone = tables.delete("ht", "cnt").unwrap().unwrap();
    assert_eq!(gone, br#"{"action":4,"htname":"ht","cname":"cnt","mode":0}"#);
    assert_eq!(tables.delete("ht", "cnt"), Ok(None));
}

#[test]
fn what_kamailio_sends_is_applied() {
    let mut tables = tables(&["*"]);
    let bodies = [
        r#"{"action":2,"htname":"ht","cname":"key1","type":2,"strval":"value-one","mode":1}"#,
        r#"{"action":2,"htname":"ht","cname":"cnt","type":0,"intval":42,"mode":1}"#,
        r#"{"action":2,"htname":"ht","cname":"k2","type":2,"strval":"v2","mode":1}"#,
        r#"{"action":3,"htname":"ht","cname":"k2","type":0,"intval":60,"mode":0}"#,
        r#"{"action":2,"htname":"ht","cname":"e1","type":2,"strval":"\"q\" \\ \/ \u00e9 é","mode":1}"#,
    ];
    take(&mut tables, NOW, &bodies);
    let all = ["cnt=42", r#"e1="\"q\" \\ / é é""#, r#"k2="v2"+60000"#, r#"key1="value-one""#];
    check(&tables, "ht", NOW, &all);
    take(&mut tables, NOW, &[r#"{"action":4,"htname":"ht","cname":"cnt","mode":0}"#]);
    check(&tables, "ht", NOW + 60_000, &[all[1], all[3]]);
    assert_eq!(tables.names(), [("ht".to_owned(), 3)]);
    assert_eq!(tables.next_expiry(), Some(NOW + 60_000));
    tables.expire(NOW + 60_000);
    assert_eq!(tables.names(), [("ht".to_owned(), 2)]);
    assert_eq!(tables.next_expiry(), None);
}

#[test]
fn fields_may_be_unknown_missing_or_in_any_order() {
    let mut tables = tables(&["*"]);
    let bodies = [
        r#" {"strval":"s","type":2,"cname":"a","htname":"ht","new":{"x":[1]},"action":2} "#,
        r#"{"action":2.0,"htname":"ht","cname":"b","type":0,"intval":3000000000.0,"mode":1}"#,
        r#"{"action":2,"htname":"ht","cname":"c","type":0,"intval":1e300}"#,
        r#"{"action":4,"htname":"ht","cname":"nobody"}"#,
        r#"{"action":4,"htname":"none","cname":"nobody"}"#,
        r#"{"action":3,"htname":"ht","cname":"nobody","type":0,"intval":9}"#,
    ];
    take(&mut tables, NOW, &bodies);
    check(&tables, "ht", NOW, &[r#"a="s""#, "b=3000000000", "c=9223372036854775807"]);
    assert_eq!(tables.names().len(), 1);
}

#[test]
fn what_says_nothing_is_refused() {
    let mut tables = tables(&["ht"]);
    let cases = [
        ("", 400),
        ("{oops", 400),
        ("{}", 400),
        ("[]", 400),
        ("7", 400),
        (r#"{"cells":7}"#, 400),
        (r#"{"cells":[7]}"#, 400),
        (r#"{"action":"2"}"#, 400),
        (r#"{"action":7,"htname":"ht","cname":"a"}"#, 400),
        (r#"{"action":2,"cname":"a","type":2,"strval":"s"}"#, 400),
        (r#"{"action":2,"htname":"ht","type":2,"strval":"s"}"#, 400),
        (r#"{"action":2,"htname":"ht","cname":"a","type":2,"intval":1}"#, 400),
        (r#"{"action":2,"htname":"ht","cname":"a","type":0,"strval":"s"}"#, 400),
        (r#"{"action":3,"htname":"ht","cname":"a"}"#, 400),
        (r#"{"action":5,"htname":"ht","strval":""}"#, 400),
        (r#"{"action":5,"htname":"ht","strval":"((("}"#, 400),
        (r#"{"action":5,"htname":"ht","strval":"(a)\\1"}"#, 400),
        (r#"{"action":5,"htname":"ht","strval":"((a{100}){100}){100}"}"#, 400),
        (r#"{"action":5,"htname":"ht","strval":"a[ab]{100}[^ab]"}"#, 400),
        (r#"{"action":6,"htname":"ht"}"#, 400),
        (r#"{"action":2,"htname":"nosuch","cname":"z","type":2,"strval":"s","mode":1}"#, 500),
        (r#"{"action":4,"htname":"nosuch","cname":"z","mode":0}"#, 500),
    ];
    for (body, code) in cases {
        let refused = tables.take(body.as_bytes(), NOW).unwrap_err();
        assert_eq!(refused.code(), code, "{body}: {refused}");
    }
    assert_eq!(tables.size(), (1, 0, 0));
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_and_counted() {
    let mut tables = tables(&["*"]);
    let body =
        b"{\"action\":2,\"htname\":\"ht\",\"cname\":\"bad\",\"type\":2,\"strval\":\"x\xff\xfey\"}";
    assert_eq!(tables.take(body, NOW), Ok(Taken::Applied));
    check(&tables, "ht", NOW, &["bad=\"x\u{fffd}\u{fffd}y\""]);
    assert_eq!(tables.replaced(), 1);
}

#[test]
fn cells_are_removed_by_name_or_text() {
    let removal = |action, strval: &str, mode| {
        let strval = serde_json::to_string(strval).unwrap();
        format!(r#"{{"action":{action},"htname":"ht","type":2,"strval":{strval},"mode":{mode}}}"#)
    };
    let cases: [(i64, &str, i64, &[&str]); 12] = [
        // Kamailio's expressions do not care about case, but what starts does.
        (5, "^ab[cd]$", 0, &["num", "xabc"]),
        (5, "ab", 0, &["num"]),
        (5, "^(ABD|num)$", 0, &["Abc", "xabc"]),
        (5, "[[:upper:]]", 0, &[]),
        (5, "^b$", 1, &["abd", "num", "xabc"]),
        (5, "a.b", 1, &["Abc", "abd", "num", "xabc"]),
        (5, "7", 1, &["Abc", "abd", "num", "xabc"]),
        (5, "é", 1, &["Abc", "num", "xabc"]),
        (6, "ab", 0, &["Abc", "num", "xabc"]),
        (6, "é", 1, &["Abc", "num", "xabc"]),
        (6, "(", 0, &["Abc", "abd", "num", "xabc"]),
        (6, "7", 1, &["Abc", "abd", "num", "xabc"]),
    ];
    for (action, strval, mode, left) in cases {
        let mut tables = tables(&["*"]);
        for (key, value) in [("Abc", "a\nb"), ("abd", "école"), ("xabc", "")] {
            tables.set(&text("ht", key, value), NOW).unwrap();
        }
        tables.set(&int("ht", "num", 7), NOW).unwrap();
        take(&mut tables, NOW, &[&removal(action, strval, mode)]);
        let keys: Vec<_> = tables.dump("ht", NOW).unwrap().into_iter().map(|c| c.key).collect();
        assert_eq!(keys, left, "{action} {strval} {mode}");
    }
}

#[test]
fn a_cell_lives_as_its_table_says() {
    let set = r#"{"action":2,"htname":"t","cname":"a","type":0,"intval":1}"#;
    let expire = |s: i64| format!(r#"{{"action":3,"htname":"t","cname":"a","intval":{s}}}"#);
    // The table; what is left of a new cell, of one set again after a second, of that cell after
    // SET_EXPIRE 9 and another SET, and after SET_EXPIRE 0.
    let cases = [
        ("t", ["a=1", "a=1", "a=1", "a=1"]),
        ("t=>updateexpire=0", ["a=1", "a=1", "a=1+9000", "a=1"]),
        ("t=>autoexpire=30", ["a=1+30000", "a=1+30000", "a=1+30000", "a=1"]),
        ("t=>autoexpire=30;updateexpire=0", ["a=1+30000", "a=1+29000", "a=1+9000", "a=1"]),
        ("*=>size=4; autoexpire=30;", ["a=1+30000", "a=1+30000", "a=1+30000", "a=1"]),
    ];
    for (spec, expected) in cases {
        let mut tables = tables(&[spec]);
        take(&mut tables, NOW, &[set]);
        check(&tables, "t", NOW, &expected[..1]);
        let later = NOW + 1000;
        take(&mut tables, later, &[set]);
        check(&tables, "t", later, &expected[1..2]);
        take(&mut tables, later, &[&expire(9), set]);
        check(&tables, "t", later, &expected[2..3]);
        take(&mut tables, later, &[&expire(0)]);
        check(&tables, "t", later, &expected[3..]);
        let own = TableSet { expire_s: Some(0), ..int("t", "a", 1) };
        assert!(tables.set(&own, later).unwrap()[1].ends_with(br#""intval":0,"mode":0}"#));
        check(&tables, "t", later, &["a=1"]);
    }
}

#[test]
fn a_cell_that_has_expired_is_not_there_before_it_is_removed() {
    let mut tables = tables(&["t=>updateexpire=0"]);
    let expiring = TableSet { expire_s: Some(1), ..int("t", "a", 1) };
    tables.set(&expiring, NOW).unwrap();
    let later = NOW + 1000;
    assert_eq!(tables.get("t", "a", later), None);
    assert_eq!(tables.get("t", "a", later - 1).unwrap().expires_in_ms, Some(1));
    take(&mut tables, later, &[r#"{"action":3,"htname":"t","cname":"a","intval":9}"#]);
    check(&tables, "t", later, &[]);
    take(&mut tables, later, &[r#"{"action":2,"htname":"t","cname":"a","type":0,"intval":2}"#]);
    check(&tables, "t", later, &["a=2"]);
}

#[test]
fn the_last_write_wins_when_both_sides_say_when_they_wrote() {
    let set = |value: i64, modified: i64| {
        let stamp =
            if modified == 0 { String::new() } else { format!(r#","last_modified":{modified}"#) };
        format!(r#"{{"action":2,"htname":"t","cname":"a","type":0,"intval":{value}{stamp}}}"#)
    };
    let mut tables = tables(&["*"]);
    for (value, modified, holds) in
        [(1, 0, 1), (2, 50, 2), (3, 40, 2), (4, 50, 2), (5, 0, 5), (6, 45, 5), (7, 51, 7)]
    {
        take(&mut tables, NOW, &[&set(value, modified)]);
        check(&tables, "t", NOW, &[&format!("a={holds}")]);
    }
    let cell = r#"{"htname":"t","cname":"a","type":0,"intval":8,"expire":0,"last_modified":9}"#;
    take(&mut tables, NOW, &[&format!(r#"{{"cells":[{cell}]}}"#)]);
    check(&tables, "t", NOW, &["a=7"]);
}

#[test]
fn a_table_is_described_as_kamailio_does() {
    let read = |text: &str| text.parse::<TableSpec>();
    let life = |autoexpire_s, updateexpire| Life { autoexpire_s, updateexpire };
    let cases = [
        ("ht", life(0, true)),
        ("ht=>size=4;autoexpire=0;dmqreplicate=1;", life(0, true)),
        (" ht => autoexpire = 7200 ; updateexpire=0 ", life(7200, false)),
        ("ht=>size=10;autoexpire=30;dbtable=x;initval=0;reloadat=5", life(30, true)),
    ];
    for (text, life) in cases {
        assert_eq!(read(text), Ok(TableSpec { name: "ht".into(), life }));
    }
    assert_eq!(read("=>size=4"), Err(SpecError::Name(String::new())));
    assert!(matches!(read("a\nb"), Err(SpecError::Name(_))));
    assert!(matches!(read("ht=>autoexpires=4"), Err(SpecError::Parameter { .. })));
    assert!(matches!(read("ht=>autoexpire=-4"), Err(SpecError::Value { .. })));
    assert!(Tables::new(&limits(&["ht", ""])).is_err());
}

#[test]
fn cells_have_lanes_of_their_own() {
    assert_eq!(lane("a", "b"), lane("a", "b"));
    assert_ne!(lane("a", "b"), lane("a", "c"));
    assert_ne!(lane("ab", "c"), lane("a", "bc"));
}
