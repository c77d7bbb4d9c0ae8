//! Tables with lines around the cells, in the line drawing characters of terminals.

use serde_json::Value;

use super::cell;

/// Switches a terminal to line drawing, and back.
const LINES: &str = "\x1b(0";
const LETTERS: &str = "\x1b(B";

/// The whole table; nothing without rows.
pub(super) fn table(columns: &[String], rows: &[Vec<Value>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = rows.iter().map(|row| row[at].chars().count());
            cells.chain([name.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |left: char, cross: &str, right: char| {
        let parts: Vec<String> = widths.iter().map(|width| "q".repeat(width + 2)).collect();
        format!("{LINES}{left}{}{right}{LETTERS}\n", parts.join(cross))
    };
    let bar = format!("{LINES}x{LETTERS}");
    let cells = |cells: &[String], bold: bool| {
        let cell = |(text, width): (&String, &usize)| {
            let padding = " ".repeat(width - text.chars().count());
            match bold {
                true => format!(" \x1b[1m{text}\x1b[0m{padding} "),
                false => format!(" {text}{padding} "),
            }
        };
        let cells: Vec<String> = cells.iter().zip(&widths).map(cell).collect();
        format!("{bar}{}{bar}\n", cells.join(&bar))
    };
    let mut text = line('l', "w", 'k') + &cells(columns, true);
    for row in &rows {
        text.push_str(&line('t', "n", 'u'));
        text.push_str(&cells(row, false));
    }
    text + &line('m', "v", 'j')
}
