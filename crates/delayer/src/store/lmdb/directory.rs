//! The directory of the store: whose it is, what is in it, and whether it fits the options.
//!
//! `LOCK` names the process that uses it, `format` says what it holds; `index`, `data` and their
//! `-lock` files are LMDB's. The index is made before the data, so data without an index is never
//! the work of a crash.

use std::any::Any;
use std::fs;
use std::io;
use std::path::Path;

use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};
use store::vfs::disk::Disk;
use store::vfs::{Lock, Vfs};

use super::blocks::Blocks;
use super::data::Data;
use super::index::Index;
use super::room::map_bytes;
use super::{LmdbStore, Options, Writer};
use crate::store::OpenError;

/// As in the other stores, so that each knows the others' directories.
const FORMAT: &str = "format";
const FORMAT_TEXT: &str = "leveret delayer lmdb 1\n";

/// Names that may be there before [`FORMAT`] is.
const UNCLAIMED: &[&str] = &["LOCK", "format.new"];

/// Opens or makes the store of a directory.
pub(super) fn open(options: &Options) -> Result<LmdbStore, OpenError> {
    let dir = &options.dir;
    let refused =
        |reason: String| OpenError::Refused { address: dir.display().to_string(), reason };
    let unusable = |what: String| OpenError::Unusable { path: dir.clone(), what };
    let io = |error: io::Error| refused(error.to_string());
    Disk.create_dir_all(dir).map_err(io)?;
    let lock = match Disk.lock(&dir.join("LOCK")).map_err(io)? {
        Lock::Held(lock) => lock,
        Lock::Busy(pid) => return Err(OpenError::Busy { path: dir.clone(), pid }),
    };
    claim(dir).map_err(io)?.map_err(unusable)?;
    let had_index = dir.join("index").exists();
    let had_data = dir.join("data").exists();
    if had_data && !had_index {
        return Err(unusable(
            "the file `index` is missing; put it back, together with its `data`".into(),
        ));
    }
    let lmdb = |error: heed::Error| refused(explained(&error));
    let index = environment(&dir.join("index"), options.map_bytes).map_err(lmdb)?;
    fits(&index, "index", options.map_bytes).map_err(unusable)?;
    let index = Index::new(index).map_err(lmdb)?;
    Disk.sync_dir(dir).map_err(io)?;
    let held = index.env.read_txn().and_then(|txn| index.counters(&txn)).map_err(lmdb)?;
    if held.next_seq > 1 && !had_data {
        return Err(unusable(
            "the file `data` is missing; put it back, together with its `index`".into(),
        ));
    }
    let data = environment(&dir.join("data"), options.map_bytes).map_err(lmdb)?;
    fits(&data, "data", options.map_bytes).map_err(unusable)?;
    let data = Data::new(data).map_err(lmdb)?;
    Disk.sync_dir(dir).map_err(io)?;
    if !paired(&index, &data, had_data).map_err(lmdb)? {
        return Err(unusable(
            "`index` and `data` are not of the same store; put back the two that belong together"
                .into(),
        ));
    }
    if !data.cut(held.next_seq).map_err(lmdb)? {
        return Err(unusable(
            "`index` is older than `data`; put back the two that belong together".into(),
        ));
    }
    Ok(LmdbStore::new(dir.clone(), options.map_bytes, index, data, lock))
}

impl LmdbStore {
    fn new(
        dir: std::path::PathBuf,
        map_bytes: u64,
        index: Index,
        data: Data,
        lock: Box<dyn Any + Send>,
    ) -> LmdbStore {
        let writer =
            Writer { failed: None, applied: false, blocks: Blocks::default(), _lock: lock };
        LmdbStore { dir, map_bytes, index, data, writer: std::sync::Mutex::new(writer) }
    }
}

