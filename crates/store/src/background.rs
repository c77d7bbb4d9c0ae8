//! File work that nobody waits for, done one job at a time on the background thread.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use crate::chunk::Slice;
use crate::compaction::{Merge, Merged, Seal, Sealed};
use crate::files::{Home, Layout};
use crate::record::{self, Record};
use crate::vfs::{self, File, Open, Vfs};
use crate::window::FetchJob;
use crate::workers::Event;

/// Work for the background thread.
pub(crate) enum Job {
    /// Makes the WAL file `id` ready, from the spare file `spare` when there is one.
    Prepare { id: u64, bytes: u64, spare: Option<u64> },
    /// Reads what a lane will want next.
    Fetch(FetchJob),
    /// Writes a chunk of the T-log.
    WriteChunk { chunk: u32, id: u64, file: Option<Arc<dyn File>>, at: u64, bytes: Slice },
    /// Makes a segment of a sealed file.
    Seal(Seal),
    /// Moves what waits in some segments into a new one.
    Merge(Merge),
    /// Installs a checkpoint, then gives adopted WAL files (id, bytes) their names as segments.
    Checkpoint { bytes: Arc<Vec<u8>>, adopt: Vec<(u64, u64)> },
    /// Removes files that nothing refers to any more.
    Remove { home: Home, ids: Vec<u64> },
    /// Removes WAL files that are too many to keep.
    RemoveLogs { ids: Vec<u64> },
    /// Reserves this much room for acks and deletes on a full disk.
    Ballast { bytes: u64 },
}

/// What became of a job.
pub(crate) enum Done {
    /// The file is there and its name durable; its first `written` bytes were written before.
    Prepared { id: u64, file: Arc<dyn File>, written: u64 },
    /// The chunk's bytes are in the file.
    ChunkWritten { chunk: u32, file: Arc<dyn File> },
    /// The segment is complete.
    Sealed(Sealed),
    /// The segment is complete.
    Merged(Merged),
    /// A merge met damage; its sources stay as they are.
    MergeRefused(Merge),
    /// The checkpoint counts from now on.
    Installed { bytes: u64 },
    /// The room is reserved.
    Ballasted { bytes: u64 },
    /// No room on the disk: the job is to be tried again.
    Full(Job),
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
    done: Sender<Event>,
    notify: Arc<dyn Fn() + Send + Sync>,
) {
    for job in jobs {
        if let Some(outcome) = context.run(job) {
            if done.send(Event::Background(outcome)).is_err() {
                return;
            }
            notify();
        }
    }
}

