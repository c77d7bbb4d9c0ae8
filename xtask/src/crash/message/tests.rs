//! Bodies prove that they are whole.

use super::{BODY_MAX, HEAD, Key, Random, body, parse};

#[test]
fn a_body_says_whose_it_is() {
    for (seq, size) in [(0, HEAD), (1, HEAD + 1), (77, 5000), (u32::MAX, BODY_MAX)] {
        let key = Key { producer: 3, seq };
        let body = body(key, 2, size);
        assert_eq!(body.len(), size);
        assert_eq!(parse(&body), Ok((key, 2)));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    let whole = body(Key { producer: 1, seq: 9 }, 0, 200);
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(parse(&damaged).is_err(), "bit {bit}");
    }
    for len in 0..whole.len() {
        assert!(parse(&whole[..len]).is_err(), "cut to {len}");
    }
}

#[test]
fn sizes_reach_from_the_head_to_the_maximum() {
    let mut random = Random(1);
    let sizes: Vec<usize> = (0..10_000).map(|_| random.size()).collect();
    assert_eq!(sizes.iter().min(), Some(&HEAD));
    assert_eq!(sizes.iter().max(), Some(&BODY_MAX));
}
