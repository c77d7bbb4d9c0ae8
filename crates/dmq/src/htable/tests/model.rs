//! Random histories against a map that does everything the slow way, and random bytes.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What can happen to tables.
#[derive(Clone, Debug)]
enum Step {
    Set { table: u8, key: u8, value: Value, expire_s: Option<u32> },
    Arrives { table: u8, key: u8, value: Value },
    Expires { table: u8, key: u8, seconds: i64 },
    Delete { table: u8, key: u8 },
    Start { table: u8, start: u8 },
    Synced { table: u8, key: u8, value: Value, left_s: i64 },
    Wait { ms: i64 },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let place = (0..3_u8, 0..12_u8);
    let value =
        prop_oneof![(-9..9_i64).prop_map(Value::Int), "[a-c\"\\\\é\n]{0,9}".prop_map(Value::Text)];
    let set = (place.clone(), value.clone(), proptest::option::of(0..9_u32));
    let synced = (place.clone(), value.clone(), prop_oneof![Just(0), -3..9_i64]);
    prop_oneof![
        set.prop_map(|((table, key), value, expire_s)| Step::Set { table, key, value, expire_s }),
        (place.clone(), value).prop_map(|((table, key), value)| Step::Arrives {
            table,
            key,
            value
        }),
        (place.clone(), -2..9_i64).prop_map(|((table, key), seconds)| Step::Expires {
            table,
            key,
            seconds
        }),
        place.prop_map(|(table, key)| Step::Delete { table, key }),
        (0..3_u8, 0..3_u8).prop_map(|(table, start)| Step::Start { table, start }),
        synced.prop_map(|((table, key), value, left_s)| Step::Synced { table, key, value, left_s }),
        (1..5000_i64).prop_map(|ms| Step::Wait { ms }),
        Just(Step::Expire),
    ]
}

/// Tables: without an end, with one of 5 s, with one of 5 s that setting again does not move.
const TABLES: [&str; 3] = ["a", "b=>autoexpire=5", "c=>autoexpire=5;updateexpire=0"];

fn name(table: u8) -> &'static str {
    &TABLES[usize::from(table)][..1]
}

/// Keys start with 0, 1 or 2.
fn key_of(key: u8) -> String {
    format!("{}{key}", key % 3)
}

/// The map that is right because it is simple.
#[derive(Default)]
struct Model(BTreeMap<(u8, u8), (Value, Option<Millis>)>);

impl Model {
    fn forget(&mut self, now_ms: Millis) {
        self.0.retain(|_, (_, end)| end.is_none_or(|end| end > now_ms));
    }

    fn set(&mut self, at: (u8, u8), value: Value, now_ms: Millis) {
        let held = self.0.get(&at).map(|(_, end)| *end);
        let end = match (at.0, held) {
            (0, _) => None,
            (2, Some(end)) => end,
            _ => Some(now_ms + 5000),
        };
        self.0.insert(at, (value, end));
    }

    fn expires(&mut self, at: (u8, u8), seconds: i64, now_ms: Millis) {
        if let Some((_, end)) = self.0.get_mut(&at) {
            *end = (seconds > 0).then_some(now_ms + seconds * 1000);
        }
    }

    fn synced(&mut self, at: (u8, u8), value: Value, left_s: i64, now_ms: Millis) {
        let held = self.0.get(&at).map(|(_, end)| *end);
        let end = match left_s {
            0 => held.unwrap_or((at.0 != 0).then_some(now_ms + 5000)),
            left_s => Some((now_ms / 1000 + left_s) * 1000),
        };
        if end.is_none_or(|end| end > now_ms) {
            self.0.insert(at, (value, end));
        }
    }
}

