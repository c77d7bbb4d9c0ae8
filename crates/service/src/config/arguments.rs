//! The flag layer: one clap argument per row of the table.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Assignment, ConfigError, Origin, Settings, Shape, flag};

/// What is left of 100 columns behind clap's indentation.
const HELP_COLUMNS: usize = 88;

impl<C: Default + Clone> Settings<C> {
    /// `command` with a flag for every setting, grouped by section.
    pub fn arguments(&self, command: Command) -> Command {
        let mut defaults = C::default();
        command.next_line_help(true).args(self.table.iter().map(|setting| {
            let field = (setting.field)(&mut defaults);
            let default = match field.toml() {
                Some(value) if !setting.secret && value != "[]" && value != "\"\"" => {
                    format!(" Default: {}.", value.replace(['[', ']', '"'], ""))
                }
                _ => String::new(),
            };
            let arg = Arg::new(setting.name)
                .long(flag(setting.name)[2..].to_owned())
                .value_name(setting.value)
                .help(wrapped(&format!("{}{default}", setting.doc)))
                .help_heading(setting.section)
                .allow_hyphen_values(field.shape() != Shape::Switch);
            match field.shape() {
                Shape::One => arg.action(ArgAction::Set),
                Shape::List => arg.action(ArgAction::Append),
                Shape::Switch => {
                    let arg = arg.num_args(0..=1).require_equals(true);
                    arg.default_missing_value("true").action(ArgAction::Set)
                }
            }
        }))
    }

    /// The arguments of a command with flags written in full, for a spelling that allows other
    /// forms; `own` are the command's flags that no row describes, each with whether it takes a
    /// value. An unknown flag is refused with the nearest one.
    pub fn full_flags(
        &self,
        arguments: Vec<OsString>,
        own: &[(&str, bool)],
    ) -> Result<Vec<OsString>, ConfigError> {
        let mut full = Vec::with_capacity(arguments.len());
        let mut is_value = false;
        for argument in arguments {
            let text = argument.to_str().and_then(|text| text.strip_prefix("--"));
            let Some(text) = text.filter(|text| !text.is_empty() && !is_value) else {
                is_value = false;
                full.push(argument);
                continue;
            };
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text, None),
            };
            if let Some((_, takes_value)) = own.iter().find(|(own, _)| *own == name) {
                is_value = *takes_value && value.is_none();
                full.push(argument);
                continue;
            }
            let Some(setting) = self.find(name) else {
                return Err(self.unknown(name, Origin::Flag(format!("--{name}"))));
            };
            let is_switch = (setting.field)(&mut C::default()).shape() == Shape::Switch;
            is_value = value.is_none() && !is_switch;
            full.push(match value {
                Some(value) => format!("{}={value}", flag(setting.name)).into(),
                None => flag(setting.name).into(),
            });
        }
        Ok(full)
    }

    /// What the command line says; `matches` comes from a command made by [`Self::arguments`].
    pub fn flags(&self, matches: &ArgMatches) -> Vec<Assignment> {
        let given = self.table.iter().filter_map(|setting| {
            let values = matches.get_many::<String>(setting.name)?;
            Some(Assignment {
                name: setting.name.to_owned(),
                values: values.cloned().collect(),
                origin: Origin::Flag(flag(setting.name)),
            })
        });
        given.collect()
    }
}

/// `text` in lines that fit a terminal of 100 columns below a flag.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        if width + word.len() > HELP_COLUMNS {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
        }
        out.push_str(word);
        width += word.len() + 1;
    }
    out
}
