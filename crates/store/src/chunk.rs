//! Buffers that one owner fills while others already read what is written: the group commit's
//! iovec, the tail cache and the bytes that are delivered are the same memory.
//!
//! The only unsafe code of the crate. Why it is sound:
//! 1. A `Buf` is allocated zeroed, so every byte is initialised from the start.
//! 2. Writing needs `&mut Chunk`, of which there is one per `Buf` (a `Chunk` is not `Clone`, and
//!    `Chunk::reuse` gives a second one only when `Arc::get_mut` proves that nobody else looks).
//! 3. A `Slice` covers bytes below `len` and outside the hidden header at the time it is made
//!    (`Chunk::slice` checks). From then on neither `Chunk::space` (bytes at or above `len`)
//!    nor `Chunk::reveal` (the hidden header, once) can touch those bytes, because `len` only
//!    grows and a hidden range is chosen at `len`. So a byte is never written while, or after, it
//!    can be seen by another reference.
//! 4. Sending a `Slice` to another thread (`Send`) synchronises through the channel used; bytes
//!    were written before the `Slice` was made.

use std::cell::UnsafeCell;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Chunks start on this boundary, so that they can be written past the page cache.
const ALIGN: usize = 4096;

/// Shared memory; see the module's argument.
struct Buf {
    bytes: Box<[UnsafeCell<u8>]>,
    /// Bytes left out at the start for alignment.
    skip: usize,
}

// SAFETY: references into the buffer are made only by `Chunk` and `Slice` under the rules above,
// which keep written and readable ranges apart.
unsafe impl Sync for Buf {}

impl Buf {
    fn new(bytes: Box<[u8]>) -> Buf {
        // SAFETY: `UnsafeCell<u8>` has the layout of `u8`, and the box is owned, so no other
        // reference to its bytes exists.
        let bytes = unsafe { Box::from_raw(Box::into_raw(bytes) as *mut [UnsafeCell<u8>]) };
        Buf { bytes, skip: 0 }
    }

    /// Zeroed bytes that start on an [`ALIGN`] boundary.
    fn aligned(capacity: usize) -> Buf {
        let mut buf = Buf::new(vec![0; capacity + ALIGN].into_boxed_slice());
        buf.skip = buf.bytes.as_ptr().addr().next_multiple_of(ALIGN) - buf.bytes.as_ptr().addr();
        buf
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.bytes.len() - self.skip);
        // SAFETY: within the allocation or one past its end, by the assertion.
        unsafe { UnsafeCell::raw_get(self.bytes.as_ptr()).add(self.skip + offset) }
    }
}

/// A buffer and the right to append to it.
pub(crate) struct Chunk {
    buf: Arc<Buf>,
    capacity: usize,
    len: usize,
    hidden: Range<usize>,
}

impl Chunk {
    /// An empty chunk of `capacity` bytes. Pages are touched only when written.
    pub(crate) fn new(capacity: usize) -> Chunk {
        Chunk { buf: Arc::new(Buf::aligned(capacity)), capacity, len: 0, hidden: 0..0 }
    }

    /// The same memory for new contents, when no slice of the old is left.
    pub(crate) fn reuse(mut self) -> Option<Chunk> {
        Arc::get_mut(&mut self.buf)?;
        Some(Chunk { len: 0, hidden: 0..0, ..self })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The next `n` bytes, to be filled; they hold old contents. Readable after [`advance`].
    ///
    /// [`advance`]: Chunk::advance
    pub(crate) fn space(&mut self, n: usize) -> &mut [u8] {
        assert!(n <= self.capacity - self.len, "record does not fit its chunk");
        // SAFETY: the range is inside the buffer (it has at least `capacity` bytes) and above `len`, where no slice reaches.
        unsafe { std::slice::from_raw_parts_mut(self.buf.at(self.len), n) }
    }

    /// Declares the next `n` bytes written.
    pub(crate) fn advance(&mut self, n: usize) {
        assert!(n <= self.capacity() - self.len, "record does not fit its chunk");
        self.len += n;
    }

    /// Leaves `n` bytes to be filled later by [`reveal`](Chunk::reveal).
    pub(crate) fn hide(&mut self, n: usize) {
        assert!(self.hidden.is_empty(), "one header is open at a time");
        let start = self.len;
        self.advance(n);
        self.hidden = start..self.len;
    }

    /// Fills the hidden bytes.
    pub(crate) fn reveal(&mut self, bytes: &[u8]) {
        assert_eq!(self.hidden.len(), bytes.len(), "header has its fixed size");
        // SAFETY: the range is inside the buffer, and no slice covers it while it is hidden.
        let header =
            unsafe { std::slice::from_raw_parts_mut(self.buf.at(self.hidden.start), bytes.len()) };
        header.copy_from_slice(bytes);
        self.hidden = 0..0;
    }

    /// Shares written bytes.
    pub(crate) fn slice(&self, start: usize, len: usize) -> Slice {
        let end = start.checked_add(len).expect("offsets are below 4 GiB");
        assert!(end <= self.len, "only written bytes are shared");
        let apart = end <= self.hidden.start || start >= self.hidden.end;
        assert!(apart, "an open header is not shared");
        Slice { buf: self.buf.clone(), start: start as u32, len: len as u32 }
    }

    /// Looks at written bytes.
    pub(crate) fn bytes(&self, start: usize, len: usize) -> &[u8] {
        assert!(start <= self.len && len <= self.len - start, "only written bytes are read");
        // SAFETY: in bounds; written only through `&mut self`, which this borrow excludes.
        unsafe { std::slice::from_raw_parts(self.buf.at(start), len) }
    }
}

/// Immutable shared bytes: a message as it was stored. Cloning is one reference count.
#[derive(Clone)]
pub struct Slice {
    buf: Arc<Buf>,
    start: u32,
    len: u32,
}

impl Slice {
    /// A part of this slice. Panics when the range is outside.
    pub fn slice(&self, range: Range<usize>) -> Slice {
        assert!(range.start <= range.end && range.end <= self.len as usize, "range is outside");
        Slice {
            buf: self.buf.clone(),
            start: self.start + range.start as u32,
            len: (range.end - range.start) as u32,
        }
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: rule 3 of the module: these bytes are written and never written again.
        unsafe { std::slice::from_raw_parts(self.buf.at(self.start as usize), self.len as usize) }
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Slice {
        let len = u32::try_from(bytes.len()).expect("messages are below 4 GiB");
        Slice { buf: Arc::new(Buf::new(bytes.into_boxed_slice())), start: 0, len }
    }
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slice({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests;
