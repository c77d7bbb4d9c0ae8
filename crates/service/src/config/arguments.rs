//! The flag layer: one clap argument per row of the table.

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Assignment, Origin, Settings, Shape, flag};

/// What is left of 100 columns behind clap's indentation.
const HELP_COLUMNS: usize = 88;

impl<C: Default + Clone> Settings<C> {
    /// `command` with a flag for every setting, grouped by section.
    pub fn arguments(&self, command: Command) -> Command {
        let mut defaults = C::default();
        command.next_line_help(true).args(self.table.iter().map(|setting| {
            let field = (setting.field)(&mut defaults);
            let default = match field.toml() {
                Some(value) if !setting.secret && value != "[]" => {
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
