//! Celery's integration tests of tasks and workers, with Redis for their results.
//!
//! Most of their time is spent waiting, so several processes share them out: each has a virtual host
//! and a Redis of its own.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Place, Results, python};
use crate::peers;
use crate::process::{self, Running};

/// Those that talk to a broker. The others are about the library alone and about where results go.
const TESTS: &[&str] = &[
    "t/integration/test_beat.py",
    "t/integration/test_canvas.py",
    "t/integration/test_group_chains.py",
    "t/integration/test_inspect.py",
    "t/integration/test_tasks.py",
];

/// What it takes to find celery's fixtures.
const PLUGIN: [&str; 2] = ["-p", "celery.contrib.pytest"];

/// It sends its task, and then resets the flag that the worker sets: who is faster wins, and with
/// Leveret that may be the worker. On either broker it says nothing.
const LEFT_OUT: &str =
    "t/integration/test_tasks.py::test_task_replacement::test_replaced_task_nesting_level_0";

/// A test that fails is run again this often, as in celery's own runs: some watch the clock.
const RERUNS: &str = "2";

/// Processes that share the tests.
const SHARES: usize = 4;

/// The port of the first Redis; the others follow.
const REDIS: u16 = 6379;

/// How long Redis may take until it serves.
const REDIS_START: Duration = Duration::from_secs(30);

pub(super) fn run(place: &Place) -> Result<Results> {
    let source = place.dir.join("source");
    python::copy(&peers::python_source("celery"), &source)?;
    let mut list = python::command(&source);
    list.args(PLUGIN).args(["--collect-only", "-qq", "--deselect", LEFT_OUT]).args(TESTS);
    let listed = process::output(&mut list)?;
    let tests: Vec<&str> = listed.lines().filter(|line| line.contains("::")).collect();
    let mut running = Vec::new();
    for share in 0..SHARES {
        let mine = tests.iter().skip(share).step_by(SHARES);
        let redis = redis(place, share)?;
        let vhost = vhost(place, share)?;
        let mut pytest = python::command(&source);
        pytest
            .args(PLUGIN)
            .args(["--reruns", RERUNS])
            .args(mine)
            .env("TEST_BROKER", format!("pyamqp://guest:guest@localhost:5672/{vhost}"))
            .env("TEST_BACKEND", format!("redis://localhost:{}/0", redis_port(share)))
            .env("REDIS_PORT", redis_port(share).to_string());
        let log = place.dir.join(format!("suite-{share}.log"));
        running.push((process::start(&mut pytest, &log)?, log, redis));
    }
    let end = Instant::now() + place.limit;
    let mut results = Results::default();
    for (mut pytest, log, _redis) in running {
        // A failing test fails the comparison, not the run.
        let ended = pytest.wait(end.saturating_duration_since(Instant::now()))?;
        ended.with_context(|| format!("the tests did not end, see {}", log.display()))?;
        results.0.extend(python::parse(&std::fs::read_to_string(&log)?).0);
    }
    Ok(results)
}

fn redis_port(share: usize) -> u16 {
    REDIS + share as u16
}

fn redis(place: &Place, share: usize) -> Result<Running> {
    let port = redis_port(share);
    let mut redis = Command::new("redis-server");
    redis.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]);
    let log = place.dir.join(format!("redis-{share}.log"));
    let mut redis = process::start(redis.arg(&place.dir), &log)?;
    let up = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
    if process::until(REDIS_START, up).is_none() || redis.ended()?.is_some() {
        bail!("redis-server does not serve, see {}", log.display());
    }
    Ok(redis)
}

/// A virtual host that guest may use.
fn vhost(place: &Place, share: usize) -> Result<String> {
    let name = format!("share{share}");
    let control = |args: &[&str]| process::output(Command::new(&place.control).args(args));
    control(&["add_vhost", &name])?;
    control(&["set_permissions", "-p", &name, "guest", ".*", ".*", ".*"])?;
    Ok(name)
}
