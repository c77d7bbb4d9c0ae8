//! What may be in the directory, and how large the map may be.

use std::fs;

use super::{MIB, group, insert, keys, opened, remove};
use crate::store::{OpenError, Store};

/// Why the directory cannot be used.
fn what(outcome: Result<super::LmdbStore, OpenError>) -> String {
    match outcome {
        Err(OpenError::Unusable { what, .. }) => what,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[test]
fn a_larger_map_is_taken_and_a_smaller_one_if_the_files_fit() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path(), 64 * MIB).unwrap();
    let arrived = insert(&store, &group(100, 100_000));
    let use_of = |store: &super::LmdbStore| {
        let totals = store.totals().unwrap();
        (totals.part_bytes.unwrap(), totals.part_bytes_max.unwrap())
    };
    let (used, max) = use_of(&store);
    assert!((10_000_000..12_000_000).contains(&used), "{used}");
    assert!((63 * MIB..=64 * MIB).contains(&max), "{max}");
    drop(store);
    let store = opened(dir.path(), 128 * MIB).unwrap();
    assert!(use_of(&store).1 > 127 * MIB);
    assert_eq!(keys(&store), arrived);
    drop(store);
    assert_eq!(keys(&opened(dir.path(), 16 * MIB).unwrap()), arrived);
    let why = what(opened(dir.path(), 8 * MIB));
    let grown = why.split_once("set it to ").unwrap().1.split_once(' ').unwrap().0;
    assert!(
        why.contains("`data` has grown to") && why.contains("storage-mapsize is 8388608"),
        "{why}"
    );
    let store = opened(dir.path(), grown.parse().unwrap()).unwrap();
    assert_eq!(remove(&store, &arrived), 100, "so full, and it can still be emptied");
}

#[test]
fn a_map_of_any_size_is_rounded_up() {
    let dir = tempfile::tempdir().unwrap();
    for map_bytes in [1_234_567, 9_999_999] {
        let store = opened(dir.path(), map_bytes).unwrap();
        insert(&store, &group(1, 10));
    }
    assert!(matches!(opened(dir.path(), u64::MAX), Err(OpenError::Refused { .. })));
}

#[test]
fn only_a_directory_of_this_store_and_version_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(dir.path(), MIB).unwrap());
    let format = dir.path().join("format");
    assert_eq!(fs::read_to_string(&format).unwrap(), "leveret delayer lmdb 1\n");
    fs::write(&format, "leveret delayer lmdb 2\n").unwrap();
    assert!(what(opened(dir.path(), MIB)).contains("is of version \"2\""));
    fs::write(&format, "leveret delayer log 1\n").unwrap();
    assert!(what(opened(dir.path(), MIB)).contains("\"leveret delayer log 1\""));
    fs::remove_file(&format).unwrap();
    assert!(what(opened(dir.path(), MIB)).contains("which is not this storage's"));
}

#[test]
fn a_file_that_is_not_lmdb_s_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(dir.path(), MIB).unwrap());
    let text = "not a database\n".repeat(1000);
    fs::write(dir.path().join("data"), &text).unwrap();
    match opened(dir.path(), MIB) {
        Err(OpenError::Refused { reason, .. }) => {
            assert!(reason.contains("not LMDB's"), "{reason}")
        }
        other => panic!("{:?}", other.map(drop)),
    }
    assert_eq!(fs::read_to_string(dir.path().join("data")).unwrap(), text);
}

#[test]
fn a_lost_file_is_no_reason_to_forget_the_other() {
    for lost in ["data", "index"] {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(dir.path(), MIB).unwrap();
        let arrived = insert(&store, &group(3, 10));
        drop(store);
        let (file, away) = (dir.path().join(lost), dir.path().join("away"));
        fs::rename(&file, &away).unwrap();
        for _ in 0..2 {
            let why = what(opened(dir.path(), MIB));
            assert!(why.contains(&format!("the file `{lost}` is missing")), "{why}");
        }
        fs::rename(&away, &file).unwrap();
        assert_eq!(keys(&opened(dir.path(), MIB).unwrap()), arrived);
    }
}

#[test]
fn files_of_two_stores_are_not_mixed() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&one, &two] {
        insert(&opened(dir.path(), MIB).unwrap(), &group(3, 10));
    }
    fs::copy(one.path().join("index"), two.path().join("index")).unwrap();
    let why = what(opened(two.path(), MIB));
    assert!(why.contains("not of the same store"), "{why}");
}

#[test]
fn an_index_that_is_older_than_the_data_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("index");
    let old = dir.path().join("old");
    insert(&opened(dir.path(), MIB).unwrap(), &group(3, 10));
    fs::copy(&index, &old).unwrap();
    for _ in 0..2 {
        insert(&opened(dir.path(), MIB).unwrap(), &group(3, 10));
    }
    fs::rename(&old, &index).unwrap();
    let why = what(opened(dir.path(), MIB));
    assert!(why.contains("`index` is older than `data`"), "{why}");
}
