//! Shared bytes stay what they were, whoever holds them.

use super::*;

#[test]
fn slices_outlive_the_chunk_and_are_not_written_again() {
    let mut chunk = Chunk::new(8192);
    chunk.space(4).copy_from_slice(b"abcd");
    chunk.advance(4);
    let slice = chunk.slice(0, 4);
    chunk.space(4).copy_from_slice(b"efgh");
    chunk.advance(4);
    assert_eq!(&chunk.slice(2, 4)[..], b"cdef");
    assert_eq!(&slice.slice(1..3)[..], b"bc");
    assert!(chunk.reuse().is_none(), "a slice is left");
    assert_eq!(&slice[..], b"abcd");
}

#[test]
fn memory_is_reused_when_nobody_looks() {
    let mut chunk = Chunk::new(4096);
    chunk.space(3).copy_from_slice(b"old");
    chunk.advance(3);
    drop(chunk.slice(0, 3));
    let mut chunk = chunk.reuse().unwrap();
    assert_eq!(chunk.len(), 0);
    chunk.space(3).copy_from_slice(b"new");
    chunk.advance(3);
    assert_eq!(&chunk.slice(0, 3)[..], b"new");
}

#[test]
fn chunks_start_on_a_block() {
    for capacity in [4096, 1 << 16, 1 << 20] {
        let mut chunk = Chunk::new(capacity);
        assert_eq!(chunk.space(1).as_ptr().addr() % 4096, 0);
        assert_eq!(chunk.capacity(), capacity);
    }
}

#[test]
fn hidden_header_is_shared_only_once_filled() {
    let mut chunk = Chunk::new(4096);
    chunk.hide(8);
    chunk.space(4).copy_from_slice(b"body");
    chunk.advance(4);
    assert_eq!(&chunk.slice(8, 4)[..], b"body");
    let hidden = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| chunk.slice(4, 8)));
    assert!(hidden.is_err());
    chunk.reveal(b"header!!");
    assert_eq!(&chunk.slice(0, 12)[..], b"header!!body");
}

#[test]
fn readers_on_other_threads_see_what_was_written() {
    let mut chunk = Chunk::new(1 << 16);
    let (send, receive) = std::sync::mpsc::channel::<Slice>();
    let reader = std::thread::spawn(move || {
        receive.iter().map(|s| s.iter().map(|&b| u64::from(b)).sum::<u64>()).sum::<u64>()
    });
    for i in 0..1000u32 {
        let start = chunk.len();
        chunk.space(64).fill((i % 251) as u8);
        chunk.advance(64);
        send.send(chunk.slice(start, 64)).unwrap();
    }
    drop(send);
    let expected: u64 = (0..1000u64).map(|i| i % 251 * 64).sum();
    assert_eq!(reader.join().unwrap(), expected);
}

#[test]
fn slice_of_a_vec_is_the_vec() {
    let slice = Slice::from(vec![1, 2, 3]);
    assert_eq!(&slice[..], [1, 2, 3]);
    assert!(Slice::from(Vec::new()).is_empty());
}
