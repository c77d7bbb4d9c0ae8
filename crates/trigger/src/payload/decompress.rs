//! Bodies that are compressed, within limits: a few bytes can become gigabytes.

#[cfg(test)]
mod tests;

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::payload::RenderError;
use crate::reason::Reason;

/// How many times its size a body may become. Text becomes ten or twenty times smaller.
const RATIO_MAX: u64 = 1000;

/// What a short body may become whatever its size.
const BYTES_MIN: u64 = 64 * 1024;

/// A frame of zstd may ask for this much memory, 8 MiB, as RFC 8878 recommends to allow.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// What a body may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// In bytes; never more than 1000 times its size, beyond 64 KiB.
    pub(super) bytes_max: u64,
}

impl Limit {
    /// The body without its encoding; `None` when it is in none of ours, which are `gzip`,
    /// `deflate` (with zlib's header, or without as some send it) and `zstd`.
    ///
    /// # Errors
    /// [`Reason::BadEncoding`]: broken, cut off or too large.
    pub(super) fn decompress(
        self,
        encoding: Option<&[u8]>,
        body: &Bytes,
    ) -> Result<Option<Bytes>, RenderError> {
        let encoding = encoding.unwrap_or_default().trim_ascii();
        let is = |name: &[u8]| encoding.eq_ignore_ascii_case(name);
        let input: &[u8] = body;
        let plain = if is(b"gzip") || is(b"x-gzip") {
            self.read(MultiGzDecoder::new(input), input.len())
        } else if is(b"deflate") && has_zlib_header(input) {
            self.read(ZlibDecoder::new(input), input.len())
        } else if is(b"deflate") {
            self.read(DeflateDecoder::new(input), input.len())
        } else if is(b"zstd") {
            zstd(input).and_then(|decoder| self.read(decoder, input.len()))
        } else {
            return Ok(None);
        };
        let name = String::from_utf8_lossy(encoding).into_owned();
        plain.map(Some).map_err(|error| RenderError {
            reason: Reason::BadEncoding,
            text: format!("the body cannot be decompressed as {name}: {error}"),
        })
    }

    fn read(self, decoder: impl Read, bytes: usize) -> io::Result<Bytes> {
        let by_ratio = (bytes as u64).saturating_mul(RATIO_MAX).max(BYTES_MIN);
        let max = self.bytes_max.min(by_ratio);
        let mut plain = Vec::new();
        decoder.take(max.saturating_add(1)).read_to_end(&mut plain)?;
        if plain.len() as u64 > max {
            return Err(io::Error::other(format!("it becomes larger than {max} bytes")));
        }
        Ok(plain.into())
    }
}

fn zstd(input: &[u8]) -> io::Result<zstd::Decoder<'static, &[u8]>> {
    let mut decoder = zstd::Decoder::with_buffer(input)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// RFC 1950, section 2.2: method 8, and both octets together are a multiple of 31.
fn has_zlib_header(input: &[u8]) -> bool {
    let Some([method, flags]) = input.first_chunk() else { return false };
    method & 0x0F == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
}
