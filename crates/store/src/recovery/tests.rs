//! The end of a log is told from damage.

use std::io::IoSlice;

use super::*;
use crate::record::{Kind, RECORD_HEADER, RecordHeader, put_header, seal, signature};
use crate::vfs::faulty::Faulty;
use crate::vfs::{Open, Vfs};

/// A frame with one topology record.
fn frame(file: u64, seq: u64, synced: u64, text: &[u8]) -> Vec<u8> {
    let len = RECORD_HEADER + text.len();
    let mut bytes = vec![0; FRAME_HEADER + padded(len)];
    let record = &mut bytes[FRAME_HEADER..FRAME_HEADER + len];
    let header = RecordHeader { len: len as u32, kind: Kind::Topology, targets: 0, body: 0 };
    put_header(record, &header);
    record[RECORD_HEADER..].copy_from_slice(text);
    seal(record, signature(file));
    let header = FrameHeader { file, seq, synced, records: 1, bytes: bytes.len() as u32 };
    bytes[..FRAME_HEADER].copy_from_slice(&header.encode());
    bytes.resize(blocks(bytes.len()), 0);
    bytes
}

struct Log {
    vfs: Faulty,
    files: Vec<LogFile>,
}

/// Files of frames: (file, [(seq, synced)]).
fn log(files: &[(u64, &[(u64, u64)])]) -> Log {
    let vfs = Faulty::new(1);
    let files = files
        .iter()
        .map(|(id, frames)| {
            let path = PathBuf::from(format!("/wal/{id}.wal"));
            let file = vfs.open(&path, Open::Create).unwrap();
            file.allocate(64 << 10).unwrap();
            for (i, (seq, synced)) in frames.iter().enumerate() {
                let bytes = frame(*id, *seq, *synced, format!("frame {seq}").as_bytes());
                file.write_at(&[IoSlice::new(&bytes)], i as u64 * 4096).unwrap();
            }
            LogFile { id: *id, path, file, len: 64 << 10 }
        })
        .collect();
    Log { vfs, files }
}

impl Log {
    /// The texts replayed from frame 1, or the file and offset that are damaged.
    fn replay(&self, synced: u64) -> Result<Vec<String>, (String, u64)> {
        let mut texts = Vec::new();
        let result = replay(&self.files, Path::new("/wal"), 1, synced, |_, record, _| {
            texts.push(String::from_utf8_lossy(record.payload()).into_owned());
            Ok(())
        });
        match result {
            Ok(replayed) => {
                assert_eq!(replayed.last, texts.len() as u64);
                Ok(texts)
            }
            Err(OpenError::Corrupt { file, offset, .. }) => {
                Err((file.display().to_string(), offset))
            }
            Err(e) => panic!("{e}"),
        }
    }

    /// What a refused start says.
    fn replay_error(&self) -> String {
        let result = replay(&self.files, Path::new("/wal"), 1, 0, |_, _, _| Ok(()));
        result.expect_err("the log is damaged").to_string()
    }

    fn flip(&self, file: u64, offset: u64) {
        self.vfs.flip(Path::new(&format!("/wal/{file}.wal")), offset, 0);
    }
}

fn texts(count: u64) -> Vec<String> {
    (1..=count).map(|i| format!("frame {i}")).collect()
}

#[test]
fn frames_of_all_files_are_replayed_in_order() {
    let log = log(&[(2, &[(1, 0), (2, 1)]), (5, &[(3, 2)]), (6, &[])]);
    assert_eq!(log.replay(0), Ok(texts(3)));
}

#[test]
fn damaged_last_frame_is_a_cut_write_unless_known_synced() {
    let log = log(&[(2, &[(1, 0), (2, 1), (3, 2)])]);
    log.flip(2, 8192 + 60);
    assert_eq!(log.replay(0), Ok(texts(2)));
    assert_eq!(log.replay(3), Err(("/wal/2.wal".into(), 8192 + 48)), "the checkpoint knows it");
}

#[test]
fn damaged_frame_that_a_later_one_calls_synced_is_corruption() {
    let log = log(&[(2, &[(1, 0), (2, 1), (3, 2)])]);
    log.flip(2, 4096 + 60);
    assert_eq!(log.replay(0), Err(("/wal/2.wal".into(), 4096 + 48)));
}

