//! The threads of a store, or nothing but their functions when everything runs inline.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Options;
use crate::background::{self, Context, Done, Job};
use crate::wal::{self, WalDone, WalJob};
use crate::warm::WarmJob;

/// Jobs of reading ahead that may wait; more are left out.
const WARM_JOBS_MAX: usize = 2;

/// What a thread has to say.
pub(crate) enum Event {
    Wal(WalDone),
    Background(Done),
}

/// Takes jobs, gives events.
pub(crate) struct Workers {
    kind: Kind,
    /// Events that were waited for and not taken yet.
    ready: VecDeque<Event>,
}

enum Kind {
    /// One thread each.
    Threads(Threads),
    /// Jobs are done when they are given.
    Inline(Context),
}

struct Threads {
    wal: Option<Sender<WalJob>>,
    background: Option<Sender<Job>>,
    /// Begun with the first job.
    warm: Option<SyncSender<WarmJob>>,
    events: Receiver<Event>,
    joins: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts the threads; an error is the system's refusal to make one.
    pub(crate) fn start(context: Context, options: &Options) -> std::io::Result<Workers> {
        let ready = VecDeque::new();
        if options.inline {
            return Ok(Workers { kind: Kind::Inline(context), ready });
        }
        let (wal, wal_jobs) = channel();
        let (background, background_jobs) = channel();
        let (wal_out, events) = channel();
        let background_out = wal_out.clone();
        let (notify, idle) = (options.notify.clone(), options.idle);
        let first = std::thread::Builder::new()
            .name("wal".into())
            .spawn(move || wal::serve(wal_jobs, wal_out, notify, idle))?;
        let notify = options.notify.clone();
        let second = std::thread::Builder::new()
            .name("background".into())
            .spawn(move || background::serve(context, background_jobs, background_out, notify))?;
        let threads = Threads {
            wal: Some(wal),
            background: Some(background),
            warm: None,
            events,
            joins: vec![first, second],
        };
        Ok(Workers { kind: Kind::Threads(threads), ready })
    }

    pub(crate) fn wal(&mut self, job: WalJob) {
        match &self.kind {
            Kind::Threads(t) => {
                // A thread ends before its sender only by a panic, which it has printed.
                let _ = t.wal.as_ref().map(|wal| wal.send(job));
            }
            Kind::Inline(_) => {
                if let WalJob::Write(batch) = job {
                    self.ready.push_back(Event::Wal(wal::run(batch)));
                }
            }
        }
    }

    pub(crate) fn background(&mut self, job: Job) {
        match &self.kind {
            Kind::Threads(t) => {
                // A thread ends before its sender only by a panic, which it has printed.
                let _ = t.background.as_ref().map(|background| background.send(job));
            }
            Kind::Inline(context) => {
                self.ready.extend(context.run(job).map(Event::Background));
            }
        }
    }

    /// Reads ahead on a thread of its own, as a slow disk would keep the log waiting. Nobody waits for
    /// it, and it may be left out.
    pub(crate) fn warm(&mut self, job: WarmJob) {
        let Kind::Threads(threads) = &mut self.kind else { return };
        if threads.warm.is_none() {
            let (warm, jobs) = sync_channel::<WarmJob>(WARM_JOBS_MAX);
            let thread = std::thread::Builder::new().name("warm".into());
            let begun = thread.spawn(move || jobs.into_iter().for_each(|job| job.run()));
            threads.warm = begun.is_ok().then_some(warm);
        }
        if let Some(warm) = &threads.warm {
            let _ = warm.try_send(job);
        }
    }

    /// The next event, when there is one.
    pub(crate) fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.ready.pop_front() {
            return Some(event);
        }
        match &self.kind {
            Kind::Threads(t) => t.events.try_recv().ok(),
            Kind::Inline(_) => None,
        }
    }

    /// Waits until there is an event, at most for `time`.
    pub(crate) fn wait(&mut self, time: Duration) {
        if let Kind::Threads(t) = &self.kind
            && self.ready.is_empty()
        {
            self.ready.extend(t.events.recv_timeout(time).ok());
        }
    }

    /// Whether events wait that were done inline.
    pub(crate) fn has_events(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn is_inline(&self) -> bool {
        matches!(self.kind, Kind::Inline(_))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.wal = None;
        self.background = None;
        for join in self.joins.drain(..) {
            // A panic of the thread was printed by it.
            let _ = join.join();
        }
    }
}
