//! What Rust's test harness prints.

use super::parse;
use crate::suite::Results;

#[test]
fn tests_are_named_after_their_binary() {
    let text = "running 3 tests\ntest a::b ... ok\ntest c - should panic ... ok\n\
                test d ... FAILED\ntest e ... ignored, by hand\ntest result: FAILED. 2 passed\n";
    let mut results = Results::default();
    parse("it", text, &mut results);
    let results = format!("{:?}", results.0);
    assert_eq!(results, r#"{"it::a::b": Pass, "it::c": Pass, "it::d": Fail, "it::e": Skip}"#);
}
