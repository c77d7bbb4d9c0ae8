//! Commands that hang, ignore SIGTERM, leave children behind or are given up.

use std::path::Path;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// Within this time everything below ends that ends by itself or is killed.
const SOON: Duration = Duration::from_secs(20);

fn short() -> Run {
    Run { timeout: Duration::from_secs(1), ..run_of(b"") }
}

fn timed_out() -> Verdict {
    retry(Reason::Timeout, "the command did not end within 1000 ms")
}

/// Whether a process is neither there nor a zombie of ours.
async fn is_gone(process: &Path) {
    until(|| !process.exists()).await;
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended() {
    let mut script = Script::new(
        "echo $$ > pid; trap 'echo tidy > tidied; exit 0' TERM; \
                              while :; do sleep 0.01; done",
    );
    script.config.kill_after_ms = 60_000;
    let outcome = script.run(&short()).await;
    assert_eq!(outcome.verdict, timed_out());
    assert_eq!((outcome.summary.as_str(), outcome.reply), ("timeout", None));
    assert_eq!(script.read("tidied"), "tidy\n");
    is_gone(&script.pid("pid").await).await;
}

#[tokio::test]
async fn a_command_that_ignores_sigterm_is_killed_with_its_children() {
    let script = Script::new(
        "trap '' TERM; echo $$ > pid; (echo $(exec sh -c 'echo $PPID') > child; sleep 600) & \
                              sleep 600",
    );
    let begun = Instant::now();
    assert_eq!(script.run(&short()).await.verdict, timed_out());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    is_gone(&script.pid("pid").await).await;
    is_gone(&script.pid("child").await).await;
}

#[tokio::test]
async fn children_may_tidy_up_after_the_command_has_ended() {
    let mut script = Script::new(
        "(trap 'echo tidy > tidied; exit' TERM; echo > ready; while :; do sleep 0.01; done) & \
         trap 'exit 1' TERM; while :; do sleep 0.01; done",
    );
    script.config.kill_after_ms = 60_000;
    let begun = Instant::now();
    assert_eq!(script.run(&short()).await.verdict, timed_out());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(script.read("tidied"), "tidy\n");
}

#[tokio::test]
async fn a_child_that_stays_behind_with_open_streams_is_killed() {
    let script =
        Script::new("echo hello; (trap '' TERM; exec sleep 600) & echo $! > child; exit 0");
    let begun = Instant::now();
    let outcome = script.run(&run_of(b"")).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(outcome.verdict, Verdict::Done);
    assert_eq!(outcome.reply.unwrap().body, "hello\n");
    is_gone(&script.pid("child").await).await;
}

#[tokio::test]
async fn a_child_of_another_session_does_not_hold_the_run() {
    let script = Script::new(
        "echo hello; setsid sh -c 'echo $$ > child; exec sleep 600' & \
         while [ ! -s child ]; do sleep 0.01; done",
    );
    let begun = Instant::now();
    let outcome = script.run(&run_of(b"")).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(outcome.reply.unwrap().body, "hello\n");
    // It has left the group, as services do that start others: it is not ours to end.
    let child = script.pid("child").await;
    assert!(child.exists());
    let pid = Pid::from_raw(script.read("child").trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_child_that_has_closed_its_streams_may_stay() {
    let script = Script::new("sleep 600 </dev/null >/dev/null 2>&1 & echo $! > child; exit 0");
    assert_eq!(script.run(&run_of(b"")).await.verdict, Verdict::Done);
    assert!(script.pid("child").await.exists());
    let pid = Pid::from_raw(script.read("child").trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_run_that_is_given_up_leaves_no_process() {
    let script = Script::new("trap '' TERM; sleep 600 & echo $! > child; echo $$ > pid; wait");
    let (command, run) = (script.command(), run_of(b""));
    let (pid, child) = tokio::select! {
        _ = command.run(&run) => panic!("it ended"),
        pids = async { (script.pid("pid").await, script.pid("child").await) } => pids,
    };
    is_gone(&pid).await;
    is_gone(&child).await;
}

#[tokio::test]
async fn runs_leave_no_descriptors() {
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let leaves = Script::new("(trap '' TERM; exec sleep 600) & exit 0");
    let hangs = Script::new("trap '' TERM; sleep 600");
    let mut gone = Script::new("");
    gone.config.argv = ["./script"].into_iter().collect();
    fs::set_permissions(gone.directory.path().join("script"), fs::Permissions::from_mode(0o755))
        .unwrap();
    let (leaves, hangs, unstartable) = (leaves.command(), hangs.command(), gone.command());
    drop(gone);
    let short = short();
    // What the runtime keeps open for signals is there after the first.
    leaves.run(&short).await;
    let before = open();
    for _ in 0..3 {
        tokio::join!(leaves.run(&short), hangs.run(&short), unstartable.run(&short), async {
            let given_up = tokio::time::timeout(Duration::from_millis(10), hangs.run(&short));
            assert!(given_up.await.is_err());
        },);
    }
    until(|| open() == before).await;
}
