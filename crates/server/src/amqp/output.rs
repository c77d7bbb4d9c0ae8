//! What a connection still has to write: frames in order, small ones inline, large bodies shared.
//!
//! An idle connection holds no buffer: it takes one from the shard's pool when it has something to
//! say and gives it back when all is written.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use store::Slice;
use tokio::io::AsyncWrite;

/// Output beyond which a consumer takes no more and the peer's requests are not read: 1 MiB.
pub(crate) const HIGH_WATER_BYTES: usize = 1 << 20;
/// Bodies from this size on are shared with the store instead of copied: 16 KiB.
pub(crate) const SHARE_BYTES: usize = 16 << 10;
/// A piece that has grown to this is full; the next frames go into another, so that a large output is
/// never moved to a larger buffer: 96 KiB.
const PIECE_BYTES: usize = 96 << 10;
/// Buffers above this size are freed rather than pooled: 256 KiB.
const POOLED_BYTES_MAX: usize = 256 << 10;
/// How many idle buffers a shard keeps: at most 4 MiB.
const POOLED_MAX: usize = 16;
/// At most this many pieces go into one `writev`.
const PIECES_A_WRITE: usize = 64;

/// Idle output buffers of a shard.
#[derive(Default)]
pub(crate) struct Pool(Vec<Vec<u8>>);

impl Pool {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(4096))
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= POOLED_BYTES_MAX && self.0.len() < POOLED_MAX {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

enum Piece {
    Own(Vec<u8>),
    Shared(Slice),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Own(bytes) => bytes,
            Piece::Shared(slice) => slice,
        }
    }
}

/// The bytes that wait for one socket.
#[derive(Default)]
pub(crate) struct Output {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are written already.
    sent: usize,
    /// Bytes of all pieces but the last.
    sealed: usize,
}

impl Output {
    /// Bytes that are not written yet.
    pub(crate) fn len(&self) -> usize {
        self.sealed + self.pieces.back().map_or(0, |piece| piece.bytes().len()) - self.sent
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Where the next frame is appended.
    pub(crate) fn tail(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        let has_room =
            matches!(self.pieces.back(), Some(Piece::Own(bytes)) if bytes.len() < PIECE_BYTES);
        if !has_room {
            self.seal();
            self.pieces.push_back(Piece::Own(pool.take()));
        }
        match self.pieces.back_mut() {
            Some(Piece::Own(bytes)) => bytes,
            _ => unreachable!("the last piece was just made an own one"),
        }
    }

    /// Appends bytes that somebody else keeps.
    pub(crate) fn share(&mut self, slice: Slice) {
        self.seal();
        self.pieces.push_back(Piece::Shared(slice));
    }

    fn seal(&mut self) {
        self.sealed += self.pieces.back().map_or(0, |piece| piece.bytes().len());
    }

    /// Writes what the socket takes. Ready when nothing is left.
    pub(crate) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        pool: &mut Pool,
        socket: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        self.advance(0, pool); // an empty piece must not look like a closed socket
        while !self.pieces.is_empty() {
            let n = match self.poll_write_once(socket, cx) {
                Poll::Ready(result) => result?,
                Poll::Pending if written > 0 => {
                    return Poll::Ready(Ok(written));
                }
                Poll::Pending => return Poll::Pending,
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            written += n;
            self.advance(n, pool);
        }
        if written > 0 {
            ready!(Pin::new(socket).poll_flush(cx))?;
        }
        Poll::Ready(Ok(written))
    }

    fn poll_write_once<W: AsyncWrite + Unpin>(
        &self,
        socket: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let first = &self.pieces[0].bytes()[self.sent..];
        if self.pieces.len() == 1 {
            return Pin::new(socket).poll_write(cx, first);
        }
        let mut slices = [IoSlice::new(&[]); PIECES_A_WRITE];
        slices[0] = IoSlice::new(first);
        let count = self.pieces.len().min(PIECES_A_WRITE);
        for (slice, piece) in slices[1..count].iter_mut().zip(self.pieces.iter().skip(1)) {
            *slice = IoSlice::new(piece.bytes());
        }
        Pin::new(socket).poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, n: usize, pool: &mut Pool) {
        self.sent += n;
        while let Some(first) = self.pieces.front() {
            let len = first.bytes().len();
            if self.sent < len {
                return;
            }
            self.sent -= len;
            if let Some(Piece::Own(buffer)) = self.pieces.pop_front() {
                pool.give(buffer);
            }
            if !self.pieces.is_empty() {
                self.sealed -= len;
            }
        }
    }

    /// Forgets everything, for a connection that is gone.
    pub(crate) fn clear(&mut self) {
        *self = Output::default();
    }
}
