//! How listings are shown: `--formatter table|json|csv|pretty_table|erlang`.

mod cell;
mod erlang;
mod pretty;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::reply::Row;

pub(super) use cell::cell;

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
    Csv,
    Pretty,
    Erlang,
}

impl Format {
    /// The form with this name; `string` and others are what commands do by themselves.
    pub(super) fn parse(name: &str) -> Option<Format> {
        match name {
            "table" => Some(Format::Table),
            "json" | "json_stream" => Some(Format::Json),
            "csv" => Some(Format::Csv),
            "pretty_table" => Some(Format::Pretty),
            "erlang" => Some(Format::Erlang),
            _ => None,
        }
    }
}

/// A listing that is being shown.
pub(super) struct Listed {
    format: Format,
    columns: Vec<String>,
    headers: bool,
    shown: usize,
    /// Whether RabbitMQ shows the rows as they come; an empty listing looks otherwise then.
    pub(super) is_streamed: bool,
    /// Rows that are kept until the widths of all are known.
    kept: Vec<Vec<Value>>,
}

impl Listed {
    pub(super) fn new(format: Format, columns: Vec<String>, headers: bool) -> Listed {
        Listed { format, columns, headers, shown: 0, is_streamed: false, kept: Vec::new() }
    }

    /// One more row, and what came before the first.
    pub(super) fn row(&mut self, row: &Row) -> String {
        let values: Vec<Value> = self
            .columns
            .iter()
            .map(|column| row.get(column).cloned().unwrap_or(Value::Null))
            .collect();
        let is_first = self.shown == 0;
        self.shown += 1;
        match self.format {
            Format::Table => {
                let cells: Vec<String> = values.iter().map(cell).collect();
                match is_first && self.headers {
                    true => format!("{}\n{}\n", self.columns.join("\t"), cells.join("\t")),
                    false => format!("{}\n", cells.join("\t")),
                }
            }
            Format::Json => {
                let fields: Vec<String> = self
                    .columns
                    .iter()
                    .zip(&values)
                    .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
                    .collect();
                let before = if is_first { "[\n" } else { "," };
                format!("{before}{{{}}}\n", fields.join(","))
            }
            Format::Csv => {
                let cells: Vec<String> = values.iter().map(csv).collect();
                let names: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
                match is_first && self.headers {
                    true => format!("{}\n{}\n", names.join(","), cells.join(",")),
                    false => format!("{}\n", cells.join(",")),
                }
            }
            Format::Pretty | Format::Erlang => {
                self.kept.push(values);
                String::new()
            }
        }
    }

    /// What comes behind the last row.
    pub(super) fn end(&mut self) -> String {
        match self.format {
            Format::Json if self.shown == 0 && self.is_streamed => "[\n]\n".to_owned(),
            Format::Json if self.shown == 0 => "[]\n".to_owned(),
            Format::Json => "]\n".to_owned(),
            Format::Pretty => pretty::table(&self.columns, &self.kept),
            Format::Erlang => erlang::list(&self.columns, &self.kept),
            Format::Table if self.shown == 0 && !self.is_streamed => "\n".to_owned(),
            Format::Table | Format::Csv => String::new(),
        }
    }
}

fn csv(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        other => quoted(&cell(other)),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
