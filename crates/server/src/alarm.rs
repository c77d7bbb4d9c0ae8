//! Memory and disk alarms: when one is on, publishers are not read until it is over.

use std::path::PathBuf;

use service::machine;

use crate::settings::Settings;

/// Alarms that the administrator set, whatever the figures are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forced {
    pub(crate) memory: bool,
    pub(crate) disk: bool,
}

/// The alarms of a node, and the figures behind them.
pub(crate) struct Alarms {
    pub(crate) forced: Forced,
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
            forced: Forced::default(),
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
        machine::release_memory(false);
        self.memory_used = self.resident_memory();
        if self.memory_used > self.memory_limit {
            // What was freed must not count, or publishers stay blocked by nothing.
            machine::release_memory(true);
            self.memory_used = self.resident_memory();
        }
    }

    fn resident_memory(&self) -> u64 {
        machine::resident_memory(&machine::root()).unwrap_or(self.memory_used)
    }

    /// Looks at memory and disk. `log_is_full`: the log could not be written for want of space.
    pub(crate) fn check(&mut self, log_is_full: bool) {
        self.measure_memory();
        if let Ok(free) = machine::free_disk(&self.data_dir) {
            self.disk_free = free;
        }
        let memory = self.forced.memory || self.memory_used > self.memory_limit;
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
        let disk = self.forced.disk || log_is_full || self.disk_free < self.disk_free_limit;
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
