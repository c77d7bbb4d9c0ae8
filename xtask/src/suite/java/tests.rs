//! What our JUnit runner prints.

use super::parse;

#[test]
fn a_test_that_failed_once_failed() {
    let text = "FAILURE test.A.x\njava.lang.AssertionError\nTEST fail test.A.x\n12 ms\n\
                TEST pass test.A.x\nTEST skip test.B.y\nTEST pass test.C.z[1 2]\n";
    let results = format!("{:?}", parse(text).0);
    assert_eq!(results, r#"{"test.A.x": Fail, "test.B.y": Skip, "test.C.z[1 2]": Pass}"#);
}
