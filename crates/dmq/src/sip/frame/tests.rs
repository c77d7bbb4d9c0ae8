//! Streams are cut into the messages of which they were made, however they arrive.

use proptest::prelude::*;

use super::*;
use crate::sip::samples::{packet, packets};

const BYTES_MAX: usize = 64 * 1024;

/// All messages of a stream that arrives in such pieces, and how it ends.
fn cut(framer: &mut Framer, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), FrameError>) {
    let mut messages = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.take() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
    }
    (messages, Ok(()))
}

proptest! {
    #[test]
    fn any_pieces_of_a_stream_give_its_messages(
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4), 0..6),
        lf_alone in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let packets = packets();
        let mut stream = Vec::new();
        let mut sent = Vec::new();
        for (pick, keep_alives) in picks {
            stream.extend(b"\r\n".repeat(keep_alives));
            let (_, packet) = pick.get(&packets);
            let packet = match std::str::from_utf8(packet) {
                // The bodies have as many bytes without CR only when they have no line ends.
                Ok(text) if lf_alone && !text.ends_with('\n') => text.replace("\r\n", "\n").into(),
                _ => packet.clone(),
            };
            stream.extend_from_slice(&packet);
            sent.push(packet);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let mut start = 0;
        let pieces: Vec<&[u8]> = cuts
            .into_iter()
            .map(|end| &stream[std::mem::replace(&mut start, end)..end])
            .collect();
        prop_assert_eq!(cut(&mut Framer::new(BYTES_MAX), &pieces), (sent.clone(), Ok(())));
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(cut(&mut Framer::new(BYTES_MAX), &bytes), (sent, Ok(())));
    }

    #[test]
    fn no_bytes_break_it(pieces in prop::collection::vec(
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..50),
            "(A B SIP/2.0\r\n|l: [0-9]{0,3}\r\n|\r\n|\n|x){0,8}".prop_map(String::into_bytes),
        ],
        0..20,
    )) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let mut framer = Framer::new(300);
        let (messages, end) = cut(&mut framer, &pieces);
        prop_assert!(messages.iter().all(|message| message.len() <= 300));
        if let Err(error) = end {
            prop_assert_eq!(framer.take().err(), Some(error), "the same error comes again");
        }
    }
}

#[test]
fn a_stream_that_cannot_be_cut_is_an_error() {
    let error = |stream: &str| cut(&mut Framer::new(200), &[stream.as_bytes()]).1;
    assert_eq!(error("A B SIP/2.0\r\nl: 3\r\n\r\nabc"), Ok(()));
    for without in
        ["X: y\r\n", "l: 3\r\nContent-Length: 3\r\n", "l: 3 3\r\n", "l: -1\r\n", "l:\r\n"]
    {
        assert_eq!(
            error(&format!("A\r\n{without}\r\n")),
            Err(FrameError::ContentLength),
            "{without}"
        );
    }
    let too_long = FrameError::TooLong { bytes: 201, bytes_max: 200 };
    assert_eq!(error("A\r\nl: 187\r\n\r\n"), Ok(()));
    assert_eq!(error("A\r\nl: 188\r\n\r\n"), Err(too_long));
    let most = format!("A\r\nl: {}\r\n\r\n", u32::MAX);
    assert!(matches!(error(&most), Err(FrameError::TooLong { .. })));
    assert_eq!(error(&"x".repeat(HEAD_BYTES_MAX - 1)), Ok(()));
    assert_eq!(error(&"x".repeat(HEAD_BYTES_MAX)), Err(FrameError::HeadTooLong));
    assert_eq!(error(&"x\r\n".repeat(HEAD_BYTES_MAX)), Err(FrameError::HeadTooLong));
}

#[test]
fn what_was_taken_is_not_kept() {
    let packet = packet("02.01.raw");
    let mut framer = Framer::new(BYTES_MAX);
    for _ in 0..1000 {
        framer.push(&packet[..9]);
        assert_eq!(framer.take(), Ok(None));
        assert!(framer.has_begun());
        framer.push(&packet[9..]);
        framer.push(b"\r\n\r\n");
        assert_eq!(framer.take(), Ok(Some(packet.as_slice())));
        assert_eq!(framer.take(), Ok(None));
        assert!(!framer.has_begun());
        assert!(framer.buffer.capacity() < 4 * packet.len());
    }
}
