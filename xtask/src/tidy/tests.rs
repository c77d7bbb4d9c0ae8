//! Each rule of a source file finds what it forbids.

use super::source;

fn check(file: &str, text: &str, rules: &[&str]) {
    let mut findings = Vec::new();
    source(file, text, &mut findings);
    let found: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(found, rules, "{file}");
}

#[test]
fn each_rule_finds_its_breach() {
    check("crates/a/src/b.rs", "//! What it is for.\n", &[]);
    check("crates/a/src/b.rs", "fn a() {}\n", &["header"]);
    check("crates/a/src/mod.rs", "//! A.\n", &["name"]);
    let long = format!("//! A.\n{}", "// x\n".repeat(800));
    check("crates/a/src/b.rs", &long, &["length"]);
    check("crates/a/src/b/tests.rs", &long, &[]);
    check("crates/a/tests/it/main.rs", "//! A.\n    #[ignore]\n", &["ignored"]);
    let sleep = "//! A.\nstd::thread::sleep(x);\n";
    check("crates/a/tests/it/main.rs", sleep, &["sleep"]);
    check("crates/a/src/b.rs", sleep, &[]);
}
