//! A fuzzer that runs on stable Rust: valid input of every sort, broken a little at a time, goes
//! through every decoder. What still decodes joins the corpus, so that damage adds up.
//!
//! `LEVERET_FUZZ_ITERATIONS` sets how long it runs, `LEVERET_FUZZ_SEED` repeats a run that failed.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use amqp::content::{ContentHeader, Properties, PropertiesBuf};
use amqp::frame;
use amqp::method::Method;
use amqp::value::{RawTable, Table};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::generate;

const ITERATIONS: u64 = 200_000;
const SEED: u64 = 0x1E7E_2E70;
/// Inputs of each sort that the strategies make at first.
const FRESH: usize = 200;
const CORPUS_MAX: usize = 4 * FRESH * 2;
const INPUT_BYTES_MAX: usize = 2048;

#[test]
fn fuzz_decoders() {
    let number = |name: &str, default: u64| {
        env::var(name).map_or(default, |text| text.parse().expect("a number in the environment"))
    };
    let iterations = number("LEVERET_FUZZ_ITERATIONS", ITERATIONS);
    let seed = number("LEVERET_FUZZ_SEED", SEED);
    let mut random = Random(seed);
    let mut corpus = fresh_corpus(seed);
    let mut survivors = 0;
    for iteration in 0..iterations {
        let input = mutate(&corpus, &mut random);
        let Ok(decoded) = catch_unwind(AssertUnwindSafe(|| check_all(&input))) else {
            panic!("LEVERET_FUZZ_SEED={seed} iteration {iteration} input {input:?}");
        };
        if decoded {
            survivors += 1;
            if corpus.len() < CORPUS_MAX {
                corpus.push(input);
            } else {
                let victim = random.below(corpus.len());
                corpus[victim] = input;
            }
        }
    }
    assert!(
        iterations < 1000 || survivors > iterations / 20,
        "{survivors} of {iterations} decoded"
    );
}

/// Runs every decoder over `bytes`, checks what they promise, and says whether one accepted.
pub(crate) fn check_all(bytes: &[u8]) -> bool {
    let method = check_method(bytes);
    let table = check_table(bytes);
    let header = check_header(bytes);
    let properties = check_properties(bytes);
    let stream = check_stream(bytes);
    method || table || header || properties || stream
}

fn check_method(bytes: &[u8]) -> bool {
    let Ok(method) = Method::decode(bytes) else { return false };
    let mut out = Vec::new();
    method.encode(&mut out);
    assert_eq!(Method::decode(&out), Ok(method));
    assert_eq!(Method::ids_of(bytes), Some(method.id()));
    true
}

fn check_table(bytes: &[u8]) -> bool {
    let table = Table::decode(bytes);
    assert_eq!(RawTable(bytes).check().err(), table.as_ref().err().copied());
    if let Some(key) = bytes.split_first().and_then(|(len, rest)| rest.get(..usize::from(*len)))
        && let Ok(key) = str::from_utf8(key)
        && let Ok(found) = RawTable(bytes).get(key)
        && let Ok(table) = &table
    {
        assert_eq!(format!("{found:?}"), format!("{:?}", table.get(key).cloned()));
    }
    let Ok(table) = table else { return false };
    assert!(table.len() * 2 <= bytes.len(), "more fields than bytes for them");
    let mut out = Vec::new();
    table.encode(&mut out);
    // Bytes, as NaN does not equal itself.
    let mut again = Vec::new();
    Table::decode(&out[4..]).expect("a written table is valid").encode(&mut again);
    assert_eq!(again, out);
    !bytes.is_empty()
}

fn check_header(bytes: &[u8]) -> bool {
    let Ok(header) = ContentHeader::decode(bytes) else { return false };
    let properties = header.properties;
    check_properties(properties.0);
    let mut out = Vec::new();
    frame::write_header(&mut out, 1, header.body_size, properties);
    let (frame, used) = frame::parse(&out, 0).expect("a written frame").expect("complete");
    assert_eq!(used, out.len());
    let again = ContentHeader::decode(frame.payload).expect("a written header is valid");
    assert_eq!((again.body_size, again.properties), (header.body_size, properties));
    properties.check().is_ok()
}

fn check_properties(bytes: &[u8]) -> bool {
    let properties = Properties(bytes);
    let owned = PropertiesBuf::from(properties);
    assert_eq!(properties.check().err(), owned.as_ref().err().copied());
    let scan = properties.scan().unwrap_or_default();
    assert_eq!(properties.headers(), scan.headers);
    assert_eq!(properties.cluster_id(), scan.cluster_id);
    let Ok(owned) = owned else { return false };
    let out = owned.encode();
    let again = PropertiesBuf::from(Properties(&out)).expect("written properties are valid");
    assert_eq!(again.encode(), out);
    true
}

/// Takes frames until one is incomplete or refused, and looks into each.
fn check_stream(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut accepted = false;
    for frame_max in [0, 64, 4096] {
        while let Ok(Some((frame, used))) = frame::parse(rest, frame_max) {
            assert_eq!(frame::needed(rest), Some(used));
            assert_eq!(used, frame.payload.len() + frame::FRAME_OVERHEAD_BYTES);
            accepted |= check_method(frame.payload) || check_header(frame.payload);
            rest = &rest[used..];
        }
    }
    accepted
}

/// Valid input of each sort, made by the strategies of the property tests.
fn fresh_corpus(seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let bytes: Vec<u8> = (0..4).flat_map(|_| random.next().to_be_bytes()).collect();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let table = generate::table().prop_map(|table| {
        let mut bytes = Vec::new();
        table.encode(&mut bytes);
        bytes.split_off(4)
    });
    let sorts = [
        generate::method_payload(generate::table()),
        generate::content_header(),
        generate::stream(),
        table.boxed(),
    ];
    let mut corpus = Vec::new();
    for sort in &sorts {
        for _ in 0..FRESH {
            corpus
                .push(sort.new_tree(&mut runner).expect("the strategies reject little").current());
        }
    }
    corpus
}

/// One to four changes of an input that is chosen at random.
fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        change(&mut bytes, corpus, random);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    const OCTETS: [u8; 12] = [0, 1, 2, 8, 0x7F, 0x80, 0xCE, 0xFF, b'F', b'A', b'S', b'V'];
    const LENGTHS: [u32; 8] = [0, 1, 4, 255, 256, 0x7FFF_FFFF, 0x8000_0000, u32::MAX];
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
    }
    let at = random.below(bytes.len());
    let to = (at + 1 + random.below(16)).min(bytes.len());
    match random.below(9) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = OCTETS[random.below(OCTETS.len())],
        2 => bytes[at] = random.next() as u8,
        3 => bytes[at] = bytes[at].wrapping_add(if random.below(2) == 0 { 1 } else { 255 }),
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(at..to)),
        6 => {
            let piece = bytes[at..to].to_vec();
            bytes.splice(at..at, piece);
        }
        7 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            bytes.splice(at..at, other[from..].iter().copied());
        }
        _ => {
            if let Some(length) = bytes[at..].first_chunk_mut() {
                *length = LENGTHS[random.below(LENGTHS.len())].to_be_bytes();
            }
        }
    }
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
