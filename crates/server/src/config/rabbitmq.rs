//! RabbitMQ's configuration as settings of ours: `rabbitmq.conf`, `conf.d/*.conf` beside it, and the
//! variables `RABBITMQ_…`.
//!
//! What a key does is in [`keys::KEYS`]. A key that has no effect here is named in one line of the log;
//! one that RabbitMQ does not know either is refused, as RabbitMQ does.

mod files;
mod keys;
mod page;
mod settle;
mod syntax;
mod value;
mod variables;

#[cfg(test)]
mod tests;

pub use page::markdown;

use std::path::Path;

use service::config::{ConfigError, Foreign, Origin, Sources, nearest};

use self::keys::{Does, Key};
use self::settle::Settled;
use self::syntax::Line;

/// The page that lists every key.
const PAGE: &str = "docs/rabbitmq-conf.md";

/// Reads what was meant for RabbitMQ; `named` is the file that the command line or `LEVERET_CONFIG` names.
pub(crate) fn read(named: Option<&Path>, sources: &Sources) -> Result<Foreign, ConfigError> {
    let mut foreign = Foreign::default();
    let mut lines = Vec::new();
    for file in files::locate(named, sources)? {
        lines.extend(syntax::lines(&file.path, &file.text, &sources.environment)?);
        foreign.files.push(file.path);
    }
    let mut settled = Settled::default();
    for line in latest(lines) {
        take(&line, &mut settled)?;
    }
    if !foreign.files.is_empty() {
        settled.listen_as_rabbitmq(&foreign.files[0]);
    }
    (foreign.settings, foreign.notes) = settled.finish();
    variables::read(sources, named.is_some(), &mut foreign)?;
    Ok(foreign)
}

/// Of lines with one key the last counts, in the place of the first.
fn latest(lines: Vec<Line>) -> Vec<Line> {
    let mut kept: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        match kept.iter_mut().find(|earlier| earlier.key == line.key) {
            Some(earlier) => *earlier = line,
            None => kept.push(line),
        }
    }
    kept
}

/// Does what one line says.
fn take(line: &Line, settled: &mut Settled) -> Result<(), ConfigError> {
    let Some(key) = Key::find(&line.key) else { return Err(unknown(line)) };
    let bad = |reason: String| ConfigError::Bad {
        name: line.key.clone(),
        origin: line.origin.clone(),
        reason,
    };
    if line.value.starts_with("encrypted:") {
        return Err(bad(
            "encrypted values cannot be read: write $(NAME) and give the value in the variable NAME".into()
        ));
    }
    match &key.does {
        Does::Sets(setting, read) => {
            settled.set(setting, key, line, vec![read(&line.value).map_err(bad)?]);
        }
        Does::Lists(setting, read) => {
            let item = read(line.last_part(), &line.value).map_err(bad)?;
            settled.add(setting, key, line, item);
        }
        Does::Empties(setting) => match &*line.value {
            "none" => settled.set(setting, key, line, Vec::new()),
            other => return Err(bad(format!("expected none, got \"{other}\""))),
        },
        Does::Joins(setting, part, read) => {
            settled.join(setting, *part, line, read(&line.value).map_err(bad)?);
        }
        Does::Takes(values, _) if values.contains(&&*line.value) => {}
        Does::Takes(_, why) | Does::IsRefused(why) => return Err(bad((*why).to_owned())),
        Does::Nothing(why) => settled.note(line, why),
    }
    Ok(())
}

/// The refusal of a key, with the nearest one.
fn unknown(line: &Line) -> ConfigError {
    let names = keys::KEYS.iter().map(|key| key.name);
    ConfigError::Unknown {
        name: line.key.clone(),
        origin: line.origin.clone(),
        nearest: nearest(&line.key, names).map(str::to_owned),
        page: PAGE,
    }
}

/// `rabbitmq.conf:12`, or the variable.
fn place(origin: &Origin) -> String {
    origin.to_string()
}
