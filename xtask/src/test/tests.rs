//! The closing lines of test runners are read right.

use super::before;

#[test]
fn numbers_stand_before_their_words() {
    let nextest = "     Summary [   8.842s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped";
    assert_eq!((before(nextest, "passed"), before(nextest, "failed")), (11, 1));
    let cargo = "test result: ok. 36 passed; 0 failed; 0 ignored; 0 measured";
    assert_eq!((before(cargo, "passed"), before(cargo, "failed")), (36, 0));
    assert_eq!(before(cargo, "timed out"), 0);
}
