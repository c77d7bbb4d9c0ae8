//! The program with a configuration: run to its end in a directory of its own.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::cli::{leveret, output, stderr, stdout};

/// A directory with files, and variables.
#[derive(Default, Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) files: &'a [(&'a str, &'a str)],
    pub(crate) variables: &'a [(&'a str, &'a str)],
}

impl World<'_> {
    /// Runs `leveret` to its end; its directory reads `DIR`.
    pub(crate) fn run(&self, line: &[&str]) -> (Option<i32>, String, String) {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        for (name, text) in self.files {
            fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            fs::write(dir.join(name), text).unwrap();
        }
        let done = output(leveret(dir).args(line).envs(self.variables.iter().copied()));
        ended(&done, dir)
    }

    /// The lines of stdout with single spaces.
    pub(crate) fn lines(&self, line: &[&str]) -> Vec<String> {
        let (code, out, err) = self.run(line);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        let single = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        out.lines().map(single).collect()
    }
}

/// How a process ended and what it wrote; its directory reads `DIR`.
pub(crate) fn ended(done: &Output, dir: &Path) -> (Option<i32>, String, String) {
    let tidy = |text: String| text.replace(dir.to_str().unwrap(), "DIR");
    (done.status.code(), tidy(stdout(done)), tidy(stderr(done)))
}

#[track_caller]
pub(crate) fn refused(world: World<'_>, line: &[&str], code: i32, expected: &str) {
    let (ended, out, err) = world.run(line);
    assert_eq!(err, format!("leveret: {expected}\n"));
    assert_eq!((ended, out.as_str()), (Some(code), ""));
}

/// The section of `leveret.toml` that starts with `head` is shown with these lines, without what
/// the broker says for it, and as a file that says the same.
#[track_caller]
pub(crate) fn shown_beside(world: World<'_>, head: &str, expected: &[&str]) {
    let (code, printed, err) = world.run(&["--print-config"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines = world.lines(&["--print-config"]);
    for expected in expected {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{lines:#?}");
    }
    let own = lines.iter().skip_while(|line| !line.starts_with(head));
    assert!(!own.clone().any(|line| line.starts_with("log_")), "{printed}");
    let values = |text: &str| -> Vec<String> {
        let value = |line: &str| line.split(" # ").next().unwrap_or_default().trim().to_owned();
        text.lines().map(value).collect()
    };
    let again = World { files: &[("leveret.toml", &printed)], ..World::default() };
    assert_eq!(values(&again.run(&["--print-config"]).1), values(&printed));
}
