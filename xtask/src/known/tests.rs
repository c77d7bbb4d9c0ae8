//! The rule by which two brokers' results are held against each other.

use super::{Known, judge};
use crate::suite::{Outcome, Results};

const LISTED: &[Known] = &[Known { suite: "s", test: "late", reason: "why" }];

fn results(tests: &[(&str, Outcome)]) -> Results {
    Results(tests.iter().map(|(test, outcome)| ((*test).to_owned(), *outcome)).collect())
}

fn wrong(ours: &[(&str, Outcome)], oracle: &[(&str, Outcome)]) -> Vec<String> {
    judge(LISTED, "s", &results(ours), &results(oracle))
}

#[test]
fn what_passes_on_the_oracle_has_to_pass() {
    use Outcome::{Fail, Pass, Skip};
    let oracle = [("a", Pass), ("b", Fail), ("late", Pass)];
    assert_eq!(wrong(&[("a", Pass), ("b", Fail), ("late", Fail)], &oracle), [""; 0]);
    assert_eq!(
        wrong(&[("a", Fail), ("b", Pass), ("late", Fail)], &oracle),
        ["a: passes on the oracle, fail on leveret"]
    );
    assert_eq!(
        wrong(&[("a", Skip), ("late", Fail)], &oracle),
        ["a: passes on the oracle, skip on leveret"]
    );
    assert_eq!(wrong(&[("late", Fail)], &oracle), ["a: passes on the oracle, absent on leveret"]);
}

#[test]
fn a_listed_difference_that_is_gone_is_wrong() {
    use Outcome::Pass;
    assert_eq!(
        wrong(&[("late", Pass)], &[("late", Pass)]),
        ["late passes now: remove it from the known differences (\"why\")"]
    );
    assert_eq!(wrong(&[], &[]), ["late is listed as known, but there is no such test"]);
    assert_eq!(judge(LISTED, "other", &results(&[]), &results(&[])), [""; 0]);
}
