//! What listings look like.

use serde_json::{Value, json};

use super::{Format, Listed, cell};

fn listed(format: &str, headers: bool, rows: &[Value]) -> String {
    let columns = vec!["name".to_owned(), "arguments".to_owned()];
    let mut listed = Listed::new(Format::parse(format).unwrap(), columns, headers);
    let rows: String = rows.iter().map(|row| listed.row(row.as_object().unwrap())).collect();
    rows + &listed.end()
}

fn one() -> Value {
    json!({ "name": "q \"1\"", "arguments": [["x-max-length", "signedint", 10]] })
}

#[test]
fn each_form_shows_rows() {
    let table = "name\targuments\nq \"1\"\t[{\"x-max-length\",10}]\n";
    assert_eq!(listed("table", true, &[one()]), table);
    assert_eq!(listed("table", false, &[one()]), "q \"1\"\t[{\"x-max-length\",10}]\n");
    let json =
        "[\n{\"name\":\"q \\\"1\\\"\",\"arguments\":[[\"x-max-length\",\"signedint\",10]]}\n]\n";
    assert_eq!(listed("json", true, &[one()]), json);
    assert!(listed("json", true, &[one(), one()]).contains("\n,{"));
    let csv = "\"name\",\"arguments\"\n\"q \"\"1\"\"\",\"[{\"\"x-max-length\"\",10}]\"\n";
    assert_eq!(listed("csv", true, &[one()]), csv);
    let erlang =
        "[[{name,<<\"q \\\"1\\\"\">>},{arguments,[{<<\"x-max-length\">>,signedint,10}]}]]\n";
    assert_eq!(listed("erlang", true, &[one()]), erlang);
    let pretty = listed("pretty_table", true, &[one()]);
    let widths: Vec<usize> = pretty
        .lines()
        .map(|line| line.replace("\x1b[1m", "").replace("\x1b[0m", "").chars().count())
        .collect();
    assert_eq!(pretty.lines().count(), 5, "{pretty}");
    assert_eq!(widths[0], widths[4], "{pretty}");
}

#[test]
fn an_empty_listing_is_no_error() {
    assert_eq!(listed("table", true, &[]), "\n");
    assert_eq!(listed("json", true, &[]), "[]\n");
    assert_eq!(listed("csv", true, &[]), "");
    assert_eq!(listed("pretty_table", true, &[]), "");
}

#[test]
fn a_cell_is_what_rabbitmq_writes() {
    for (value, text) in [
        (json!(null), ""),
        (json!("a b"), "a b"),
        (json!(12), "12"),
        (json!(true), "true"),
        (json!([]), "[]"),
        (json!(["administrator", "monitoring"]), "[administrator, monitoring]"),
        (json!([["rabbit@vm", "running"]]), "[{rabbit@vm, running}]"),
        (json!([["a", "longstr", "b"], ["c", "bool", true]]), "[{\"a\",\"b\"},{\"c\",true}]"),
        (
            json!([["capabilities", "table", [["x", "bool", true]]]]),
            "[{\"capabilities\",[{\"x\",true}]}]",
        ),
    ] {
        assert_eq!(cell(&value), text);
    }
}