fn apply(step: Step, tables: &mut Tables, model: &mut Model, now_ms: &mut Millis) {
    model.forget(*now_ms);
    let now = *now_ms;
    let mut arrives = |body: Vec<u8>| {
        assert_eq!(tables.take(&body, now), Ok(Taken::Applied));
    };
    match step {
        Step::Set { table, key, value, expire_s } => {
            model.set((table, key), value.clone(), now);
            if let Some(seconds) = expire_s {
                model.expires((table, key), seconds.into(), now);
            }
            let (table, key) = (name(table).to_owned(), key_of(key));
            tables.set(&TableSet { table, key, value, expire_s }, now).unwrap();
        }
        Step::Arrives { table, key, value } => {
            arrives(wire::set(name(table), &key_of(key), &value));
            model.set((table, key), value, now);
        }
        Step::Expires { table, key, seconds } => {
            let (table_name, cell) = (name(table), key_of(key));
            arrives(
                format!(
                    r#"{{"action":3,"htname":"{table_name}","cname":"{cell}","intval":{seconds}}}"#
                )
                .into_bytes(),
            );
            model.expires((table, key), seconds, now);
        }
        Step::Delete { table, key } => {
            let there = tables.delete(name(table), &key_of(key)).unwrap().is_some();
            // A cell that has expired may not be removed yet.
            assert!(there || !model.0.contains_key(&(table, key)));
            model.0.remove(&(table, key));
        }
        Step::Start { table, start } => {
            let table_name = name(table);
            let body = format!(r#"{{"action":6,"htname":"{table_name}","strval":"{start}"}}"#);
            arrives(body.into_bytes());
            model.0.retain(|(t, key), _| *t != table || key % 3 != start);
        }
        Step::Synced { table, key, value, left_s } => {
            let expire = if left_s == 0 { 0 } else { now / 1000 + left_s };
            let mut body = br#"{"cells":["#.to_vec();
            wire::cell(name(table), &key_of(key), &value, expire, &mut body);
            body.extend_from_slice(b"]}");
            arrives(body);
            model.synced((table, key), value, left_s, now);
        }
        Step::Wait { ms } => *now_ms += ms,
        Step::Expire => tables.expire(now),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn tables_are_what_a_simple_map_would_be(steps in vec(step(), 0..80)) {
        let (mut tables, mut model, mut now) = (tables(&TABLES), Model::default(), NOW);
        for step in steps {
            apply(step, &mut tables, &mut model, &mut now);
            model.forget(now);
            let held = (0..3).flat_map(|table| {
                tables.dump(name(table), now).unwrap().into_iter().map(move |cell| (table, cell))
            });
            let mut expected: Vec<_> = model.0.iter().map(|((table, key), (value, end))| {
                let expires_in_ms = end.map(|end| u64::try_from(end - now).unwrap());
                (*table, Cell { key: key_of(*key), value: value.clone(), expires_in_ms })
            }).collect();
            expected.sort_by(|(a, x), (b, y)| (a, &x.key).cmp(&(b, &y.key)));
            prop_assert_eq!(held.collect::<Vec<_>>(), expected);
            let next = model.0.values().filter_map(|(_, end)| *end).min();
            prop_assert!(next.is_none_or(|next| tables.next_expiry().unwrap() <= next));
        }
        tables.expire(now);
        let next = model.0.values().filter_map(|(_, end)| *end).min();
        prop_assert_eq!(tables.next_expiry(), next);
        prop_assert_eq!(tables.size().1, model.0.len());
        for table in 0..3 {
            let body = format!(r#"{{"action":5,"htname":"{}","strval":"."}}"#, name(table));
            prop_assert_eq!(tables.take(body.as_bytes(), now), Ok(Taken::Applied));
        }
        prop_assert_eq!(tables.size(), (3, 0, 0));
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..200)) {
        let mut tables = tables(&["*"]);
        let _ = tables.take(&bytes, NOW);
        prop_assert_eq!(tables.size().1, 0);
    }

    #[test]
    fn no_fields_do_harm(
        fields in vec((
            "(action|htname|cname|type|strval|intval|mode|expire|last_modified|cells|x)",
            "(1|2|3|4|5|6|-1|0|1e400|9223372036854775807|18446744073709551615|null|\\[\\]|\\{\\}|\
              \"\"|\"t\"|\"[(a.*^$|?\\]\\)]{0,8}\"|\"\\\\u0000\"|\"\\\\ud800\"|true)",
        ), 0..9),
        in_cells in any::<bool>(),
    ) {
        let fields: Vec<_> = fields.into_iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
        let object = format!("{{{}}}", fields.join(","));
        let body = if in_cells { format!(r#"{{"cells":[{object}]}}"#) } else { object };
        let mut tables = Tables::new(&Limits { bytes_max: 5000, ..limits(&["*"]) }).unwrap();
        tables.set(&text("t", "t", "t"), NOW).unwrap();
        let _ = tables.take(body.as_bytes(), NOW);
        prop_assert!(tables.size().2 <= 5000);
        let mut sync = Sync::new(None, 1300);
        while let Some(body) = sync.body(&tables, NOW) {
            prop_assert_eq!(super::tables(&["*"]).take(&body, NOW), Ok(Taken::Applied));
        }
        tables.expire(Millis::MAX);
        prop_assert!(tables.next_expiry().is_none());
    }

    #[test]
    fn what_is_set_arrives_unchanged(
        key in "[^\\pC]{1,60}",
        value in prop_oneof![any::<i32>().prop_map(|n| Value::Int(n.into())),
                             "[^\\x00]{0,200}".prop_map(Value::Text)],
        expire_s in proptest::option::of(any::<u32>()),
    ) {
        let (mut here, mut there) = (tables(&["*"]), tables(&["*"]));
        let set = TableSet { table: "t".into(), key, value, expire_s };
        for body in here.set(&set, NOW).unwrap() {
            prop_assert_eq!(there.take(&body, NOW), Ok(Taken::Applied));
        }
        let held = there.get("t", &set.key, NOW).unwrap();
        prop_assert_eq!(&held.value, &set.value);
        prop_assert_eq!(held.expires_in_ms.is_some(), expire_s.is_some_and(|s| s > 0));
        there.take(&here.delete("t", &set.key).unwrap().unwrap(), NOW).unwrap();
        prop_assert_eq!(there.size().1, 0);
    }
}
