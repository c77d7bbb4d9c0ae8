//! Frames and records: what is written is read, and nothing else is.

use proptest::prelude::*;

use super::*;

fn entry(file: u64, targets: &[(LaneId, u64)], payload: &[u8]) -> Vec<u8> {
    let len = RECORD_HEADER + targets.len() * TARGET + payload.len();
    let mut out = vec![0xee; len];
    let (targets_len, body) = (targets.len() as u16, payload.len() as u32);
    let header = RecordHeader { len: len as u32, kind: Kind::Entry, targets: targets_len, body };
    put_header(&mut out, &header);
    for (i, &(lane, seq)) in targets.iter().enumerate() {
        put_target(&mut out, i, lane, seq);
    }
    out[len - payload.len()..].copy_from_slice(payload);
    seal(&mut out, signature(file));
    out
}

#[test]
fn frame_header_has_the_documented_bytes() {
    let header = FrameHeader { file: 3, seq: 0x11, synced: 0x10, records: 2, bytes: 0x1234 };
    let bytes = header.encode();
    assert_eq!(&bytes[0..8], [0x46, 0x57, 0x56, 0x4c, 1, 0, 0, 0]);
    assert_eq!(&bytes[8..16], 3u64.to_le_bytes());
    assert_eq!(&bytes[16..24], 0x11u64.to_le_bytes());
    assert_eq!(&bytes[24..32], 0x10u64.to_le_bytes());
    assert_eq!(&bytes[32..40], [2, 0, 0, 0, 0x34, 0x12, 0, 0]);
    assert_eq!(FrameHeader::decode(&bytes, 3), Some(header));
}

#[test]
fn record_has_the_documented_bytes() {
    let bytes = entry(9, &[(LaneId(5), 6)], b"hi");
    assert_eq!(&bytes[4..16], [34, 0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 0]);
    assert_eq!(&bytes[16..32], [5u64.to_le_bytes(), 6u64.to_le_bytes()].concat());
    assert_eq!(&bytes[32..], b"hi");
    let record = Record::checked(&bytes, 9).unwrap();
    assert_eq!(record.payload(), b"hi");
    assert_eq!(record.targets().collect::<Vec<_>>(), [(LaneId(5), 6)]);
}

#[test]
fn stale_bytes_of_a_recycled_file_do_not_count() {
    let header = FrameHeader { file: 3, seq: 1, synced: 0, records: 1, bytes: 100 };
    assert_eq!(FrameHeader::decode(&header.encode(), 4), None);
    assert!(Record::checked(&entry(3, &[(LaneId(1), 1)], b"x"), 4).is_none());
}

proptest! {
    #[test]
    fn entries_round_trip(
        file: u64,
        targets in prop::collection::vec((any::<u64>(), any::<u64>()), 0..20),
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let targets: Vec<_> = targets.into_iter().map(|(l, s)| (LaneId(l), s)).collect();
        let bytes = entry(file, &targets, &payload);
        let record = Record::checked(&bytes, file).unwrap();
        prop_assert_eq!(record.targets().collect::<Vec<_>>(), targets);
        prop_assert_eq!(record.payload(), payload);
    }

    #[test]
    fn moved_record_counts_in_its_new_file_only(from: u64, to: u64, payload: Vec<u8>) {
        prop_assume!(signature(from) != signature(to));
        let mut bytes = entry(from, &[(LaneId(1), 2)], &payload);
        resign(&mut bytes, from, to);
        prop_assert!(Record::checked(&bytes, to).is_some());
        prop_assert!(Record::checked(&bytes, from).is_none());
    }

    #[test]
    fn damage_survives_a_move(bit in 0usize..8 * 50, to: u64) {
        let mut bytes = entry(1, &[(LaneId(1), 2)], &[7; 18]);
        bytes[bit / 8] ^= 1 << (bit % 8);
        resign(&mut bytes, 1, to);
        prop_assert!(Record::checked(&bytes, to).is_none());
    }

    #[test]
    fn any_bytes_are_refused_or_read_within_bounds(bytes: Vec<u8>, file in 0u64..4) {
        FrameHeader::decode(&bytes, file);
        if let Some(record) = Record::parse(&bytes) {
            record.targets().for_each(drop);
            record.ack_ranges().for_each(drop);
            record.number();
            prop_assert!(record.payload().len() <= bytes.len());
        }
    }

    #[test]
    fn flipped_bit_of_a_frame_header_is_noticed(bit in 0usize..8 * FRAME_HEADER) {
        let header = FrameHeader { file: 3, seq: 9, synced: 8, records: 1, bytes: 100 };
        let mut bytes = header.encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(FrameHeader::decode(&bytes, 3), None);
    }
}
