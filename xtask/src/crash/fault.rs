//! Ways to make a broker stop, or its disk fail, at a moment that a seed chooses.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::message::Random;
use crate::process;

/// What happens in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL at a random moment.
    Kill,
    /// SIGKILL when the n-th sync begins.
    KillAtSync(u64),
    /// SIGKILL when the n-th write to the log begins.
    KillAtWrite(u64),
    /// The n-th sync fails with EIO: the broker must stop by itself.
    SyncError(u64),
    /// The n-th write fails with EIO: the broker must stop by itself.
    WriteError(u64),
    /// Some writes fail with ENOSPC: publishers wait, everything goes on; then SIGKILL.
    NoSpace(u64),
    /// A write is cut at a byte of the file that is no page boundary, and the process ends there.
    TornWrite(u64),
    /// SIGTERM under load.
    Stop,
}

/// A kind of fault.
pub(crate) struct Kind {
    pub name: &'static str,
    /// How often it comes in twenty rounds.
    times: usize,
    /// Chooses its moment.
    pub make: fn(&mut Random) -> Fault,
}

/// All kinds.
pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "kill", times: 8, make: |_| Fault::Kill },
    Kind { name: "kill-at-sync", times: 3, make: |random| Fault::KillAtSync(1 + random.below(30)) },
    Kind {
        name: "kill-at-write",
        times: 2,
        make: |random| Fault::KillAtWrite(1 + random.below(30)),
    },
    Kind { name: "sync-error", times: 2, make: |random| Fault::SyncError(1 + random.below(60)) },
    Kind { name: "write-error", times: 1, make: |random| Fault::WriteError(1 + random.below(60)) },
    Kind { name: "no-space", times: 1, make: |random| Fault::NoSpace(1 + random.below(60)) },
    Kind {
        name: "torn-write",
        times: 2,
        make: |random| Fault::TornWrite(random.below(12 << 20) | 1),
    },
    Kind { name: "stop", times: 1, make: |_| Fault::Stop },
];

impl Fault {
    /// The fault of a round: each kind as often as [`KINDS`] says, in an order that the seed chose.
    pub(crate) fn of_round(seed: u64, round: u32) -> Fault {
        let mut all: Vec<fn(&mut Random) -> Fault> = Vec::new();
        for kind in KINDS {
            all.extend((0..kind.times).map(|_| kind.make));
        }
        let count = u64::try_from(all.len()).unwrap_or(1);
        let mut random = Random(seed ^ (u64::from(round) / count));
        for at in (1..all.len()).rev() {
            let other = random.below(u64::try_from(at).unwrap_or(0) + 1);
            all.swap(at, usize::try_from(other).unwrap_or(0));
        }
        let make = all[usize::try_from(u64::from(round) % count).unwrap_or(0)];
        make(&mut Random(seed.wrapping_mul(31).wrapping_add(u64::from(round))))
    }

    /// What the broker is started under: strace as a grandchild, so that the child is the broker.
    pub(crate) fn before(self) -> Vec<String> {
        let inject = match self {
            Fault::KillAtSync(n) => format!("fdatasync:signal=SIGKILL:when={n}"),
            Fault::KillAtWrite(n) => format!("pwritev:signal=SIGKILL:when={n}"),
            Fault::SyncError(n) => format!("fdatasync:error=EIO:when={n}"),
            Fault::WriteError(n) => format!("pwritev:error=EIO:when={n}"),
            Fault::NoSpace(n) => format!("pwritev:error=ENOSPC:when={n}..{}", n + 3),
            Fault::Kill | Fault::TornWrite(_) | Fault::Stop => return Vec::new(),
        };
        let (call, _) = inject.split_once(':').unwrap_or((&inject, ""));
        let mut words = vec!["strace", "-D", "-f", "-qq", "-o", "/dev/null"];
        // With the filter only the traced call is slow; but then strace forgets signals.
        if !inject.contains("signal=") {
            words.push("--seccomp-bpf");
        }
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words.extend([
            "-e".into(),
            format!("trace={call}"),
            "-e".into(),
            format!("inject={inject}"),
        ]);
        words
    }

    /// Done to the running broker once it serves.
    pub(crate) fn arm(self, pid: u32) -> Result<()> {
        if let Fault::TornWrite(at) = self {
            // Beyond this size of a file a write is cut short, and the next one ends the process.
            let limit = format!("--fsize={at}:{at}");
            process::output(Command::new("prlimit").arg("--pid").arg(pid.to_string()).arg(limit))?;
        }
        Ok(())
    }

    /// Whether the broker ends by itself.
    pub(crate) fn ends_by_itself(self) -> bool {
        !matches!(self, Fault::Kill | Fault::NoSpace(_) | Fault::Stop)
    }

    /// Whether a start may end so, and what it says then: without room for its log there is none.
    pub(crate) fn may_end_a_start(self, said: &str) -> bool {
        let no_room = matches!(self, Fault::NoSpace(_)) && said.contains("no storage space");
        self.ends_by_itself() || no_room
    }

    /// How long publishers and consumers run before the round is ended from outside.
    pub(crate) fn length(self, random: &mut Random) -> Duration {
        match self {
            Fault::Kill | Fault::Stop => Duration::from_millis(200 + random.below(1200)),
            Fault::NoSpace(_) => Duration::from_millis(1500 + random.below(500)),
            _ => Duration::from_secs(4),
        }
    }
}
