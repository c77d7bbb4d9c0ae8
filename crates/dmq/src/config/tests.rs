//! Settings of a node: what is read, refused, printed and warned of.

mod refusals;
mod values;
mod warned;

use std::fs;

use service::config::{ConfigError, Loaded, Sources};

use super::*;

/// The outside of one test: files in a directory of its own, variables, a command line. `DIR`
/// stands for the directory.
#[derive(Default, Clone, Copy)]
struct World<'a> {
    files: &'a [(&'a str, &'a str)],
    variables: &'a [(&'a str, &'a str)],
    line: &'a [&'a str],
}

/// Without it there is no node.
const NEEDED: &str = "server_address = \"sip:192.0.2.3\"\n";

impl World<'_> {
    /// What `then` makes of it, or the refusal.
    fn with(&self, then: impl FnOnce(&Loaded<DmqConfig>) -> String) -> String {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().to_str().unwrap();
        for (name, text) in self.files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("DIR", dir)).unwrap();
        }
        let outcome = match self.load_in(dir) {
            Ok(loaded) => then(&loaded),
            Err(refusal) => refusal.to_string(),
        };
        outcome.replace(dir, "DIR")
    }

    fn load_in(&self, directory: &str) -> Result<Loaded<DmqConfig>, ConfigError> {
        let command = DMQ.arguments(clap::Command::new("dmq"));
        let matches = command.try_get_matches_from(["dmq"].iter().chain(self.line)).unwrap();
        let variable =
            |(name, value): &(&str, &str)| (name.into(), value.replace("DIR", directory).into());
        alone(&Sources {
            search: vec![directory.into()],
            environment: self.variables.iter().map(variable).collect(),
            flags: DMQ.flags(&matches),
            ..Sources::default()
        })
    }

    fn printed(&self) -> String {
        self.with(|loaded| DMQ.print(loaded))
    }

    /// The line of `--print-config` about a setting, with single spaces, or the refusal.
    fn line(&self, setting: &str) -> String {
        let printed = self.printed();
        let is_it = |line: &&str| {
            let line = line.trim_start_matches("# ");
            line.strip_prefix(setting).is_some_and(|rest| rest.starts_with(' '))
        };
        let line = printed.lines().find(is_it).unwrap_or(&printed);
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The configuration of a file with an address and these settings.
#[track_caller]
fn config(settings: &str) -> DmqConfig {
    let mut config = None;
    let file = format!("{NEEDED}{settings}");
    let refusal = World { files: &[("dmq.toml", &file)], ..World::default() }.with(|loaded| {
        config = Some(loaded.config.clone());
        String::new()
    });
    config.unwrap_or_else(|| panic!("{settings}: {refusal}"))
}
