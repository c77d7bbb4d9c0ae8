//! What `go test -v` prints.

use super::parse;

#[test]
fn outcomes_are_read_from_lines_of_all_depths() {
    let text = "=== RUN   TestA\n--- PASS: TestA (0.01s)\n    --- FAIL: TestB/sub (0.00s)\n\
                --- SKIP: TestC (0.00s)\n    log.go:1: --- nothing\nPASS\n";
    let results = format!("{:?}", parse(text).0);
    assert_eq!(results, r#"{"TestA": Pass, "TestB/sub": Fail, "TestC": Skip}"#);
}
