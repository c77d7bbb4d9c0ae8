//! What a table of settings looks like to people: `--print-config` and the Markdown page.

use std::fmt::Write;

use super::{Loaded, Settings, flag, variable};

/// Origins stand in this column unless the value reaches further.
const ORIGIN_COLUMN: usize = 56;

impl<C: Default + Clone> Settings<C> {
    /// Every setting with its value and origin, as TOML that can be used as a file. Secrets and
    /// settings without a value are comments.
    pub fn print(&self, loaded: &Loaded<C>) -> String {
        let mut config = loaded.config.clone();
        let mut out = String::new();
        for setting in self.table {
            let origin = loaded.origin(setting.name);
            let shown = match (setting.field)(&mut config).toml() {
                Some(_) if setting.secret => format!("# {} is secret", setting.name),
                Some(value) => format!("{} = {value}", setting.name),
                None => format!("# {} is not set", setting.name),
            };
            writeln!(out, "{shown:<ORIGIN_COLUMN$} # {origin}").expect("a string takes any text");
        }
        out
    }

    /// A Markdown page: one table per section, in the order of the rows.
    pub fn markdown(&self) -> String {
        let mut defaults = C::default();
        let mut out = String::new();
        let mut section = "";
        for setting in self.table {
            if setting.section != section {
                section = setting.section;
                let head =
                    "| Setting | Flag, variable | Default | What it does |\n|---|---|---|---|";
                writeln!(out, "\n## {section}\n\n{head}").expect("a string takes any text");
            }
            let default = match (setting.field)(&mut defaults).toml() {
                Some(value) => format!("`{}`", value.replace('|', "\\|")),
                None => "not set".into(),
            };
            let variables = match (setting.secret, setting.fallback_variable) {
                (true, _) => format!(", `{}_FILE`", variable(setting.name)),
                (false, Some(other)) => format!("; default also from `{other}`"),
                (false, None) => String::new(),
            };
            writeln!(
                out,
                "| `{}` | `{} {}`, `{}`{variables} | {default} | {} |",
                setting.name,
                flag(setting.name),
                setting.value.replace('|', "\\|"),
                variable(setting.name),
                setting.doc.replace('|', "\\|"),
            )
            .expect("a string takes any text");
        }
        out
    }
}
