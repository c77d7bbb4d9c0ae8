//! Which texts which expressions match.

use super::Expression;

#[test]
fn expressions_match_as_in_perl() {
    for (expression, matching, others) in [
        ("", &["", "x"][..], &[][..]),
        ("^q", &["q", "q1"], &["xq"]),
        ("q$", &["q", "xq"], &["qx"]),
        ("^(?!amq\\.)", &["q", "amq", "", "xamq.x"], &["amq.gen"]),
        ("^(?!amq\\.|tmp).*-(?=ha)", &["x-ha"], &["amq.x-ha", "tmp-ha", "x-hb"]),
        ("^x(?<!y)", &["x"], &["y"]),
        ("^(a)\\1$", &["aa"], &["a", "ab"]),
        ("^{username}\\.x{2}$", &["{username}.xx"], &["username.xx", "{username}.x"]),
        ("[{]a{1,}", &["{a"], &["a"]),
        ("\\x{e9}", &["é"], &["e"]),
        ("a{,2}", &["a{,2}"], &["aa"]),
        ("(?i)ABC", &["xabcx"], &["ab"]),
    ] {
        let compiled = Expression::new(expression).expect(expression);
        for text in matching {
            assert!(compiled.is_match(text), "{expression} matches {text}");
        }
        for text in others {
            assert!(!compiled.is_match(text), "{expression} does not match {text}");
        }
        assert_eq!(compiled.as_str(), expression);
    }
}

#[test]
fn what_is_no_expression_is_said_in_one_line() {
    for (expression, why) in [("(", "unclosed group"), ("[", "unclosed character class"), ("*", "")]
    {
        let Err(error) = Expression::new(expression) else { panic!("{expression} compiles") };
        assert!(error.contains(why) && !error.contains('\n'), "{expression}: {error}");
    }
}

#[test]
fn an_expression_that_backtracks_for_ever_gives_up() {
    let expression = Expression::new("^(?=(a+)+b)(a|aa)+$").expect("valid");
    assert!(!expression.is_match(&"a".repeat(255)));
}