impl Context {
    /// Does one job; `None` when nobody needs to know.
    pub(crate) fn run(&self, job: Job) -> Option<Done> {
        let result = match &job {
            Job::Fetch(fetch) => {
                fetch.run();
                return None;
            }
            Job::Prepare { id, bytes, spare } => self
                .prepare(*id, *bytes, *spare)
                .map(|(file, written)| Done::Prepared { id: *id, file, written }),
            Job::WriteChunk { chunk, id, file, at, bytes } => self
                .write_chunk(*id, file.clone(), *at, bytes)
                .map(|file| Done::ChunkWritten { chunk: *chunk, file }),
            Job::Seal(seal) => self.seal(seal).map(Done::Sealed),
            Job::Merge(merge) => match self.merge(merge) {
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                    Ok(Done::MergeRefused(merge.clone()))
                }
                other => other.map(Done::Merged),
            },
            Job::Checkpoint { bytes, adopt } => {
                self.install(bytes, adopt).map(|()| Done::Installed { bytes: bytes.len() as u64 })
            }
            Job::Remove { home, ids } => {
                let paths = ids
                    .iter()
                    .flat_map(|&id| [self.layout.data(*home, id), self.layout.index(*home, id)]);
                return self.remove(paths);
            }
            Job::RemoveLogs { ids } => {
                return self.remove(ids.iter().map(|&id| self.layout.data(Home::Wal, id)));
            }
            Job::Ballast { bytes } => {
                self.ballast(*bytes).map(|()| Done::Ballasted { bytes: *bytes })
            }
        };
        Some(match result {
            Ok(done) => done,
            Err(e) if vfs::is_full(&e) => {
                self.give_back(&job);
                Done::Full(job)
            }
            Err(error) => Done::Fatal { what: what(&job), error },
        })
    }

    /// Removes what a job wrote before it found the disk full: the job that would make room may need
    /// it. A name that cannot be removed is written over by the next try, or removed by the next start.
    fn give_back(&self, job: &Job) {
        let files = |home, id| vec![self.layout.data(home, id), self.layout.index(home, id)];
        let partial = match job {
            Job::Merge(merge) => files(merge.home, merge.to),
            Job::Seal(Seal { spill: Some(to), .. }) => files(Home::Seg, *to),
            Job::Seal(Seal { home, id, .. }) => vec![self.layout.index(*home, *id)],
            Job::Checkpoint { .. } => vec![self.layout.new_checkpoint()],
            Job::Ballast { .. } => vec![self.layout.ballast()],
            _ => Vec::new(),
        };
        for path in partial {
            let _ = self.vfs.remove(&path);
        }
    }

    /// The file, and how much of it was written before.
    fn prepare(&self, id: u64, bytes: u64, spare: Option<u64>) -> io::Result<(Arc<dyn File>, u64)> {
        let path = self.layout.data(Home::Wal, id);
        if let Some(spare) = spare {
            match self.vfs.rename(&self.layout.data(Home::Wal, spare), &path) {
                // Tried again after a full disk: it has its new name.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        } else {
            self.vfs.open(&path, Open::Create)?;
        }
        let file = self.vfs.open(&path, Open::Log)?;
        let size = file.size()?;
        if size < bytes
            && let Err(e) = file.allocate(bytes).and_then(|()| file.sync())
        {
            // The failure is what counts; a file left behind is a spare one at the next open.
            if spare.is_none() {
                let _ = self.vfs.remove(&path);
            }
            return Err(e);
        }
        self.vfs.sync_dir(&self.layout.folder(Home::Wal))?;
        // A full-sized one was a log before, and is taken for one that was filled.
        Ok((file, if size < bytes { 0 } else { bytes }))
    }

    /// Writes transient records, which get their checksums only now.
    fn write_chunk(
        &self,
        id: u64,
        file: Option<Arc<dyn File>>,
        at: u64,
        bytes: &[u8],
    ) -> io::Result<Arc<dyn File>> {
        let file = match file {
            Some(file) => file,
            None => match self.vfs.open(&self.layout.data(Home::Tmp, id), Open::Write) {
                Ok(file) => file,
                Err(_) => self.vfs.open(&self.layout.data(Home::Tmp, id), Open::Create)?,
            },
        };
        let mut copy = bytes.to_vec();
        let signature = record::signature(id);
        let mut from = 0;
        while from < copy.len() {
            let Some(record) = Record::parse(&copy[from..]) else { break };
            let len = record.header.len as usize;
            record::seal(&mut copy[from..from + len], signature);
            from += record::padded(len);
        }
        vfs::write_all_at(&*file, &[&copy], at)?;
        Ok(file)
    }

    fn install(&self, bytes: &[u8], adopt: &[(u64, u64)]) -> io::Result<()> {
        let (path, new) = (self.layout.checkpoint(), self.layout.new_checkpoint());
        let file = self.vfs.open(&new, Open::Create)?;
        vfs::write_all_at(&*file, &[bytes], 0)?;
        file.sync()?;
        self.vfs.rename(&new, &path)?;
        self.vfs.sync_dir(&self.layout.dir)?;
        for &(id, used) in adopt {
            self.adopt(id, used)?;
        }
        if !adopt.is_empty() {
            self.vfs.sync_dir(&self.layout.folder(Home::Seg))?;
            self.vfs.sync_dir(&self.layout.folder(Home::Wal))?;
        }
        Ok(())
    }

    /// Renames a WAL file that a checkpoint lists as a segment, and gives its unused end back.
    pub(crate) fn adopt(&self, id: u64, used: u64) -> io::Result<Arc<dyn File>> {
        let path = self.layout.data(Home::Seg, id);
        match self.vfs.rename(&self.layout.data(Home::Wal, id), &path) {
            // A checkpoint that was tried again after a full disk finds it done.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        let file = self.vfs.open(&path, Open::Write)?;
        file.set_len(used)?;
        Ok(file)
    }

    fn remove(&self, paths: impl Iterator<Item = PathBuf>) -> Option<Done> {
        for path in paths {
            match self.vfs.remove(&path) {
                // A transient segment may never have had a file.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Some(Done::Fatal {
                        what: format!("removing {}", path.display()),
                        error,
                    });
                }
                Ok(()) => {}
            }
        }
        None
    }

    fn ballast(&self, bytes: u64) -> io::Result<()> {
        let file = self.vfs.open(&self.layout.ballast(), Open::Create)?;
        file.allocate(bytes)?;
        file.sync()
    }
}

fn what(job: &Job) -> String {
    match job {
        Job::Prepare { id, .. } => format!("preparing log file {id}"),
        Job::Fetch(_) => "reading ahead".into(),
        Job::WriteChunk { id, .. } => format!("writing transient file {id}"),
        Job::Seal(seal) => format!("sealing log file {}", seal.id),
        Job::Merge(merge) => format!("merging into segment {}", merge.to),
        Job::Checkpoint { .. } => "writing the checkpoint".into(),
        Job::Remove { .. } | Job::RemoveLogs { .. } => "removing files".into(),
        Job::Ballast { .. } => "reserving room".into(),
    }
}
