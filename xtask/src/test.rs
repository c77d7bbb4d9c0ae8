//! The one command that runs every check and test and closes with what passed and failed.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::oracle::release::Release;
use crate::rounds::choose;
use crate::suite::{Outcome, SUITES, Suite, Verdict};
use crate::{broker, crash, peers, process, suite, tidy, with_peers};

/// Rounds of crash in a test run.
const CRASH_ROUNDS: u32 = 20;

/// Suites that run at once, one for each core of the smallest machine we care for.
const SUITES_AT_ONCE: usize = 2;

/// A part that takes longer hangs: it fails with the run instead of keeping it up.
const PART: Duration = Duration::from_secs(40 * 60);

/// What one part counted.
#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

/// A part of the run.
struct Part {
    name: &'static str,
    run: fn() -> Result<Count>,
}

const PARTS: &[Part] = &[
    Part { name: "fmt", run: fmt },
    Part { name: "tidy", run: tidied },
    Part { name: "clippy", run: clippy },
    Part { name: "unit", run: unit },
    Part { name: "doc", run: doc },
    Part { name: "peers", run: compatibility },
    Part { name: "crash", run: crashes },
];

/// What `cargo xtask test` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Parts: fmt, tidy, clippy, unit, doc, peers, crash; all without it.
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    only: Vec<String>,
}

/// `cargo xtask test`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let parts = choose(&options.only, PARTS, |part| part.name)?;
    let (mut passed, mut failed, mut table) = (0, 0, String::new());
    for part in parts {
        println!("== {}", part.name);
        let from = Instant::now();
        let _watched = watch(part.name);
        let count = (part.run)().unwrap_or_else(|error| {
            println!("{}: {error:#}", part.name);
            Count { passed: 0, failed: 1 }
        });
        passed += count.passed;
        failed += count.failed;
        table.push_str(&format!(
            "{:<8} {:>6} passed {:>4} failed {:>6.0} s\n",
            part.name,
            count.passed,
            count.failed,
            from.elapsed().as_secs_f64()
        ));
    }
    print!("\n{table}\n{passed} passed, {failed} failed\n");
    if failed > 0 {
        bail!("{failed} failed");
    }
    Ok(())
}

/// Ends the run when a part has not ended in time; what the part started goes with its parent.
fn watch(part: &'static str) -> mpsc::Sender<()> {
    let (done, ended) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(PART) == Err(mpsc::RecvTimeoutError::Timeout) {
            println!("{part}: did not end in {} minutes", PART.as_secs() / 60);
            std::process::exit(1);
        }
    });
    done
}

fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(peers::cargo());
    command.args(args).current_dir(process::root());
    command
}

/// A check that passes or fails as a whole.
fn one(command: &mut Command) -> Result<Count> {
    process::check(command)?;
    Ok(Count { passed: 1, failed: 0 })
}

fn fmt() -> Result<Count> {
    one(&mut cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<Count> {
    one(&mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn tidied() -> Result<Count> {
    let wrong = tidy::check()?;
    for line in &wrong {
        println!("{line}");
    }
    Ok(Count { passed: usize::from(wrong.is_empty()), failed: wrong.len() })
}

fn doc() -> Result<Count> {
    let mut build =
        cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
    process::check(build.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"))?;
    let mut count = counted(cargo(&["test", "--workspace", "--doc"]))?;
    count.passed += 1;
    Ok(count)
}

fn unit() -> Result<Count> {
    let nextest = process::output(&mut cargo(&["nextest", "--version"])).is_ok();
    let (tests, flags): (&[&str], &[&str]) = if nextest {
        (&["nextest", "run", "--workspace"], &["--no-fail-fast", "--status-level", "fail"])
    } else {
        (&["test", "--workspace", "--lib", "--bins", "--tests"], &["--no-fail-fast"])
    };
    // Built first: what does not compile needs no peers.
    process::check(cargo(tests).arg("--no-run"))?;
    let count = counted(with_peers::beside(cargo(tests).args(flags), Release::default())?)?;
    if count.passed == 0 {
        bail!("no test ran");
    }
    Ok(count)
}

/// Runs tests, shows their output and counts from the runner's closing lines.
fn counted(tests: Command) -> Result<Count> {
    let mut child = Command::new("sh")
        .args(["-c", "exec \"$@\" 2>&1", "sh"])
        .arg(tests.get_program())
        .args(tests.get_args())
        .current_dir(process::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut count = Count::default();
    let out = child.stdout.take().context("a pipe")?;
    for line in BufReader::new(out).lines() {
        let line = line?;
        println!("{line}");
        if line.trim_start().starts_with("Summary [") || line.starts_with("test result:") {
            count.passed += before(&line, "passed");
            count.failed += before(&line, "failed") + before(&line, "timed out");
        }
    }
    let status = child.wait()?;
    if !status.success() && count.failed == 0 {
        bail!("{} ended with {status}", process::shown(&tests));
    }
    Ok(count)
}

/// The number that stands before a word, such as 12 in `12 passed`.
fn before(line: &str, word: &str) -> usize {
    let Some((head, _)) = line.split_once(&format!(" {word}")) else { return 0 };
    head.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn compatibility() -> Result<Count> {
    peers::install()?;
    broker::build()?;
    let waiting: Mutex<VecDeque<&'static Suite>> = Mutex::new(SUITES.iter().collect());
    // Not in the loop's head, where the lock would be held for as long as the suite runs.
    let next = || locked(&waiting).pop_front();
    let done: Mutex<Vec<(&'static str, Result<Verdict>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SUITES_AT_ONCE {
            scope.spawn(|| {
                while let Some(suite) = next() {
                    let verdict = suite::verdict(suite, suite.oracle_live);
                    locked(&done).push((suite.name, verdict));
                }
            });
        }
    });
    let mut count = Count::default();
    for (name, verdict) in done.into_inner().unwrap_or_else(|poison| poison.into_inner()) {
        match verdict {
            Ok(verdict) => {
                print!("{}", suite::shown(&verdict));
                count.passed += verdict.results.count(Outcome::Pass);
                count.failed += verdict.wrong.len();
            }
            Err(error) => {
                println!("{name}: {error:#}");
                count.failed += 1;
            }
        }
    }
    Ok(count)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

fn crashes() -> Result<Count> {
    peers::install()?;
    broker::build()?;
    let (passed, failed) = crash::rounds(CRASH_ROUNDS, None)?;
    Ok(Count { passed, failed })
}
