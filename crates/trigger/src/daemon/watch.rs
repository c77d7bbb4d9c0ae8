//! Notices when a file of the configuration changes, by looking: that works on every file system,
//! and for the links by which containers are given their files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);

/// What says that a file is another one, or says something else: device, inode, size, changed
/// when. `None` when there is none.
type Sign = Option<(u64, u64, u64, i64, i64)>;

pub(super) struct Watch {
    files: Vec<(PathBuf, Sign)>,
    looks: Option<Interval>,
}

impl Watch {
    pub(super) fn new(files: Vec<PathBuf>) -> Watch {
        let files = files.into_iter().map(|path| (sign(&path), path)).map(|(s, p)| (p, s));
        Watch { files: files.collect(), looks: None }
    }

    /// Ends when a file is not what it was; then that is what it is. Safe to drop and call again.
    pub(super) async fn changed(&mut self) {
        let looks = self.looks.get_or_insert_with(|| {
            let mut looks = interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            looks
        });
        loop {
            looks.tick().await;
            let mut changed = false;
            for (path, last) in &mut self.files {
                let now = sign(path);
                changed |= now != *last;
                *last = now;
            }
            if changed {
                return;
            }
        }
    }
}

fn sign(path: &Path) -> Sign {
    let data = fs::metadata(path).ok()?;
    Some((data.dev(), data.ino(), data.size(), data.ctime(), data.ctime_nsec()))
}
