//! What `pytest -v` prints.

use super::parse;

#[test]
fn the_last_word_on_a_test_counts() {
    let text = "t/integration/a.py::T::x[a b] RERUN   [  1%]\n\
                t/integration/a.py::T::x[a b] PASSED  [  1%]\n\
                t/integration/a.py::y FAILED [ 50%]\n\
                t/integration/a.py::z SKIPPED (why) [ 90%]\n\
                test_b.py::own PASSED [ 95%]\n\
                t/integration/a.py::parts [one] SUBPASS [ 96%]\n\
                t/integration/a.py::parts [other] SUBFAIL [ 96%]\n\
                t/integration/a.py::parts PASSED [ 97%]\n\
                FAILED t/integration/a.py::y - AssertionError\n";
    let results = format!("{:?}", parse(text).0);
    assert_eq!(
        results,
        r#"{"a.py::T::x[a b]": Pass, "a.py::parts": Fail, "a.py::y": Fail, "a.py::z": Skip, "test_b.py::own": Pass}"#
    );
}
