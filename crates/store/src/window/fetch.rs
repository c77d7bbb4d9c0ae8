//! A window that the background thread reads before anybody asks for it.
//!
//! `Asked -> Reading -> Done`, or `Asked -> Withdrawn` when it is wanted before the thread came to
//! it: then reading it at once is quicker than waiting for whatever the thread does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Span, fill};
use crate::chunk::Chunk;
use crate::vfs::File;

enum Stage {
    Asked(Chunk),
    Reading,
    /// `None`: it could not be read; whoever wants it will learn why.
    Done(Option<Chunk>),
    Withdrawn,
}

struct Slot {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Slot {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        // The stage is always whole: it is only ever replaced.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reader's end.
pub(crate) struct Fetch {
    pub(super) file: u64,
    pub(super) start: u64,
    keep: usize,
    slot: Arc<Slot>,
}

/// The background thread's end.
pub(crate) struct FetchJob {
    handle: Arc<dyn File>,
    start: u64,
    keep: usize,
    read: usize,
    slot: Arc<Slot>,
}

impl Fetch {
    /// Asks for `keep` bytes of a file, by reading `read` bytes: whole blocks.
    pub(super) fn new(
        (file, handle): (u64, Arc<dyn File>),
        start: u64,
        (keep, read): (usize, usize),
        buf: Chunk,
    ) -> (Fetch, FetchJob) {
        let slot = Arc::new(Slot { stage: Mutex::new(Stage::Asked(buf)), changed: Condvar::new() });
        let job = FetchJob { handle, start, keep, read, slot: slot.clone() };
        (Fetch { file, start, keep, slot }, job)
    }

    pub(super) fn covers(&self, span: Span) -> bool {
        let end = self.start + self.keep as u64;
        self.file == span.file && self.start <= span.off && span.off + span.len as u64 <= end
    }

    /// The bytes: at once, after the read that is under way, or not at all.
    pub(super) fn collect(self) -> Option<Chunk> {
        let mut stage = self.slot.stage();
        loop {
            match std::mem::replace(&mut *stage, Stage::Withdrawn) {
                Stage::Reading => {
                    *stage = Stage::Reading;
                    let woken = self.slot.changed.wait(stage);
                    stage = woken.unwrap_or_else(PoisonError::into_inner);
                }
                Stage::Done(buf) => return buf,
                Stage::Asked(_) | Stage::Withdrawn => return None,
            }
        }
    }
}

impl FetchJob {
    /// Reads, unless it is no longer wanted.
    pub(crate) fn run(&self) {
        let mut buf = {
            let mut stage = self.slot.stage();
            match std::mem::replace(&mut *stage, Stage::Reading) {
                Stage::Asked(buf) => buf,
                other => {
                    *stage = other;
                    return;
                }
            }
        };
        let result = fill(&*self.handle, buf.space(self.read), self.start, self.keep);
        let done = result.ok().map(|filled| {
            buf.advance(filled.min(self.keep));
            buf
        });
        *self.slot.stage() = Stage::Done(done);
        self.slot.changed.notify_all();
    }
}
