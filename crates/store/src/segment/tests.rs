//! Index blocks: what is written is read, and damage is noticed.

use proptest::prelude::*;

use super::*;

fn entries(count: u32) -> Vec<IndexEntry> {
    (0..count).map(|i| IndexEntry { rel: i, off: i * 100, len: i + 16, body: i }).collect()
}

#[test]
fn block_has_the_documented_bytes() {
    let mut out = Vec::new();
    encode_block(7, 2, &[IndexEntry { rel: 1, off: 2, len: 3, body: 4 }], &mut out);
    assert_eq!(out.len(), BLOCK);
    assert_eq!(&out[4..16], [2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&out[16..32], [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    assert!(check_block(&out, 7, 2));
    assert!(!check_block(&out, 8, 2), "another file's block");
    assert!(!check_block(&out, 7, 3), "another block");
}

#[test]
fn full_block_holds_255_entries() {
    let entries = entries(PER_BLOCK);
    let mut out = Vec::new();
    encode_block(7, 0, &entries, &mut out);
    assert_eq!(out.len(), BLOCK);
    for (i, expected) in entries.iter().enumerate() {
        let (number, position) = locate(i as u32);
        assert_eq!(number, 0);
        assert_eq!(entry(&out, position), Some(*expected));
    }
    assert_eq!(locate(PER_BLOCK), (1, 0));
    assert_eq!(index_bytes(PER_BLOCK + 1), 2 * BLOCK as u64);
}

proptest! {
    #[test]
    fn flipped_bit_is_noticed(bit in 0usize..8 * BLOCK) {
        let mut out = Vec::new();
        encode_block(7, 0, &entries(200), &mut out);
        out[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!check_block(&out, 7, 0));
    }

    #[test]
    fn any_bytes_are_refused_or_read_within_bounds(bytes: Vec<u8>, position in 0usize..400) {
        check_block(&bytes, 1, 1);
        entry(&bytes, position);
    }
}
