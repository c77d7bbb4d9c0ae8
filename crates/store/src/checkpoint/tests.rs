//! Checkpoints: what is written is read, and damage is named by its place.

use proptest::prelude::*;

use super::*;
use crate::lane::Run;

fn example(lanes: u64, topology: &[Vec<u8>]) -> (Vec<u8>, Checkpoint) {
    let meta = Meta {
        clean: true,
        replay_file: 3,
        replay_frame: 40,
        frame: 44,
        next_file: 9,
        generation: 12,
        reserved: 65_548,
    };
    let mut writer = Writer::new(&meta);
    let mut expected = Checkpoint { meta, topology: topology.to_vec(), ..Default::default() };
    for id in [1, 2] {
        let row = FileRow { id, used: id * 1000, live_bytes: id * 10, entries: 77 };
        writer.file(&row);
        expected.files.push(row);
    }
    for i in 0..lanes {
        let live = LiveSet::from_sorted(0..(i as u32 % 200 + 1));
        let run = Run {
            first: i,
            last: i + 300,
            file: 0,
            index_at: i as u32,
            count: 301,
            live_count: live.count(),
            live_body: i * 7,
            live: live.clone(),
            hints: [0; 2],
        };
        writer.lane(LaneId(i), i + 301, i, 1);
        writer.run(2, &run);
        let (file, first, last) = (2, i, i + 300);
        let row =
            RunRow { file, first, last, index_at: i as u32, count: 301, live_body: i * 7, live };
        let (id, next_seq, mark) = (LaneId(i), i + 301, i);
        expected.lanes.push(LaneRow { id, next_seq, mark, runs: vec![row] });
    }
    topology.iter().for_each(|record| writer.topology(record));
    (writer.finish(), expected)
}

#[test]
fn round_trips_over_many_sections() {
    let topology: Vec<Vec<u8>> = (0..3000usize).map(|i| vec![i as u8; i % 40]).collect();
    let (bytes, expected) = example(2000, &topology);
    assert_eq!(decode(&bytes).unwrap(), expected);
    assert_eq!(format_of(&bytes), Some(FORMAT));
}

#[test]
fn header_has_the_documented_bytes() {
    let (bytes, _) = example(0, &[]);
    assert_eq!(&bytes[0..6], b"LVCP\x01\x00");
    assert_eq!(u64_at(&bytes, 16), Some(bytes.len() as u64));
    // The first section: kind 1, 56 bytes, number 0, then the first number: clean.
    assert_eq!(u32_at(&bytes, 36), Some(1));
    assert_eq!(u32_at(&bytes, 40), Some(56));
    assert_eq!(u64_at(&bytes, 48), Some(1));
}

#[test]
fn damage_is_reported_near_its_place() {
    let topology: Vec<Vec<u8>> = (0..3000usize).map(|i| vec![i as u8; 30]).collect();
    let (bytes, _) = example(1000, &topology);
    for offset in (0..bytes.len()).step_by(997) {
        let mut damaged = bytes.clone();
        damaged[offset] ^= 1;
        let found = decode(&damaged).unwrap_err().offset as usize;
        assert!(found <= offset && offset - found < 2 * SECTION, "{offset} gave {found}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes: Vec<u8>) {
        prop_assert!(decode(&bytes).is_err());
    }

    /// A section with a good checksum and any contents must not be trusted either.
    #[test]
    fn any_section_is_read_within_bounds(kind in 0u32..7, body: Vec<u8>) {
        read_section(kind, &body, &mut Checkpoint::default());
    }

    #[test]
    fn cut_file_is_refused(cut in 0usize..500) {
        let (bytes, _) = example(5, &[vec![1; 100]]);
        let cut = cut.min(bytes.len() - 1);
        prop_assert!(decode(&bytes[..cut]).is_err());
    }
}
