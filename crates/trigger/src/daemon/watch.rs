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
    pub(super) fn new(files: &[PathBuf]) -> Watch {
        let mut watch = Watch { files: Vec::new(), looks: None };
        watch.follow(files);
        watch
    }

    /// Looks at these files from now on. What is known of a file stays, so that a change is noticed
    /// that came while it was read.
    pub(super) fn follow(&mut self, paths: &[PathBuf]) {
        let known = std::mem::take(&mut self.files);
        let sign_of = |path: &PathBuf| {
            let known = known.iter().find(|(other, _)| other == path);
            known.map_or_else(|| sign(path), |(_, sign)| *sign)
        };
        self.files = paths.iter().map(|path| (path.clone(), sign_of(path))).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a look notices something.
    async fn notices(watch: &mut Watch) -> bool {
        tokio::time::timeout(3 * LOOK, watch.changed()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_change_come_or_go_are_noticed_once() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["a.toml", "b.toml", "c.toml"].map(|name| directory.path().join(name));
        let [a, b, c] = &paths;
        fs::write(a, "one").unwrap();
        let mut watch = Watch::new(&paths[..2]);
        assert!(!notices(&mut watch).await);
        fs::write(a, "longer").unwrap();
        assert!(notices(&mut watch).await);
        assert!(!notices(&mut watch).await);
        fs::write(b, "").unwrap();
        assert!(notices(&mut watch).await);
        fs::remove_file(a).unwrap();
        // It changes while it is read, and another one is followed besides.
        watch.follow(&paths);
        assert!(notices(&mut watch).await);
        fs::write(c, "new").unwrap();
        assert!(notices(&mut watch).await);
        // As containers are given files: by a link that points elsewhere.
        fs::remove_file(b).unwrap();
        std::os::unix::fs::symlink(c, b).unwrap();
        assert!(notices(&mut watch).await);
        assert!(!notices(&mut watch).await);
    }
}
