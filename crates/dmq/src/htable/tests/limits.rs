//! Nothing that is sent to us makes the tables larger than they may be.

use super::*;

#[test]
fn a_cell_that_does_not_fit_changes_nothing() {
    let mut tables = Tables::new(&Limits { bytes_max: 2000, ..limits(&["*"]) }).unwrap();
    tables.set(&text("t", "a", "old"), NOW).unwrap();
    let (_, _, before) = tables.size();
    let large = text("t", "a", &"x".repeat(2000));
    assert_eq!(tables.set(&large, NOW), Err(TableError::Full { bytes_max: 2000 }));
    let body = format!(
        r#"{{"action":2,"htname":"t","cname":"b","type":2,"strval":"{}"}}"#,
        "x".repeat(2000)
    );
    assert_eq!(tables.take(body.as_bytes(), NOW), Err(Refused::Full));
    check(&tables, "t", NOW, &[r#"a="old""#]);
    assert_eq!(tables.size(), (1, 1, before));
}

#[test]
fn memory_stays_within_its_bound_and_is_given_back() {
    let mut tables = Tables::new(&Limits { bytes_max: 100_000, ..limits(&["*"]) }).unwrap();
    let full = (0..10_000).find(|n| {
        let refused = tables.set(&text("t", &format!("key{n}"), "value"), NOW).is_err();
        assert!(tables.size().2 <= 100_000);
        refused
    });
    let cells = full.unwrap();
    assert!((100..500).contains(&cells), "{cells}");
    assert_eq!(tables.size().1, usize::try_from(cells).unwrap());
    take(&mut tables, NOW, &[r#"{"action":6,"htname":"t","strval":"key","mode":0}"#]);
    assert_eq!(tables.size(), (1, 0, 0));
}

#[test]
fn cells_of_a_sync_that_fit_are_taken_when_others_do_not() {
    let mut tables = Tables::new(&Limits { bytes_max: 1000, ..limits(&["*"]) }).unwrap();
    let cell = |key: &str, text: &str| {
        format!(r#"{{"htname":"t","cname":"{key}","type":2,"strval":"{text}","expire":0}}"#)
    };
    let long = "x".repeat(900);
    let body = format!(r#"{{"cells":[{},{},{}]}}"#, cell("a", ""), cell("b", &long), cell("c", ""));
    assert_eq!(tables.take(body.as_bytes(), NOW), Err(Refused::Full));
    check(&tables, "t", NOW, &[r#"a="""#, r#"c="""#]);
}

#[test]
fn there_are_only_so_many_tables_and_empty_ones_make_room() {
    let mut tables = Tables::new(&Limits { tables_max: 3, ..limits(&["named", "*"]) }).unwrap();
    for table in ["a", "b"] {
        tables.set(&int(table, "k", 1), NOW).unwrap();
    }
    assert_eq!(tables.set(&int("c", "k", 1), NOW), Err(TableError::NoTable("c".into())));
    tables.delete("a", "k").unwrap();
    assert_eq!(tables.dump("a", NOW), Some(vec![]));
    tables.set(&int("c", "k", 1), NOW).unwrap();
    let names: Vec<_> = tables.names().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "c", "named"]);
    let long = "t".repeat(256);
    let body = format!(r#"{{"action":2,"htname":"{long}","cname":"k","type":0,"intval":1}}"#);
    assert_eq!(tables.take(body.as_bytes(), NOW), Err(Refused::NoTable(long)));
}

#[test]
fn what_kamailio_could_not_hold_is_not_set() {
    let mut tables = tables(&["t"]);
    let long = "k".repeat(256);
    for (table, key) in [("", "k"), ("t", ""), ("t", "a\nb"), ("t", &long), (&long, "k")] {
        let refused = tables.set(&int(table, key, 1), NOW);
        assert!(matches!(refused, Err(TableError::BadName(_))), "{table} {key}");
    }
    for number in [i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1] {
        assert_eq!(tables.set(&int("t", "k", number), NOW), Err(TableError::BadValue));
    }
    assert_eq!(tables.set(&text("t", "k", "a\0b"), NOW), Err(TableError::BadValue));
    assert_eq!(tables.set(&int("u", "k", 1), NOW), Err(TableError::NoTable("u".into())));
    assert_eq!(tables.delete("u", "k"), Err(TableError::NoTable("u".into())));
    assert_eq!(tables.size(), (1, 0, 0));
}

#[test]
fn a_cell_is_never_larger_than_a_message() {
    let mut tables = Tables::new(&Limits { cell_bytes_max: 1000, ..limits(&["*"]) }).unwrap();
    // A text of control characters is written six times as long as it is.
    for (character, fits) in [("x", 850), ("\u{1}", 145)] {
        let largest = (0..1000).take_while(|n| {
            let set = text("t", "k", &character.repeat(*n));
            match tables.set(&set, NOW) {
                Ok(bodies) => assert!(bodies[0].len() <= 1000),
                Err(error) => {
                    assert!(matches!(error, TableError::TooLarge { .. }), "{error}");
                    return false;
                }
            }
            let body = Sync::new(None, 1000).body(&tables, NOW).unwrap();
            assert!(body.len() <= 1000);
            true
        });
        assert!(largest.count() > fits);
    }
}

#[test]
fn very_many_cells_expire_in_several_goes() {
    let mut tables = Tables::new(&Limits { bytes_max: 1 << 30, ..limits(&["t"]) }).unwrap();
    for n in 0..25_000 {
        let set = TableSet { expire_s: Some(1), ..int("t", &n.to_string(), 1) };
        tables.set(&set, NOW).unwrap();
    }
    let mut goes = 0;
    while tables.next_expiry().is_some_and(|at_ms| at_ms <= NOW + 1000) {
        tables.expire(NOW + 1000);
        goes += 1;
    }
    assert_eq!((goes, tables.size().1), (3, 0));
}
