//! What is written to the store and loaded from it, and what is done when it cannot be.

use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, EngineError};
use crate::message::Key;
use crate::storage::{Reply, Write};
use crate::store::{Applied, Batch, StoreError};

/// How long a full or absent storage is left alone.
const STORAGE_RETRY: Duration = Duration::from_secs(1);

impl Engine {
    pub(super) fn write(&mut self) {
        let now = Instant::now();
        self.away = self.away.filter(|at| *at > now);
        if self.writing.is_some() || self.away.is_some() {
            return;
        }
        let full = self.full.as_ref().is_some_and(|(_, at)| *at > now);
        if !full && !self.intake.is_waiting() {
            // What had no room is gone with its connection: what comes next is tried.
            self.full = None;
        }
        let stores = self.intake.is_waiting() && self.intake.is_due() && !full;
        if !stores && !self.revival.has_changes() {
            return;
        }
        let (insert, tags) = if stores { self.intake.take() } else { Default::default() };
        let (remove, reschedule) = self.revival.take_changes();
        self.writing = Some(tags);
        self.storage.write(Write { insert, remove, reschedule });
    }

    pub(super) fn replied(&mut self, reply: Reply) -> Result<(), EngineError> {
        match reply {
            Reply::Applied(write, Ok(applied)) => self.applied(&write, &applied),
            Reply::Applied(_, Err(error @ StoreError::Broken(_)))
            | Reply::Loaded(_, Err(error @ StoreError::Broken(_)))
            | Reply::Broken(error) => return Err(EngineError::Storage(error)),
            Reply::Applied(write, Err(error)) => self.not_applied(write, &error),
            Reply::Loaded(load, Ok(batch)) => {
                self.damaged(&batch);
                self.revival.loaded(load, batch, &self.changing);
            }
            Reply::Loaded(_, Err(error)) => {
                self.trouble("loading", format!("loading what is due: {error}"));
                self.revival.load_failed();
            }
            Reply::Changed { from, outcome } => self.changed(from, outcome),
        }
        Ok(())
    }

    pub(super) fn applied(&mut self, write: &Write, applied: &Applied) {
        let stored = applied.inserted.len() as u64;
        if stored > 0 {
            self.counters.stored += stored;
            self.counters.groups += 1;
            self.rates[0].add(stored, (self.now)());
            self.intake.had_room();
            if self.full.take().is_some() {
                tracing::info!("the storage has room again: reading goes on");
            }
        }
        let tags = self.writing.take().unwrap_or_default();
        self.intake.written(&tags);
        applied.inserted.iter().for_each(|key| self.revival.appeared(*key));
        self.revival.changes_written(&write.remove, &write.reschedule, &applied.rescheduled);
    }

    pub(super) fn not_applied(&mut self, write: Write, error: &StoreError) {
        let now = Instant::now();
        let tags = self.writing.take().unwrap_or_default();
        let Write { insert, remove, reschedule } = write;
        let count = insert.len();
        self.intake.not_written(insert, tags);
        self.revival.changes_failed(remove, reschedule);
        match error {
            StoreError::Full(_) if count > 0 => {
                if self.full.is_none() {
                    let why = format!(
                        "{error}; reading pauses, what is due goes on being published. Give it \
                         more room (storage-mapsize, or the disk)"
                    );
                    self.trouble("full", why);
                }
                // Half of the group may find room; a single message has to wait for some.
                let wait =
                    if self.intake.had_no_room(count) { Duration::ZERO } else { STORAGE_RETRY };
                self.full = Some((error.to_string(), now + wait));
            }
            _ => {
                self.trouble("storage", error.to_string());
                self.away = Some(now + STORAGE_RETRY);
            }
        }
    }

    pub(super) fn damaged(&mut self, batch: &Batch) {
        self.counters.damaged += batch.damaged.len() as u64;
        if let Some((key, what)) = batch.damaged.last() {
            let Key { due_ms, seq } = key;
            let why =
                format!("message {due_ms}-{seq} cannot be read and stays where it is: {what}");
            self.trouble("damaged", why);
        }
    }
}
