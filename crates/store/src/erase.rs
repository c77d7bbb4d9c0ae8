//! Empties a data directory: what its owner asks for, never what a start does.

use std::path::{Path, PathBuf};

use crate::OpenError;
use crate::files::{Home, Layout};
use crate::vfs::{Lock, Vfs};

/// Removes every message and all topology from a data directory that no store has open; files that
/// are not the store's stay. The next start finds it as new. Broken off, it is to be repeated.
pub fn erase(vfs: &dyn Vfs, dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("LOCK");
    let _lock = match vfs.lock(&path).map_err(|e| OpenError::io(&path, e))? {
        Lock::Held(lock) => lock,
        Lock::Busy(pid) => return Err(OpenError::Locked { dir: dir.to_owned(), pid }),
    };
    let layout = Layout::new(dir);
    let checkpoint = layout.checkpoint();
    let is_checkpoint = |name: &String| checkpoint.file_name().is_some_and(|own| own == &**name);
    remove(vfs, dir, is_checkpoint)?;
    for home in [Home::Wal, Home::Seg, Home::Tmp] {
        remove(vfs, &layout.folder(home), |_| true)?;
    }
    Ok(())
}

fn remove(vfs: &dyn Vfs, dir: &Path, wanted: impl Fn(&String) -> bool) -> Result<(), OpenError> {
    let names = vfs.list(dir).map_err(|e| OpenError::io(dir, e))?;
    for file in
        names.iter().filter(|name| wanted(name)).map(|name: &String| -> PathBuf { dir.join(name) })
    {
        vfs.remove(&file).map_err(|e| OpenError::io(&file, e))?;
    }
    vfs.sync_dir(dir).map_err(|e| OpenError::io(dir, e))
}
