//! What a table of settings looks like to people: `--print-config` and the Markdown page.

use std::fmt::Write;

use super::{FileKind, Loaded, Setting, Settings, flag, lines};

/// Origins stand in this column unless the value reaches further.
const ORIGIN_COLUMN: usize = 56;

impl<C: Default + Clone> Settings<C> {
    /// Every setting with its value and origin, as a file of the daemon's kind. Secrets and
    /// settings without a value are comments.
    pub fn print(&self, loaded: &Loaded<C>) -> String {
        self.print_as(self.spelling.kind, loaded)
    }

    /// The same, as a file of this kind: sections stand in TOML, whatever their own files are.
    pub fn print_as(&self, kind: FileKind, loaded: &Loaded<C>) -> String {
        let mut config = loaded.config.clone();
        let mut out = String::new();
        for setting in self.table {
            let name = setting.name;
            let origin = loaded.origin(name);
            let field = (setting.field)(&mut config);
            let shown = match (field.toml(), kind) {
                (Some(_), _) if setting.secret => format!("# {name} is secret"),
                (Some(value), FileKind::Toml) => format!("{name} = {value}"),
                (Some(value), FileKind::Lines) => format!("{name}: {}", lines::spelled(&value)),
                (None, _) => format!("# {name} is not set"),
            };
            let shown = if field.is_masked() { format!("# {shown}") } else { shown };
            writeln!(out, "{shown:<ORIGIN_COLUMN$} # {origin}").expect("a string takes any text");
        }
        out
    }

    /// A Markdown page: one table per section, in the order of the rows.
    pub fn markdown(&self) -> String {
        let mut defaults = C::default();
        let mut out = String::new();
        let mut section = "";
        let middle = if self.spelling.flags { "Flag, variable" } else { "Value, variable" };
        for setting in self.table {
            if setting.section != section {
                section = setting.section;
                let head =
                    format!("| Setting | {middle} | Default | What it does |\n|---|---|---|---|");
                writeln!(out, "\n## {section}\n\n{head}").expect("a string takes any text");
            }
            let default = match (setting.field)(&mut defaults).toml() {
                Some(value) => format!("`{}`", value.replace('|', "\\|")),
                None => "not set".into(),
            };
            let names: Vec<String> =
                [setting.name].iter().chain(setting.also).map(|name| format!("`{name}`")).collect();
            writeln!(
                out,
                "| {} | {}, {} | {default} | {} |",
                names.join(", "),
                self.written(setting),
                self.variables(setting),
                setting.doc.replace('|', "\\|"),
            )
            .expect("a string takes any text");
        }
        out
    }

    /// The flag and its value, or the value alone.
    fn written(&self, setting: &Setting<C>) -> String {
        let value = setting.value.replace('|', "\\|");
        match self.spelling.flags {
            true => format!("`{} {value}`", flag(setting.name)),
            false => format!("`{value}`"),
        }
    }

    fn variables(&self, setting: &Setting<C>) -> String {
        let variable = self.spelling.variable(setting.name);
        match (self.takes_file(setting), setting.fallback_variable) {
            (true, _) => format!("`{variable}`, `{variable}_FILE`"),
            (false, Some(other)) => format!("`{variable}`; default also from `{other}`"),
            (false, None) => format!("`{variable}`"),
        }
    }
}
