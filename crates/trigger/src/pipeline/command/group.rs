//! The process group of a run: waits for its end, ends it when it takes too long, and leaves nothing
//! of it behind. The leader is reaped last, because until then no other process can have the
//! group's number.
//!
//! ```text
//! RUNNING ── leader exits ──> streams closed within GRACE? ── yes ─────────────> reap
//!    │                                                     └─ no ── SIGKILL ───> reap
//!    ├── timeout ── SIGTERM ──> leader gone and streams closed, or kill_after ── SIGKILL ──> reap
//!    └── dropped ── SIGKILL; tokio reaps the leader when it is gone
//! ```

use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::time::{Instant, timeout, timeout_at};

/// How long what the command has started may keep its streams open after the command's own end.
const GRACE: Duration = Duration::from_millis(250);

/// A process that SIGKILL does not end within this time waits for a device or a file server; its
/// run does not wait with it.
const REAP_MAX: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Debug)]
pub(super) enum End {
    /// The command ended by itself.
    Exited(ExitStatus),
    /// It was ended, because it took too long.
    TimedOut,
}

/// A command that runs as the leader of its process group. Dropping it kills the group.
#[derive(Debug)]
pub(super) struct Group {
    child: Child,
    leader: Pid,
    /// Readable once the leader has ended, reaped or not.
    ended: AsyncFd<OwnedFd>,
    reaped: bool,
}

impl Group {
    /// `child` leads a group of its own, and is killed when dropped.
    pub(super) fn new(child: Child) -> io::Result<Group> {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let leader = pid.ok_or(io::ErrorKind::NotFound)?;
        let pidfd = pidfd_open(leader, PidfdFlags::NONBLOCK)?;
        // SAFETY: an `OwnedFd` has one descriptor as long as it lives, and nothing here replaces it.
        let ended = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?;
        Ok(Group { child, leader, ended, reaped: false })
    }

    /// Waits for the end, while `streams` flow.
    pub(super) async fn end(
        mut self,
        streams: impl Future<Output = ()>,
        run_max: Duration,
        kill_after: Duration,
    ) -> io::Result<End> {
        let mut flow = Flow { streams: pin!(streams), ended: false };
        let in_time = flow.beside(timeout(run_max, self.leader_ended())).await.is_ok();
        if in_time {
            if timeout(GRACE, flow.end()).await.is_err() {
                self.signal(Signal::KILL);
            }
        } else {
            let kill_at = Instant::now() + kill_after;
            self.signal(Signal::TERM);
            // Whoever still has a stream open is not done with tidying up.
            let tidied = timeout_at(kill_at, async {
                flow.beside(self.leader_ended()).await;
                flow.end().await;
            });
            if tidied.await.is_err() {
                tracing::debug!(pid = %self.leader, "the command has not ended on SIGTERM");
            }
            self.signal(Signal::KILL);
        }
        match timeout(REAP_MAX, self.child.wait()).await {
            Ok(status) => {
                self.reaped = true;
                let status = status?;
                Ok(if in_time { End::Exited(status) } else { End::TimedOut })
            }
            Err(_) => {
                tracing::warn!(pid = %self.leader, "the command does not end even on SIGKILL");
                Ok(End::TimedOut)
            }
        }
    }

    async fn leader_ended(&self) {
        // An error means that the runtime ends, and all runs with it.
        let _ = self.ended.readable().await;
    }

    /// Sends a signal to the group, and to its leader, should it have left the group.
    fn signal(&self, signal: Signal) {
        for sent in [kill_process_group(self.leader, signal), kill_process(self.leader, signal)] {
            match sent {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => tracing::warn!(
                    pid = %self.leader, %error, "the command's process group takes no signal"
                ),
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
        }
    }
}

/// Streams that flow beside something else, and may end before it.
struct Flow<'a, F> {
    streams: Pin<&'a mut F>,
    ended: bool,
}

impl<F: Future<Output = ()>> Flow<'_, F> {
    /// Waits for `other`.
    async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        loop {
            tokio::select! {
                done = &mut other => return done,
                () = &mut self.streams, if !self.ended => self.ended = true,
            }
        }
    }

    /// Waits for the streams themselves.
    async fn end(&mut self) {
        if !self.ended {
            self.streams.as_mut().await;
            self.ended = true;
        }
    }
}
