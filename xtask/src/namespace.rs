//! Runs a part of xtask in network, mount and process namespaces of its own.
//!
//! Several suites dial `localhost:5672` whatever they are told, so each suite and its broker live in
//! a network namespace that has nothing but loopback. The process namespace ends everything that
//! was started in it, daemons included, when the part ends or its parent dies.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// The hidden command that the inner process is started with.
pub(crate) const INSIDE: &str = "inside-a-namespace";

/// Runs its arguments as the first process of a process namespace has to: a shell that waits for one
/// child reaps all others that lose their parents, so that killed ones are seen to be gone.
const INIT: [&str; 4] = ["sh", "-c", "\"$@\"; exit $?", "sh"];

/// Runs `xtask PART ARGS…` inside, its output in `log`; an error unless it succeeds in `limit`.
pub(crate) fn run(part: &str, args: &[&str], log: &Path, limit: Duration) -> Result<()> {
    let mut command = command(part, args)?;
    let status = process::logged(&mut command, log, limit)?;
    if !status.success() {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        bail!("{part} {args:?} ended with {status}:\n{}", process::tail(&text, 3000));
    }
    Ok(())
}

/// The same with the terminal's output, no limit, and more variables.
pub(crate) fn run_here(part: &str, args: &[&str], variables: &[(&str, &OsStr)]) -> Result<()> {
    process::check(command(part, args)?.envs(variables.iter().copied()))
}

fn command(part: &str, args: &[&str]) -> Result<Command> {
    let mut command = own(&["--net"]);
    command.arg(std::env::current_exe().context("own path")?).arg(INSIDE).arg(part).args(args);
    Ok(command)
}

/// Runs its arguments in a mount and a process namespace of their own, and in those of `more`. All
/// that they start ends with them, and they end with us, however we end.
pub(crate) fn own(more: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare"]);
    if !is_root() {
        command.arg("--map-root-user");
    }
    command.args(more).args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.args(INIT);
    command
}

/// What the inner process is told.
pub(crate) fn parse<T: clap::Parser>(args: &[String]) -> Result<T> {
    let name = [String::from(INSIDE)];
    Ok(T::try_parse_from(name.iter().chain(args))?)
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The entry of the inner process.
pub(crate) fn inside(args: &[String]) -> Result<()> {
    process::check(Command::new("ip").args(["link", "set", "lo", "up"]))
        .context("a network namespace is needed for this test")?;
    let (part, rest) = args.split_first().context("no part")?;
    match part.as_str() {
        "suite" => crate::suite::inside(rest),
        "crash" => crate::crash::inside(rest),
        "bench" => crate::bench::inside(rest),
        other => bail!("no part {other}"),
    }
}
