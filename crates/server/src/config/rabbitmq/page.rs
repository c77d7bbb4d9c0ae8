//! The tables of docs/rabbitmq-conf.md.

use super::keys::{Does, KEYS, Key};

/// Every key and what becomes of it, as Markdown: what it sets, what has no effect, what stops the start.
pub fn markdown() -> String {
    let mut out = String::from("\n## Keys that do what they say\n\n| Key | Setting |\n|---|---|\n");
    for (setting, keys) in grouped(sets) {
        out.push_str(&format!("| {keys} | `{setting}` |\n"));
    }
    out.push_str("\n## Keys without effect\n\nEach that is there is a line of the log.\n\n");
    out.push_str("| Key | Why |\n|---|---|\n");
    for (why, keys) in grouped(nothing) {
        out.push_str(&format!("| {keys} | {why} |\n"));
    }
    out.push_str("\n## Keys that stop the start\n\n");
    out.push_str("| Key | Why |\n|---|---|\n");
    for (why, keys) in grouped(refused) {
        out.push_str(&format!("| {keys} | {why} |\n"));
    }
    out
}

fn sets(key: &Key) -> Option<&'static str> {
    match key.does {
        Does::Sets(setting, _)
        | Does::Lists(setting, _)
        | Does::Empties(setting)
        | Does::Joins(setting, ..) => Some(setting),
        Does::Takes(..) | Does::Nothing(_) | Does::IsRefused(_) => None,
    }
}

fn nothing(key: &Key) -> Option<&'static str> {
    if let Does::Nothing(why) = key.does { Some(why) } else { None }
}

fn refused(key: &Key) -> Option<&'static str> {
    match key.does {
        Does::IsRefused(why) | Does::Takes(_, why) => Some(why),
        _ => None,
    }
}

/// Keys by what is said of them, in the order of the table.
fn grouped(of: fn(&Key) -> Option<&'static str>) -> Vec<(&'static str, String)> {
    let mut groups: Vec<(&str, String)> = Vec::new();
    for key in KEYS {
        let Some(said) = of(key) else { continue };
        let name = match key.does {
            Does::Empties(_) => format!("`{} = none`", key.name),
            Does::Takes(values, _) => format!("`{}` but for {}", key.name, words(values)),
            _ => format!("`{}`", key.name),
        };
        match groups.iter_mut().find(|(other, _)| *other == said) {
            Some((_, names)) => names.push_str(&format!(", {name}")),
            None => groups.push((said, name)),
        }
    }
    groups
}

fn words(values: &[&str]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}
