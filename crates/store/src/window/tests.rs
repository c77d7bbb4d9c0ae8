//! Windows give the file's bytes, within their budget, and never what was not written yet.

use super::*;
use crate::vfs::faulty::Faulty;
use crate::vfs::{Open, Vfs};

const FILE: u64 = 1 << 20;

fn byte(at: u64) -> u8 {
    (at % 251) as u8
}

fn file() -> Arc<dyn File> {
    let vfs = Faulty::new(1);
    let file = vfs.open(std::path::Path::new("/f"), Open::Create).unwrap();
    let bytes: Vec<u8> = (0..FILE).map(byte).collect();
    vfs::write_all_at(&*file, &[&bytes], 0).unwrap();
    file
}

/// Reads as the store does; whether the device was asked.
fn read(windows: &mut Windows, file: &Arc<dyn File>, span: Span) -> bool {
    let (bytes, asked) = match windows.get(span) {
        Some(bytes) => (bytes, false),
        None => {
            let plan = windows.plan(span);
            (windows.load(&**file, span, plan).unwrap(), true)
        }
    };
    let expected = (span.off..span.off + span.len as u64).map(byte);
    assert!(bytes.iter().copied().eq(expected), "wrong bytes at {}", span.off);
    asked
}

fn span(off: u64, len: usize) -> Span {
    Span { file: 1, off, len, end: FILE }
}

#[test]
fn neighbours_are_read_together() {
    let (mut windows, file) = (Windows::new(8 << 20), file());
    let asked = (0..1000).filter(|i| read(&mut windows, &file, span(64 + i * 1000, 1000))).count();
    assert!(asked <= 6, "{asked} reads of the device for 1,000 neighbours");
}

#[test]
fn lone_messages_cost_small_reads() {
    let (mut windows, file) = (Windows::new(8 << 20), file());
    for i in [7, 3, 9, 1] {
        assert!(read(&mut windows, &file, span(i * 100_000, 50)));
    }
    assert!(windows.bytes() <= 4 * SMALL + 4 * BLOCK);
}

#[test]
fn many_readers_share_the_budget_without_pushing_each_other_out() {
    let (mut windows, file) = (Windows::new(1 << 20), file());
    let mut asked = 0;
    for round in 0..60 {
        for reader in 0..32u64 {
            let span = Span { file: reader, off: round * 1000, len: 1000, end: FILE };
            asked += usize::from(read(&mut windows, &file, span));
            assert!(windows.bytes() <= 1 << 20);
        }
    }
    assert!(asked < 32 * 12, "{asked} reads of the device for 1,920 messages");
}

#[test]
fn bytes_that_may_not_be_written_yet_are_not_kept() {
    let (mut windows, file) = (Windows::new(8 << 20), file());
    let early = Span { file: 1, off: 0, len: 100, end: 5000 };
    assert!(read(&mut windows, &file, early));
    assert!(windows.get(Span { len: 4900, ..early }).is_some());
    assert!(windows.get(Span { off: 4990, len: 20, ..early }).is_none());
}

#[test]
fn end_of_the_file_is_an_error_only_when_bytes_are_missing() {
    let (mut windows, file) = (Windows::new(8 << 20), file());
    assert!(read(&mut windows, &file, span(FILE - 10, 10)));
    let beyond = Span { file: 1, off: FILE - 10, len: 20, end: FILE + 10 };
    let plan = windows.plan(beyond);
    let error = windows.load(&*file, beyond, plan).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn what_follows_is_read_in_advance() {
    let (mut windows, file) = (Windows::new(8 << 20), file());
    let mut asked = 0;
    let mut jobs = 0;
    for i in 0..1000 {
        let span = span(64 + i * 1000, 1000);
        if windows.get(span).is_some() {
            continue;
        }
        if windows.fetched(span).is_none() {
            read(&mut windows, &file, span);
            asked += 1;
        }
        if let Some(job) = windows.fetch_next(file.clone(), span) {
            job.run();
            jobs += 1;
        }
        assert!(!read(&mut windows, &file, span));
    }
    assert!(jobs >= 1 && asked <= 4, "{asked} reads waited for, {jobs} in advance");
}

#[test]
fn read_in_advance_that_has_not_begun_is_withdrawn() {
    let (mut windows, file) = (Windows::new(8 << 20), file());
    for off in [0, 16_000, 80_000] {
        read(&mut windows, &file, span(off, 1000));
    }
    let job = windows.fetch_next(file.clone(), span(80_000, 1000)).unwrap();
    let behind = span(500_000, 1000);
    assert!(windows.fetched(behind).is_none());
    job.run();
    assert!(windows.fetched(behind).is_none(), "nobody collects it any more");
    read(&mut windows, &file, behind);
}
