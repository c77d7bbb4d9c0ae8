//! Memory and disk alarms: when one is on, publishers are not read until it is over.

use std::path::PathBuf;

use service::machine;

use crate::settings::Settings;

/// The alarms of a node, and the figures behind them.
pub(crate) struct Alarms {
    pub(crate) memory: bool,
    pub(crate) disk: bool,
    /// Resident bytes at the last look.
    pub(crate) memory_used: u64,
    pub(crate) memory_limit: u64,
    /// Free bytes of the data directory's file system at the last look.
    pub(crate) disk_free: u64,
    pub(crate) disk_free_limit: u64,
    data_dir: PathBuf,
}

impl Alarms {
    pub(crate) fn new(settings: &Settings) -> Alarms {
        let mut alarms = Alarms {
            memory: false,
            disk: false,
            memory_used: 0,
            memory_limit: settings.memory_limit,
            disk_free: u64::MAX,
            disk_free_limit: settings.disk_free_limit,
            data_dir: settings.data_dir.clone(),
        };
        alarms.check(false);
        alarms
    }

    pub(crate) fn is_on(&self) -> bool {
        self.memory || self.disk
    }

    /// What `connection.blocked` says, in RabbitMQ's words.
    pub(crate) fn reason(&self) -> &'static str {
        match (self.memory, self.disk) {
            (true, true) => "low on memory & disk",
            (true, false) => "low on memory",
            _ => "low on disk",
        }
    }

    fn measure_memory(&mut self) {
        if let Ok(used) = machine::resident_memory(&machine::root()) {
            self.memory_used = used;
        }
    }

    /// Looks at memory and disk. `log_is_full`: the log could not be written for want of space.
    pub(crate) fn check(&mut self, log_is_full: bool) {
        self.measure_memory();
        if self.memory_used > self.memory_limit {
            nudge_allocator();
            self.measure_memory();
        }
        if let Ok(free) = machine::free_disk(&self.data_dir) {
            self.disk_free = free;
        }
        let memory = self.memory_used > self.memory_limit;
        if memory != self.memory {
            self.memory = memory;
            let (used, limit) = (self.memory_used, self.memory_limit);
            if memory {
                tracing::error!(
                    "memory alarm: {used} bytes used, limit {limit} (vm_memory_high_watermark); \
                     publishers are blocked until memory is freed"
                );
            } else {
                tracing::warn!("memory alarm over: {used} bytes used, limit {limit}");
            }
        }
        let disk = log_is_full || self.disk_free < self.disk_free_limit;
        if disk != self.disk {
            self.disk = disk;
            let (free, limit) = (self.disk_free, self.disk_free_limit);
            let dir = self.data_dir.display();
            if disk {
                tracing::error!(
                    "disk alarm: {free} bytes free in {dir}, limit {limit} (disk_free_limit); \
                     publishers are blocked until space is freed"
                );
            } else {
                tracing::warn!("disk alarm over: {free} bytes free in {dir}");
            }
        }
    }
}

/// Makes the allocator give freed memory back to the system. mimalloc does so only when it handles a
/// large block; while publishers are blocked there may be none, and the alarm would never end.
fn nudge_allocator() {
    const LARGE_BYTES: usize = 32 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE_BYTES)));
}
