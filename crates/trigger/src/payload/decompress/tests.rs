//! Compressed bodies, good and bad.

use super::*;
use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

const ENCODINGS: [&str; 4] = ["gzip", "deflate", "raw deflate", "zstd"];

const LIMIT: Limit = Limit { bytes_max: 10_000_000 };

fn packed(encoding: &str, plain: &[u8]) -> Bytes {
    let mut out = Vec::new();
    match encoding {
        "gzip" => GzEncoder::new(plain, Compression::best()).read_to_end(&mut out).unwrap(),
        "deflate" => ZlibEncoder::new(plain, Compression::best()).read_to_end(&mut out).unwrap(),
        "raw deflate" => {
            DeflateEncoder::new(plain, Compression::best()).read_to_end(&mut out).unwrap()
        }
        _ => return zstd::encode_all(plain, 19).unwrap().into(),
    };
    out.into()
}

fn decompress(limit: Limit, encoding: &str, body: &Bytes) -> Result<Option<Bytes>, RenderError> {
    let encoding = encoding.strip_prefix("raw ").unwrap_or(encoding);
    limit.decompress(Some(encoding.as_bytes()), body)
}

#[test]
fn what_was_compressed_comes_back() {
    for plain in [&b""[..], b"a", &b"abc".repeat(10_000)] {
        for encoding in ENCODINGS {
            let body = packed(encoding, plain);
            let found = decompress(LIMIT, encoding, &body).unwrap().unwrap();
            assert_eq!(found, plain, "{encoding}");
        }
    }
    let twice = [packed("gzip", b"a"), packed("gzip", b"b")].concat().into();
    assert_eq!(decompress(LIMIT, " X-GZIP", &twice).unwrap().unwrap(), "ab");
}

#[test]
fn other_encodings_are_left_alone() {
    let body = Bytes::from_static(b"abc");
    assert_eq!(LIMIT.decompress(None, &body), Ok(None));
    for encoding in ["", "utf-8", "br", "gzip, gzip", "identity"] {
        assert_eq!(decompress(LIMIT, encoding, &body), Ok(None));
    }
}

#[track_caller]
fn refused(limit: Limit, encoding: &str, body: &Bytes) -> String {
    let error = decompress(limit, encoding, body).unwrap_err();
    assert_eq!(error.reason, Reason::BadEncoding);
    error.text
}

#[test]
fn broken_and_cut_bodies_are_refused() {
    for encoding in ENCODINGS {
        let body = packed(encoding, &b"abcdefgh".repeat(100));
        refused(LIMIT, encoding, &body.slice(..body.len() - 1));
        refused(LIMIT, encoding, &Bytes::from_static(b"\xFFnothing"));
    }
    refused(LIMIT, "gzip", &[&packed("gzip", b"a")[..], b"rest"].concat().into());
}

#[test]
fn no_body_becomes_larger_than_its_limit() {
    for encoding in ENCODINGS {
        let body = packed(encoding, &[0; 1001]);
        assert!(decompress(Limit { bytes_max: 1001 }, encoding, &body).is_ok());
        let text = refused(Limit { bytes_max: 1000 }, encoding, &body);
        assert!(text.ends_with("it becomes larger than 1000 bytes"), "{text}");
    }
}

#[test]
fn no_body_becomes_more_than_a_thousand_times_larger() {
    let bomb = packed("zstd", &vec![0; 5_000_000]);
    let text = refused(Limit { bytes_max: u64::MAX }, "zstd", &bomb);
    assert!(
        text.ends_with(&format!("it becomes larger than {} bytes", bomb.len() * 1000)),
        "{text}"
    );
}

#[test]
fn no_frame_of_zstd_gets_the_memory_that_it_asks_for() {
    // Magic number, a descriptor without a size, and a window of 2^(10 + 31).
    refused(LIMIT, "zstd", &Bytes::from_static(&[0x28, 0xB5, 0x2F, 0xFD, 0, 31 << 3, 1, 0, 0]));
}

proptest! {
    #[test]
    fn random_bytes_are_refused_or_small(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let body = Bytes::from(body);
        for encoding in ENCODINGS {
            if let Ok(plain) = decompress(LIMIT, encoding, &body) {
                prop_assert!(plain.unwrap().len() <= 64 * 1024);
            }
        }
    }
}
