//! The two threads of a store, or nothing but their functions when everything runs inline.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::Options;
use crate::background::{self, Context, Done, Job};
use crate::wal::{self, WalDone, WalJob};

/// Takes jobs, gives outcomes.
pub(crate) enum Workers {
    /// One thread each.
    Threads(Threads),
    /// Jobs are done when they are given.
    Inline(Box<Inline>),
}

pub(crate) struct Threads {
    wal: Option<Sender<WalJob>>,
    wal_done: Receiver<WalDone>,
    background: Option<Sender<Job>>,
    background_done: Receiver<Done>,
    joins: Vec<JoinHandle<()>>,
}

pub(crate) struct Inline {
    context: Context,
    wal_done: VecDeque<WalDone>,
    background_done: VecDeque<Done>,
}

impl Workers {
    /// Starts the threads; an error is the system's refusal to make one.
    pub(crate) fn start(context: Context, options: &Options) -> std::io::Result<Workers> {
        if options.inline {
            return Ok(Workers::Inline(Box::new(Inline {
                context,
                wal_done: VecDeque::new(),
                background_done: VecDeque::new(),
            })));
        }
        let (wal, wal_jobs) = channel();
        let (wal_out, wal_done) = channel();
        let (background, background_jobs) = channel();
        let (background_out, background_done) = channel();
        let (notify, idle) = (options.notify.clone(), options.idle);
        let first = std::thread::Builder::new()
            .name("wal".into())
            .spawn(move || wal::serve(wal_jobs, wal_out, notify, idle))?;
        let notify = options.notify.clone();
        let second = std::thread::Builder::new()
            .name("background".into())
            .spawn(move || background::serve(context, background_jobs, background_out, notify))?;
        Ok(Workers::Threads(Threads {
            wal: Some(wal),
            wal_done,
            background: Some(background),
            background_done,
            joins: vec![first, second],
        }))
    }

    pub(crate) fn wal(&mut self, job: WalJob) {
        match self {
            Workers::Threads(t) => {
                // The thread outlives the sender; after a panic in it poll reports the loss.
                if let Some(wal) = &t.wal {
                    let _ = wal.send(job);
                }
            }
            Workers::Inline(w) => {
                if let WalJob::Write(batch) = job {
                    w.wal_done.push_back(wal::run(batch));
                }
            }
        }
    }

    pub(crate) fn background(&mut self, job: Job) {
        match self {
            Workers::Threads(t) => {
                if let Some(background) = &t.background {
                    let _ = background.send(job);
                }
            }
            Workers::Inline(w) => w.background_done.extend(w.context.run(job)),
        }
    }

    pub(crate) fn wal_done(&mut self) -> Option<WalDone> {
        match self {
            Workers::Threads(t) => t.wal_done.try_recv().ok(),
            Workers::Inline(w) => w.wal_done.pop_front(),
        }
    }

    pub(crate) fn background_done(&mut self) -> Option<Done> {
        match self {
            Workers::Threads(t) => t.background_done.try_recv().ok(),
            Workers::Inline(w) => w.background_done.pop_front(),
        }
    }

    pub(crate) fn is_inline(&self) -> bool {
        matches!(self, Workers::Inline(_))
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