/// Makes sure that the directory is one of ours, of this version; the inner error says otherwise.
fn claim(dir: &Path) -> io::Result<Result<(), String>> {
    match fs::read_to_string(dir.join(FORMAT)) {
        Ok(text) if text == FORMAT_TEXT => return Ok(Ok(())),
        Ok(text) => return Ok(Err(of_others(text.trim()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !UNCLAIMED.contains(&&*name) {
            return Ok(Err(format!(
                "it holds {name:?}, which is not this storage's; \
                 give another directory, or set storage-engine to what wrote it"
            )));
        }
    }
    let new = dir.join("format.new");
    fs::write(&new, FORMAT_TEXT)?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(&new, dir.join(FORMAT))?;
    Disk.sync_dir(dir)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Disk.sync_dir(parent)?;
    }
    Ok(Ok(()))
}

/// Whose directory it is instead, and what to do.
fn of_others(found: &str) -> String {
    let (ours, _) = FORMAT_TEXT.trim().rsplit_once(' ').unwrap_or_default();
    match found.strip_prefix(ours) {
        Some(version) => format!(
            "it is of version {:?}, which this program does not know; use the program that wrote it",
            version.trim()
        ),
        None => format!(
            "it holds a storage of another kind, {found:?}; \
             give another directory, or set storage-engine to what wrote it"
        ),
    }
}

fn environment(path: &Path, limit: u64) -> heed::Result<Env<WithoutTls>> {
    let bytes = usize::try_from(map_bytes(limit)).unwrap_or(usize::MAX);
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(bytes).max_dbs(8);
    // SAFETY: NO_SUB_DIR and NO_READ_AHEAD change no promise that LMDB makes.
    unsafe { options.flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_READ_AHEAD) };
    // SAFETY: the directory's lock is held, so nobody else changes the file under the map but by
    // force, and this process opens it once.
    unsafe { options.open(path) }
}

/// LMDB maps at least what a file has grown to, whatever it is asked for.
fn fits(env: &Env<WithoutTls>, name: &str, limit: u64) -> Result<(), String> {
    let page = u64::from(env.unnamed_database_stat().page_size);
    let bytes = (env.info().last_page_number as u64 + 1) * page;
    if bytes <= map_bytes(limit) {
        return Ok(());
    }
    Err(format!(
        "its file `{name}` has grown to {bytes} bytes, and storage-mapsize is {limit}; \
         set it to {bytes} or more"
    ))
}

/// Whether both files are of the same store; gives new ones a common name.
fn paired(index: &Index, data: &Data, had_data: bool) -> heed::Result<bool> {
    const ID: &[u8] = b"id";
    let index_id = index.meta.get(&*index.env.read_txn()?, ID)?.map(<[u8]>::to_vec);
    let data_id = data.meta.get(&*data.env.read_txn()?, ID)?.map(<[u8]>::to_vec);
    if index_id.is_some() && index_id == data_id {
        return Ok(true);
    }
    let data_is_new = !had_data || data_id.is_none();
    if !data_is_new {
        return Ok(false);
    }
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let fresh = (now.as_nanos() as u64) ^ u64::from(std::process::id()) << 40;
    let id = index_id.unwrap_or_else(|| fresh.to_be_bytes().to_vec());
    for (env, meta) in [(&index.env, index.meta), (&data.env, data.meta)] {
        let mut txn = env.write_txn()?;
        meta.put(&mut txn, ID, &id)?;
        txn.commit()?;
    }
    Ok(true)
}

/// What LMDB's answer means when a file is opened.
fn explained(error: &heed::Error) -> String {
    match error {
        heed::Error::Mdb(heed::MdbError::VersionMismatch | heed::MdbError::Invalid) => {
            format!("a file is not LMDB's, or of another version of it ({error})")
        }
        heed::Error::Io(error) if error.kind() == io::ErrorKind::OutOfMemory => {
            format!("there are not so many addresses as storage-mapsize asks for ({error})")
        }
        _ => error.to_string(),
    }
}
