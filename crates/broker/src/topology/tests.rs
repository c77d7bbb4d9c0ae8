//! What the code says twice of records; recovery is tested in `tests/it/recovery.rs`.

use super::{KINDS, Record};

#[test]
fn all_kinds_of_records_are_known_by_name() {
    // {"x": nil}: the error names what there is.
    let error = rmp_serde::from_slice::<Record>(&[0x81, 0xa1, b'x', 0xc0]).expect_err("no kind");
    let text = error.to_string();
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    assert_eq!(named, [&["x"], &KINDS[..]].concat());
}
