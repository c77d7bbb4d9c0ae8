//! The faulty file system keeps what was synced, and only plays with the rest.

use super::*;

fn write(file: &dyn File, bytes: &[u8], at: u64) {
    assert_eq!(file.write_at(&[IoSlice::new(bytes)], at).unwrap(), bytes.len());
}

fn path() -> PathBuf {
    PathBuf::from("/d/f")
}

#[test]
fn synced_pages_survive_and_unsynced_ones_sometimes() {
    let mut kept = 0;
    for seed in 0..40 {
        let vfs = Faulty::new(seed);
        let file = vfs.open(&path(), Open::Create).unwrap();
        write(&*file, &[1; 4096], 0);
        file.sync().unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        write(&*file, &[2; 8192], 0);
        vfs.crash();
        assert!(file.size().is_err(), "handles die with the machine");
        let file = vfs.open(&path(), Open::Read).unwrap();
        let mut page = [0; 4096];
        file.read_at(&mut page, 0).unwrap();
        let new = page.iter().filter(|&&b| b == 2).count();
        assert!(page.iter().all(|&b| b == 1 || b == 2));
        assert!(page[..new].iter().all(|&b| b == 2), "a torn page is new before it is old");
        assert_eq!(new % 512, 0);
        kept += usize::from(new == 4096);
    }
    assert!((5..35).contains(&kept), "{kept} of 40 unsynced pages were kept");
}

#[test]
fn names_survive_only_when_their_folder_was_synced() {
    let mut kept = 0;
    for seed in 0..40 {
        let vfs = Faulty::new(seed);
        vfs.open(&path(), Open::Create).unwrap().sync().unwrap();
        vfs.crash();
        kept += usize::from(vfs.open(&path(), Open::Read).is_ok());
    }
    assert!((5..35).contains(&kept));
}

#[test]
fn failed_sync_loses_what_it_should_have_kept() {
    let vfs = Faulty::new(1);
    let file = vfs.open(&path(), Open::Create).unwrap();
    vfs.sync_dir(Path::new("/d")).unwrap();
    write(&*file, &[1; 4096], 0);
    vfs.inject(vfs.operations(), Fault::Io);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    vfs.crash();
    let file = vfs.open(&path(), Open::Read).unwrap();
    let mut byte = [9];
    file.read_at(&mut byte, 0).unwrap();
    assert_eq!(byte, [0]);
}

#[test]
fn full_disk_refuses_new_pages_only() {
    let vfs = Faulty::new(1);
    vfs.set_total(8192);
    let file = vfs.open(&path(), Open::Create).unwrap();
    file.allocate(8192).unwrap();
    write(&*file, &[1; 8192], 0);
    let error = file.write_at(&[IoSlice::new(&[1])], 8192).unwrap_err();
    assert!(crate::vfs::is_full(&error));
    assert_eq!(vfs.space(Path::new("/d")).unwrap().available, 0);
}

#[test]
fn lock_is_held_until_its_guard_is_dropped_or_the_machine_stops() {
    let vfs = Faulty::new(1);
    let held = vfs.lock(&path()).unwrap();
    assert!(matches!(held, Lock::Held(_)));
    assert!(matches!(vfs.lock(&path()).unwrap(), Lock::Busy(_)));
    vfs.crash();
    let second = vfs.lock(&path()).unwrap();
    assert!(matches!(second, Lock::Held(_)));
    drop(held);
    assert!(matches!(vfs.lock(&path()).unwrap(), Lock::Busy(_)), "an old guard frees nothing");
}
