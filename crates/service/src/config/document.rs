//! What a table of settings looks like to people: `--print-config` and the Markdown page.

use std::fmt::Write;

use super::{FileKind, Loaded, Settings, flag, lines};

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
            let variable = self.spelling.variable(setting.name);
            let variables = match (self.takes_file(setting), setting.fallback_variable) {
                (true, _) => format!(", `{variable}_FILE`"),
                (false, Some(other)) => format!("; default also from `{other}`"),
                (false, None) => String::new(),
            };
            writeln!(
                out,
                "| `{}` | `{} {}`, `{variable}`{variables} | {default} | {} |",
                setting.name,
                flag(setting.name),
                setting.value.replace('|', "\\|"),
                setting.doc.replace('|', "\\|"),
            )
            .expect("a string takes any text");
        }
        out
    }
}
