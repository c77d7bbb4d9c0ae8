//! Runs other programs: with a time limit, with their output in a log, ended when their owner goes.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often a waiting parent looks whether its child ended.
const LOOK: Duration = Duration::from_millis(10);

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Cargo's target folder: `CARGO_TARGET_DIR` or `target` in the root.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// What peers need and produce lives here: virtual environments, unpacked suites, logs.
pub(crate) fn peers_dir() -> PathBuf {
    target().join("peers")
}

/// `command` as a person would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

/// Runs to the end with inherited output; an error unless it exits with 0.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs to the end and gives its stdout; an error with the end of stderr unless it exits with 0.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        let text = String::from_utf8_lossy(&stderr);
        bail!("{} ended with {status}: {}", shown(command), tail(&text, 2000));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Runs with stdout and stderr added to `log`; gives the status, or kills it after `limit`.
pub(crate) fn logged(command: &mut Command, log: &Path, limit: Duration) -> Result<ExitStatus> {
    let mut child = start(command, log)?;
    child.wait(limit)?.with_context(|| {
        format!("{} did not end in {} s, see {}", shown(command), limit.as_secs(), log.display())
    })
}

/// Starts with stdout and stderr added to `log`.
pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Running> {
    let open = || {
        File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))
    };
    command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
    let child = command.spawn().with_context(|| format!("cannot start {}", shown(command)))?;
    Ok(Running { child })
}

/// Writes a shell script that becomes `command`, with the arguments that the script is given added.
pub(crate) fn script(path: &Path, command: &Command) -> Result<PathBuf> {
    let mut text = String::from("#!/bin/sh\n");
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default().to_string_lossy();
        text.push_str(&format!("export {}='{value}'\n", name.to_string_lossy()));
    }
    text.push_str("exec");
    for word in [command.get_program()].into_iter().chain(command.get_args()) {
        text.push_str(&format!(" '{}'", word.to_string_lossy()));
    }
    text.push_str(" \"$@\"\n");
    std::fs::write(path, text).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path.to_path_buf())
}

/// The last `bytes` of a text, cut at a line.
pub(crate) fn tail(text: &str, bytes: usize) -> &str {
    let text = text.trim_end();
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    match text[from..].find('\n') {
        Some(line) if from > 0 => &text[from + line + 1..],
        _ => &text[from..],
    }
}

/// A child that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The status when it ended already.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for a child")
    }

    /// Waits up to `limit`; `None` when it still runs then.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if Instant::now() > end {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Sends SIGKILL and waits.
    pub(crate) fn kill(&mut self) -> Result<ExitStatus> {
        // An error means that it ended by itself, which the wait tells.
        let _ = self.child.kill();
        self.child.wait().context("cannot wait for a killed child")
    }

    /// Asks it to end with SIGTERM and waits up to `limit`, then kills it.
    pub(crate) fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        if self.ended()?.is_none() {
            signal(self.pid(), Signal::TERM)?;
        }
        match self.wait(limit)? {
            Some(status) => Ok(status),
            None => self.kill(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Sends a signal to a process that this program started.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("not a process id")?;
    kill_process(pid, signal).with_context(|| format!("cannot signal {pid:?}"))
}

/// Asks `ready` until it answers or `limit` passes.
pub(crate) fn until<T>(limit: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = ready() {
            return Some(value);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}
