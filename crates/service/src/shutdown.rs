//! How a daemon is asked to stop, and the exit codes by which it says how it ended.
//! SIGTERM or SIGINT: drain. A second one: at once. SIGHUP: read settings again, where a part of the
//! daemon can; else it does nothing.

#[cfg(test)]
mod tests;

use std::io;
use std::process::ExitCode;
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

/// How far the stop has come. Only ever moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nobody has asked.
    Running,
    /// Take nothing new, finish what was begun, then end.
    Draining,
    /// End now, whatever is unfinished.
    Now,
}

/// Tells a daemon when to stop. Clones watch the same stop.
#[derive(Debug, Clone)]
pub struct Shutdown {
    phase: watch::Receiver<Phase>,
}

/// Asks for a stop; the counterpart of [`Shutdown`]. Dropping it asks for nothing.
#[derive(Debug, Clone)]
pub struct Trigger {
    phase: watch::Sender<Phase>,
}

/// A stop that only its [`Trigger`] starts.
pub fn manual() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger { phase: sender }, Shutdown { phase: receiver })
}

impl Trigger {
    /// Asks to drain.
    pub fn drain(&self) {
        self.raise(Phase::Draining);
    }

    /// Asks to end at once.
    pub fn now(&self) {
        self.raise(Phase::Now);
    }

    fn raise(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let raised = *phase < to;
            *phase = to.max(*phase);
            raised
        });
    }
}

impl Shutdown {
    /// How far the stop has come.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Ends when a drain, or more, was asked for. Safe to drop and call again.
    pub async fn draining(&self) {
        self.reach(Phase::Draining).await;
    }

    /// Ends when an end at once was asked for. Safe to drop and call again.
    pub async fn now(&self) {
        self.reach(Phase::Now).await;
    }

    async fn reach(&self, wanted: Phase) {
        let mut phase = self.phase.clone();
        if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
            // The trigger is gone: nobody will ever ask.
            std::future::pending::<()>().await;
        }
    }
}

/// Tells of SIGHUP: somebody wants settings to be read again. Whoever does not, drops it.
#[derive(Debug)]
pub struct Hangups {
    asked: mpsc::Receiver<()>,
}

impl Hangups {
    /// What never asks, unless its sender does.
    pub fn manual() -> (mpsc::Sender<()>, Hangups) {
        let (sender, asked) = mpsc::channel(1);
        (sender, Hangups { asked })
    }

    /// Ends when it was asked for since the last time. Safe to drop and call again.
    pub async fn asked(&mut self) {
        if self.asked.recv().await.is_none() {
            // The sender is gone: nobody will ever ask.
            std::future::pending::<()>().await;
        }
    }
}

/// A stop that the process's signals start, and what they ask for beside it. They are handled on a thread of their own, so that
/// the second one ends the process even when everything else hangs.
pub fn on_signals() -> io::Result<(Trigger, Shutdown, Hangups)> {
    let (trigger, shutdown) = manual();
    let (reload, hangups) = Hangups::manual();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        }
    };
    let asked = trigger.clone();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(signals.watch(asked, reload)))?;
    Ok((trigger, shutdown, hangups))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    async fn watch(mut self, trigger: Trigger, reload: mpsc::Sender<()>) {
        let mut asked = false;
        loop {
            let (name, exit) = tokio::select! {
                _ = self.terminate.recv() => ("SIGTERM", Exit::Terminated),
                _ = self.interrupt.recv() => ("SIGINT", Exit::Interrupted),
                _ = self.hangup.recv() => {
                    // A full channel is as good: it has not been looked at yet.
                    if let Err(TrySendError::Closed(())) = reload.try_send(()) {
                        tracing::warn!("SIGHUP does nothing here; restart to read settings");
                    }
                    continue;
                }
            };
            if asked {
                tracing::warn!("{name} again: ending at once");
                trigger.now();
                std::process::exit(i32::from(exit.code()));
            }
            asked = true;
            tracing::info!("{name}: draining; a second signal ends the process at once");
            trigger.drain();
        }
    }
}

/// How a daemon ended: its exit codes, which are those of `sysexits.h` where that has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Drained after a signal.
    Clean,
    /// Drained after a signal, but work had to be broken off.
    Unfinished,
    /// The command line is wrong.
    Usage,
    /// Stored data is damaged or of an unknown version.
    Data,
    /// An address to listen on cannot be had.
    Unavailable,
    /// The operating system refused to read or write something.
    Io,
    /// Another process uses the data directory: trying again later may help.
    Busy,
    /// A setting is wrong.
    Config,
    /// A second SIGINT ended it at once.
    Interrupted,
    /// A second SIGTERM ended it at once.
    Terminated,
}

impl Exit {
    /// Every way to end, by code.
    pub const ALL: [Exit; 10] = [
        Exit::Clean,
        Exit::Unfinished,
        Exit::Usage,
        Exit::Data,
        Exit::Unavailable,
        Exit::Io,
        Exit::Busy,
        Exit::Config,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    /// The exit code of the process.
    pub fn code(self) -> u8 {
        match self {
            Exit::Clean => 0,
            Exit::Unfinished => 3,
            Exit::Usage => 64,
            Exit::Data => 65,
            Exit::Unavailable => 69,
            Exit::Io => 74,
            Exit::Busy => 75,
            Exit::Config => 78,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }

    /// What the code says, for the documentation.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Clean => "stopped cleanly after a signal",
            Exit::Unfinished => "stopped after a signal, but runs of triggers were aborted",
            Exit::Usage => "the command line is wrong",
            Exit::Data => "stored data is damaged or of an unknown version",
            Exit::Unavailable => "an address to listen on cannot be had",
            Exit::Io => "the operating system refused to read or write something",
            Exit::Busy => "another process uses the data directory",
            Exit::Config => "a setting is wrong",
            Exit::Interrupted => "a second SIGINT ended it at once",
            Exit::Terminated => "a second SIGTERM ended it at once",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