#[test]
fn damaged_frame_of_one_unsynced_batch_ends_the_log() {
    // Frames 2 to 4 are one batch: the crash lost the middle one.
    let log = log(&[(2, &[(1, 0), (2, 1), (3, 1), (4, 1)])]);
    log.flip(2, 8192 + 20);
    assert_eq!(log.replay(0), Ok(texts(2)));
}

#[test]
fn rest_of_a_file_is_void_once_the_next_file_goes_on() {
    // A restart after frame 2 began a new file; the old frames 3 and 4 never counted.
    let log = log(&[(2, &[(1, 0), (2, 1), (3, 2), (4, 3)]), (7, &[(3, 2)])]);
    assert_eq!(log.replay(0), Ok(texts(3)));
}

#[test]
fn missing_file_and_damaged_first_frame_are_corruption() {
    let gap = log(&[(2, &[(1, 0)]), (7, &[(3, 2)])]);
    assert_eq!(gap.replay(0), Err(("/wal/2.wal".into(), 4096)));
    let first = log(&[(2, &[(1, 0)]), (7, &[(2, 1), (3, 2)])]);
    first.flip(7, 10);
    assert_eq!(first.replay(0), Err(("/wal/7.wal".into(), 0)));
    assert_eq!(log(&[]).replay(4), Err(("/wal".into(), 0)));
}

#[test]
fn idle_frame_makes_damage_of_the_last_record_known() {
    let log = log(&[(2, &[(1, 0), (2, 1), (3, 2)])]);
    log.flip(2, 8192 + 4);
    assert_eq!(log.replay(0), Ok(texts(2)), "frame 3 is the empty one");
    log.flip(2, 4096 + 4);
    assert_eq!(log.replay(0), Ok(texts(1)), "nothing vouches for frame 2 any more");
}

#[test]
fn damaged_first_frame_between_two_good_files_is_named() {
    // (what the files hold, what is flipped, what is named)
    type Files<'a> = &'a [(u64, &'a [(u64, u64)])];
    let rows: [(&str, Files<'_>, u64, (&str, u64)); 5] = [
        (
            "several frames follow in it",
            &[(2, &[(1, 0), (2, 1)]), (7, &[(3, 2), (4, 3)]), (9, &[(5, 4)])],
            7,
            ("/wal/7.wal", 0),
        ),
        (
            "its only frame",
            &[(2, &[(1, 0), (2, 1)]), (7, &[(3, 2)]), (9, &[(4, 3)])],
            7,
            ("/wal/7.wal", 0),
        ),
        (
            "an abandoned frame is in the one before",
            &[(2, &[(1, 0), (2, 1), (4, 1)]), (7, &[(3, 2), (4, 3)]), (9, &[(5, 4)])],
            7,
            ("/wal/7.wal", 0),
        ),
        (
            "an empty file lies between",
            &[(2, &[(1, 0), (2, 1)]), (6, &[]), (7, &[(3, 2)]), (8, &[]), (9, &[(4, 3)])],
            7,
            ("/wal/7.wal", 0),
        ),
        (
            "only an empty file lies between",
            &[(2, &[(1, 0)]), (7, &[]), (9, &[(2, 1), (3, 2)])],
            9,
            ("/wal/9.wal", 0),
        ),
    ];
    for (what, files, flipped, (named, at)) in rows {
        let log = log(files);
        log.flip(flipped, 10);
        assert_eq!(log.replay(0), Err((named.into(), at)), "{what}");
    }
    // A last frame that is damaged, and a later file that was begun and never written.
    let log = log(&[(2, &[(1, 0), (2, 1)]), (7, &[]), (9, &[(3, 2)])]);
    log.flip(2, 4096 + 10);
    assert_eq!(log.replay(0), Err(("/wal/2.wal".into(), 4096)));
}

#[test]
fn both_files_are_named_where_the_missing_frame_may_have_been_in_either() {
    let log = log(&[(2, &[(1, 0), (2, 1)]), (7, &[(2, 1)]), (9, &[(3, 2)])]);
    log.flip(2, 4096 + 10);
    log.flip(7, 10);
    let said = log.replay_error();
    assert!(said.contains("/wal/2.wal") && said.contains("/wal/7.wal at offset 0"), "{said}");
}
