//! Files of definitions.

use serde_json::json;

use super::parse;

#[test]
fn a_file_may_begin_with_a_mark_and_be_empty() {
    let empty = json!({});
    for text in ["", " \n", "{}", "\u{feff}{}", "\u{feff}"] {
        assert_eq!(parse(text.as_bytes()).unwrap(), empty, "{text:?}");
    }
    let error = parse(b"{\"users\": [}").expect_err("no JSON").to_string();
    assert_eq!(error, "expected value at line 1 column 12");
}
