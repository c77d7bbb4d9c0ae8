//! Reads a command line: the command, its words, its flags, in any order.

#[cfg(test)]
mod tests;

use super::command::{Command, Flag, Kind};
use super::failure::{Failure, USAGE};
use super::{Tool, commands, help};

/// Flags that every command takes; many of them mean nothing here.
const COMMON: &[Flag] = &[
    ("node", Kind::Text),
    ("vhost", Kind::Text),
    ("timeout", Kind::Number),
    ("formatter", Kind::Text),
    ("quiet", Kind::Switch),
    ("silent", Kind::Switch),
    ("help", Kind::Switch),
    ("data-dir", Kind::Text),
    ("longnames", Kind::Switch),
    ("erlang-cookie", Kind::Text),
    ("printer", Kind::Text),
    ("file", Kind::Text),
    ("script-name", Kind::Text),
    ("rabbitmq-home", Kind::Text),
    ("mnesia-dir", Kind::Text),
    ("plugins-dir", Kind::Text),
    ("enabled-plugins-file", Kind::Text),
    ("aliases-file", Kind::Text),
    ("print-stacktrace", Kind::Switch),
    ("no-table-headers", Kind::Switch),
];

/// Short forms.
const SHORT: &[(&str, &str)] = &[
    ("n", "node"),
    ("p", "vhost"),
    ("t", "timeout"),
    ("q", "quiet"),
    ("s", "silent"),
    ("l", "longnames"),
    ("?", "help"),
    ("h", "help"),
    ("E", "enabled"),
    ("e", "e"),
    ("u", "if-unused"),
    ("m", "minimal"),
    ("v", "verbose"),
    ("N", "number"),
    ("d", "duration"),
];

/// The flags of a command line.
#[derive(Debug, Default)]
pub(super) struct Options(Vec<(&'static str, String)>);

impl Options {
    /// The value of a flag.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// A command line that was read.
pub(super) struct Given {
    pub(super) tool: Tool,
    /// None when there is no word at all.
    pub(super) command: Option<&'static Command>,
    /// The words behind the command's name.
    pub(super) words: Vec<String>,
    pub(super) options: Options,
    /// The line as it was given.
    line: Vec<String>,
}

impl Given {
    /// A word; empty when it is not there.
    pub(super) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// The virtual host that is meant: `--vhost`, or `/`.
    pub(super) fn vhost(&self) -> &str {
        self.options.get("vhost").unwrap_or("/")
    }

    /// The refusal of what was given, with the usage of the command.
    pub(super) fn refused(&self, exit: u8, why: &str) -> Failure {
        let usage = match self.command {
            Some(command) => help::usage(self.tool, command),
            None => String::new(),
        };
        let line = self.line.join(" ");
        Failure { exit, text: format!("{why}\nArguments given:\n\t{line}\n\n{usage}") }
    }

    /// The same for arguments that cannot be.
    pub(super) fn invalid(&self, why: &str) -> Failure {
        self.refused(USAGE, &format!("Error (argument validation): {why}"))
    }
}

/// Reads what stands behind the program's name.
pub(super) fn read(tool: Tool, line: &[String]) -> Result<Given, Failure> {
    let mut words = Vec::new();
    let mut flags = Vec::new();
    let mut rest = line.iter();
    while let Some(word) = rest.next() {
        match word.strip_prefix('-').filter(|flag| !flag.is_empty() && !is_number(word)) {
            None => words.push(word.clone()),
            Some("-") => words.extend(rest.by_ref().cloned()),
            Some(flag) => {
                let flag = flag.strip_prefix('-').map_or_else(|| full(flag), str::to_owned);
                let (name, value) = match flag.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (flag, None),
                };
                let name = name.replace('_', "-");
                let kind = kind(&name);
                let value = match (kind, value) {
                    (Some(Kind::Switch) | None, None) => String::new(),
                    (_, Some(value)) => value,
                    (Some(_), None) => rest.next().cloned().unwrap_or_default(),
                };
                flags.push((word.clone(), name, value));
            }
        }
    }
    let mut given = Given {
        tool,
        command: None,
        words: Vec::new(),
        options: Options::default(),
        line: line.to_vec(),
    };
    let mut words = words.into_iter();
    let Some(name) = words.next() else {
        let known = |name: &str| COMMON.iter().find(|(flag, _)| *flag == name);
        let options = flags
            .iter()
            .filter_map(|(_, name, value)| known(name).map(|(name, _)| (*name, value.clone())));
        given.options = Options(options.collect());
        return Ok(given);
    };
    let Some(command) = commands::find(tool, &name) else {
        return Err(help::unknown(tool, &name));
    };
    given.command = Some(command);
    given.words = words.collect();
    given.options = Options(options(&given, command, &flags)?);
    if given.options.has("help") {
        return Ok(given);
    }
    let (fewest, most) = command.words;
    if given.words.len() < fewest {
        return Err(given.invalid("not enough arguments."));
    }
    if given.words.len() > most {
        return Err(given.invalid("too many arguments."));
    }
    Ok(given)
}

fn full(short: &str) -> String {
    let (name, value) = short.split_at(short.chars().next().map_or(0, char::len_utf8));
    let Some((_, name)) = SHORT.iter().find(|(form, _)| *form == name) else {
        return short.to_owned();
    };
    match value {
        "" => (*name).to_owned(),
        value => format!("{name}={}", value.trim_start_matches('=')),
    }
}

/// A word such as `-1` is no flag.
fn is_number(word: &str) -> bool {
    word.parse::<f64>().is_ok()
}

/// What stands behind a flag, whatever the command is.
fn kind(name: &str) -> Option<Kind> {
    let all = COMMON.iter().chain(commands::all().flat_map(|command| command.flags));
    all.into_iter().find(|(flag, _)| *flag == name).map(|(_, kind)| *kind)
}

/// The flags that the command takes, or the refusal of those that it does not.
fn options(
    given: &Given,
    command: &Command,
    flags: &[(String, String, String)],
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut options = Vec::new();
    let mut wrong = Vec::new();
    for (word, name, value) in flags {
        let known = COMMON.iter().chain(command.flags).find(|(flag, _)| flag == name);
        let fits = |kind| match kind {
            Kind::Switch | Kind::Text => true,
            Kind::Integer => value.parse::<i64>().is_ok(),
            Kind::Number => value.parse::<f64>().is_ok() || value == "infinity",
        };
        match known {
            Some((name, kind)) if fits(*kind) => options.push((*name, value.clone())),
            _ => wrong.push(format!("{} : {value}", word.split('=').next().unwrap_or(word))),
        }
    }
    match wrong.is_empty() {
        true => Ok(options),
        false => {
            Err(given.invalid(&format!("Invalid options for this command:\n{}", wrong.join("\n"))))
        }
    }
}
