//! Full syncs, both ways.

use super::*;

fn walk(tables: &Tables, table: Option<&str>, body_bytes: usize) -> Vec<Vec<u8>> {
    let mut sync = Sync::new(table.map(str::to_owned), body_bytes);
    std::iter::from_fn(|| sync.body(tables, NOW)).collect()
}

#[test]
fn a_node_that_asks_gets_what_kamailio_would_send() {
    let mut tables = tables(&["*"]);
    let asked = |table: Option<&str>| Ok(Taken::SyncWanted(table.map(str::to_owned)));
    assert_eq!(tables.take(SYNC, NOW), asked(None));
    assert_eq!(tables.take(br#"{"action":1,"htname":""}"#, NOW), asked(None));
    assert_eq!(tables.take(br#"{"action":1,"htname":"ht"}"#, NOW), asked(Some("ht")));
    assert_eq!(walk(&tables, None, 60_000), [br#"{"cells":[]}"#]);
    tables.set(&text("nt", "e1", "a \"b\" é"), NOW).unwrap();
    tables.set(&int("ht", "cnt", -7), NOW).unwrap();
    let expiring = TableSet { expire_s: Some(60), ..text("ht", "k2", "v2") };
    tables.set(&expiring, NOW).unwrap();
    let ht = concat!(
        r#"{"htname":"ht","cname":"cnt","type":0,"intval":-7,"expire":0},"#,
        r#"{"htname":"ht","cname":"k2","type":2,"strval":"v2","expire":1795369620}"#,
    );
    let nt = r#"{"htname":"nt","cname":"e1","type":2,"strval":"a \"b\" é","expire":0}"#;
    let body = |cells: &str| vec![format!(r#"{{"cells":[{cells}]}}"#).into_bytes()];
    assert_eq!(walk(&tables, None, 60_000), body(&format!("{ht},{nt}")));
    assert_eq!(walk(&tables, Some("ht"), 60_000), body(ht));
    assert_eq!(walk(&tables, Some("none"), 60_000), body(""));
}

#[test]
fn a_sync_of_kamailio_is_taken() {
    let mut tables = tables(&["exp=>autoexpire=30", "nt", "ht"]);
    let cells = concat!(
        r#"{"cells":[{"htname":"nt","cname":"e1","type":2,"strval":"with \"quotes\" \\ / and é","expire":1795369619},"#,
        r#"{"htname":"ht","cname":"k2","type":2,"strval":"v2","expire":60},"#,
        r#"{"htname":"ht","cname":"cnt","type":0,"intval":-7,"expire":0},"#,
        r#"{"htname":"exp","cname":"a","type":2,"strval":"","expire":0},"#,
        r#"{"htname":"exp","cname":"gone","type":2,"strval":"","expire":1795369559},"#,
        r#"{"htname":"other","cname":"pre","type":2,"strval":"existing","expire":0},"#,
        r#"{"htname":"ht","type":2,"strval":"no name","expire":0},{}]}"#,
    );
    take(&mut tables, NOW, &[cells, r#"{"cells":[]}"#]);
    check(&tables, "nt", NOW, &[r#"e1="with \"quotes\" \\ / and é"+59877"#]);
    check(&tables, "ht", NOW, &["cnt=-7", r#"k2="v2""#]);
    check(&tables, "exp", NOW, &[r#"a=""+30000"#]);
    assert_eq!(tables.names().len(), 3);
}

#[test]
fn a_sync_that_does_not_tell_leaves_what_is_known_of_the_end() {
    let mut tables = tables(&["*"]);
    let expiring = TableSet { expire_s: Some(60), ..text("ht", "a", "v") };
    tables.set(&expiring, NOW).unwrap();
    for expire in [0, 60, -1] {
        let cell = r#"{"htname":"ht","cname":"a","type":2,"strval":"v""#;
        take(&mut tables, NOW, &[&format!(r#"{{"cells":[{cell},"expire":{expire}}}]}}"#)]);
        check(&tables, "ht", NOW, &[r#"a="v"+60000"#]);
    }
}

#[test]
fn bodies_of_a_sync_keep_their_size_and_make_the_same_tables() {
    let mut tables = tables(&["*"]);
    for n in 0..500_i64 {
        let table = ["a", "b", "c"][usize::try_from(n % 3).unwrap()];
        let long = "é\n".repeat(usize::try_from(n % 50).unwrap());
        let set = TableSet {
            value: if n % 5 == 0 { Value::Int(n) } else { Value::Text(long) },
            expire_s: (n % 2 == 0).then_some(100),
            ..int(table, &format!("key{n}"), 0)
        };
        tables.set(&set, NOW).unwrap();
    }
    for body_bytes in [0, 100, 1300, 60_000] {
        let bodies = walk(&tables, None, body_bytes);
        let mut other = super::tables(&["*"]);
        for body in &bodies {
            let alone = !body.windows(3).any(|part| part == b"},{");
            assert!(body.len() <= body_bytes || alone);
            assert_eq!(other.take(body, NOW), Ok(Taken::Applied));
        }
        // Whole seconds are sent, rounded up.
        for table in ["a", "b", "c"] {
            let cells = other.dump(table, NOW).unwrap().into_iter().map(|cell| Cell {
                expires_in_ms: cell.expires_in_ms.map(|ms| ms / 1000 * 1000),
                ..cell
            });
            assert_eq!(cells.collect::<Vec<_>>(), tables.dump(table, NOW).unwrap());
        }
        assert_eq!(bodies.len() == 500, body_bytes < 1000);
    }
}

#[test]
fn a_sync_goes_on_while_the_tables_change() {
    let mut tables = tables(&["*"]);
    for key in ["b", "d", "f"] {
        tables.set(&int("t", key, 1), NOW).unwrap();
    }
    let mut sync = Sync::new(None, 0);
    assert!(sync.body(&tables, NOW).unwrap().windows(3).any(|part| part == b"\"b\""));
    tables.set(&int("t", "a", 1), NOW).unwrap();
    tables.set(&int("t", "c", 1), NOW).unwrap();
    tables.delete("t", "b").unwrap();
    tables.delete("t", "d").unwrap();
    tables.set(&int("u", "z", 1), NOW).unwrap();
    let left: Vec<_> = std::iter::from_fn(|| sync.body(&tables, NOW)).collect();
    let keys = left.iter().map(|body| {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        body["cells"][0]["cname"].as_str().unwrap().to_owned()
    });
    assert_eq!(keys.collect::<Vec<_>>(), ["c", "f", "z"]);
    assert_eq!(sync.body(&tables, NOW), None);
}
