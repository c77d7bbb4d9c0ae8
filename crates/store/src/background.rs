//! File work that nobody waits for, done one job at a time on the background thread.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use crate::files::{Home, Layout};
use crate::vfs::{self, File, Open, Vfs};

/// Work for the background thread.
pub(crate) enum Job {
    /// Makes the WAL file `id` ready, from the spare file `spare` when there is one.
    Prepare { id: u64, bytes: u64, spare: Option<u64> },
    /// Has the system read a stretch of a file into its cache.
    ReadAhead { file: Arc<dyn File>, off: u64, len: u64 },
}

/// What became of a job.
pub(crate) enum Done {
    /// The file is there and its name durable.
    Prepared { id: u64, file: Arc<dyn File> },
    /// No room for a new WAL file; `spare` was not touched.
    PrepareFull { id: u64 },
    /// The store must stop.
    Fatal { what: String, error: io::Error },
}

/// Where the jobs work.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) layout: Layout,
}

/// The thread's loop; ends when the front drops its sender.
pub(crate) fn serve(
    context: Context,
    jobs: Receiver<Job>,
    done: Sender<Done>,
    notify: Arc<dyn Fn() + Send + Sync>,
) {
    for job in jobs {
        if let Some(outcome) = context.run(job) {
            if done.send(outcome).is_err() {
                return;
            }
            notify();
        }
    }
}

impl Context {
    /// Does one job; `None` when nobody needs to know.
    pub(crate) fn run(&self, job: Job) -> Option<Done> {
        Some(match job {
            Job::Prepare { id, bytes, spare } => match self.prepare(id, bytes, spare) {
                Ok(file) => Done::Prepared { id, file },
                Err(e) if vfs::is_full(&e) => Done::PrepareFull { id },
                Err(error) => Done::Fatal { what: format!("preparing log file {id}"), error },
            },
            Job::ReadAhead { file, off, len } => {
                file.will_need(off, len);
                return None;
            }
        })
    }

    fn prepare(&self, id: u64, bytes: u64, spare: Option<u64>) -> io::Result<Arc<dyn File>> {
        let path = self.layout.data(Home::Wal, id);
        let file = match spare {
            Some(spare) => {
                self.vfs.rename(&self.layout.data(Home::Wal, spare), &path)?;
                self.vfs.open(&path, Open::Write)?
            }
            None => {
                let file = self.vfs.open(&path, Open::Create)?;
                if let Err(e) = file.allocate(bytes).and_then(|()| file.sync()) {
                    // The failure is what counts; a file left behind is removed at the next open.
                    let _ = self.vfs.remove(&path);
                    return Err(e);
                }
                file
            }
        };
        self.vfs.sync_dir(&self.layout.folder(Home::Wal))?;
        Ok(file)
    }
}
