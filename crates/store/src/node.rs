//! `node.meta`: who this directory belongs to, and the format of everything in it.
//!
//! Two copies in separate blocks; a damaged one is written again from the other.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use crate::OpenError;
use crate::record::{BLOCK, FORMAT, signature, u32_at, u64_at};
use crate::vfs::{self, File, Open, Vfs};

const MAGIC: &[u8; 4] = b"LVNM";
/// Bytes of a copy that mean something.
const COPY: usize = 32;

fn encode(node: u64) -> [u8; COPY] {
    let mut b = [0; COPY];
    b[0..4].copy_from_slice(MAGIC);
    b[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    b[8..16].copy_from_slice(&node.to_le_bytes());
    let crc = crc32c::crc32c(&b[..28]) ^ signature(0);
    b[28..32].copy_from_slice(&crc.to_le_bytes());
    b
}

/// Format and node id of a copy, when its checksum matches.
fn decode(b: &[u8]) -> Option<(u16, u64)> {
    let good = b.len() >= COPY
        && &b[0..4] == MAGIC
        && u32_at(b, 28) == Some(crc32c::crc32c(&b[..28]) ^ signature(0));
    if !good {
        return None;
    }
    Some((u16::from_le_bytes([b[4], b[5]]), u64_at(b, 8)?))
}

/// Reads the node's id, or makes one for a new directory. `fixed`: a simulation wants the same
/// every time.
pub(crate) fn open(vfs: &dyn Vfs, dir: &Path, fixed: bool) -> Result<u64, OpenError> {
    let path = dir.join("node.meta");
    let io = |e| OpenError::io(&path, e);
    match vfs.open(&path, Open::Write) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(io(e)),
        Ok(file) => return read(&*file, &path),
    }
    let node = if fixed { 1 } else { RandomState::new().hash_one(std::process::id()) };
    let new = path.with_extension("tmp");
    let file = vfs.open(&new, Open::Create).map_err(io)?;
    write(&*file, node).map_err(io)?;
    vfs.rename(&new, &path).map_err(io)?;
    vfs.sync_dir(dir).map_err(io)?;
    Ok(node)
}

fn read(file: &dyn File, path: &Path) -> Result<u64, OpenError> {
    let io = |e| OpenError::io(path, e);
    let mut bytes = vec![0; 2 * BLOCK];
    let mut copies = [None; 2];
    for (i, copy) in bytes.chunks_mut(BLOCK).enumerate() {
        let n = file.read_at(copy, (i * BLOCK) as u64).map_err(io)?;
        copies[i] = decode(&copy[..n]);
    }
    let Some((format, node)) = copies[0].or(copies[1]) else {
        return Err(OpenError::corrupt(path, 0, "both copies' checksums do not match"));
    };
    if format != FORMAT {
        let (found, known) = (format.into(), FORMAT.into());
        return Err(OpenError::Format { file: path.to_owned(), found, known });
    }
    if copies[0].is_none() || copies[1].is_none() {
        write(file, node).map_err(io)?;
    }
    Ok(node)
}

/// One copy after the other, so that a crash leaves one whole.
fn write(file: &dyn File, node: u64) -> std::io::Result<()> {
    for i in 0..2 {
        let mut copy = vec![0; BLOCK];
        copy[..COPY].copy_from_slice(&encode(node));
        vfs::write_all_at(file, &[&copy], (i * BLOCK) as u64)?;
        file.sync()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
