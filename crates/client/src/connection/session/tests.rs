//! Frames from a server out of its mind, whole and in pieces.

use amqp::content::Properties;
use amqp::method::{BasicConsumeOk, ConfirmSelectOk, METHODS};
use proptest::prelude::*;

use super::*;

const BODY_BYTES_MAX: u64 = 1000;
const FRAME_MAX: u32 = 4096;

/// Channels 1 and 2 are open, 3 is being closed, and answers are outstanding.
fn session() -> Session {
    let mut session = Session::new(BodyLimits { max: BODY_BYTES_MAX, keep: BODY_BYTES_MAX / 2 });
    for number in 1..=3 {
        assert_eq!(session.add_channel(10), Some(number));
    }
    session.asked(3, true).unwrap();
    for _ in 0..3 {
        session.asked(1, false).unwrap();
    }
    session
}

fn method(class: u16, method: u16, channel: u16, arguments: &[u8]) -> Vec<u8> {
    let payload = [&class.to_be_bytes(), &method.to_be_bytes(), arguments].concat();
    frame(1, channel, &payload)
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = (payload.len() as u32).to_be_bytes();
    [&[kind, c1, c0, s3, s2, s1, s0], payload, &[0xCE]].concat()
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    // Short strings, tags and bits as arguments often have them.
    let arguments = prop_oneof![
        bytes(),
        Just([[0; 8].as_slice(), &[1]].concat()),
        Just(b"\x01c".to_vec()),
        Just(b"\x01c\x01".to_vec()),
        Just(b"\x01\x40\x03why\x00\x00\x00\x00".to_vec()),
    ];
    let message = (1..4_u16, bytes(), bytes(), prop::sample::select(vec![0, 8, 60, 500, 2000]));
    let message = message.prop_map(|(channel, key, body, kind)| {
        let mut out = Vec::new();
        let properties = Properties(&[0x10, 0, 2]);
        match kind {
            0 => super::frame::write_get_ok(&mut out, channel, 1, false, b"e", &key, 1),
            8 => out.extend(frame(8, channel, b"")),
            _ => super::frame::write_deliver(&mut out, channel, b"c", 7, true, b"e", &key),
        }
        let body = body.repeat(kind / 20);
        super::frame::write_content(&mut out, channel, properties, &body, 100);
        out
    });
    prop_oneof![
        6 => message,
        6 => (prop::sample::select(METHODS), 0..5_u16, arguments)
            .prop_map(|((class, id, _), channel, bytes)| method(class, id, channel, &bytes)),
        2 => (0..10_u8, 0..5_u16, bytes()).prop_map(|(kind, on, bytes)| frame(kind, on, &bytes)),
        1 => bytes(),
    ]
}

/// What came out: events, answers, what is sent back, and the end.
type Outcome = (Vec<Event>, String, Vec<u8>, Option<String>);

fn run<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut session = session();
    let (mut input, mut out) = (Vec::new(), Vec::new());
    let mut answers = String::new();
    let mut error = None;
    for read in reads {
        input.extend_from_slice(read);
        match session.take(&input, FRAME_MAX, &mut out) {
            Ok(used) => drop(input.drain(..used)),
            Err(e) => {
                error = Some(e.to_string());
                break;
            }
        }
        if let Some(answer) = session.answer() {
            answers.push_str(&format!("{answer:?}"));
        }
    }
    for channel in &session.channels {
        assert!(channel.answered <= channel.asked);
    }
    (session.events.into(), answers, out, error)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn garbage_means_the_same_whole_and_in_pieces(
        pieces in prop::collection::vec(piece(), 0..30),
        read_bytes in 1..200_usize,
    ) {
        let bytes = pieces.concat();
        let whole = run(std::iter::once(&*bytes));
        let cut = run(bytes.chunks(read_bytes));
        // An answer that stands in the read of an error was not looked at.
        prop_assert_eq!((&whole.0, &whole.2, &whole.3), (&cut.0, &cut.2, &cut.3));
        for event in &whole.0 {
            if let Event::Delivery(delivery) = event {
                prop_assert!(delivery.body.len() as u64 <= BODY_BYTES_MAX);
            }
        }
    }
}

#[test]
fn consumers_are_known_before_their_first_delivery() {
    let mut session = session();
    let mut bytes = Vec::new();
    let ok = Method::BasicConsumeOk(BasicConsumeOk { consumer_tag: "c" });
    super::frame::write_method(&mut bytes, 1, &ok);
    super::frame::write_deliver(&mut bytes, 1, b"c", 1, false, b"", b"");
    super::frame::write_content(&mut bytes, 1, Properties::EMPTY, b"", 0);
    let used = session.take(&bytes, FRAME_MAX, &mut Vec::new()).unwrap();
    assert_eq!(used, bytes.len());
    let Some(Event::Delivery(delivery)) = session.events.pop_front() else { panic!() };
    assert!(Arc::ptr_eq(&delivery.consumer, &session.channels[0].consumers[0]));
}

#[test]
fn numbers_of_messages_start_anew_with_confirms() {
    let mut session = session();
    session.open_channel(1).unwrap().published = 5;
    let mut bytes = Vec::new();
    let ok = Method::ConfirmSelectOk(ConfirmSelectOk {});
    super::frame::write_method(&mut bytes, 1, &ok);
    session.take(&bytes, FRAME_MAX, &mut Vec::new()).unwrap();
    assert_eq!(session.open_channel(1).unwrap().published, 0);
}

/// The memory for a body follows what arrives, and not what was announced.
#[test]
fn an_announced_body_takes_no_memory() {
    let mut session = Session::new(BodyLimits { max: u64::MAX, keep: u64::MAX });
    session.add_channel(1);
    let mut bytes = Vec::new();
    super::frame::write_deliver(&mut bytes, 1, b"c", 1, false, b"", b"");
    super::frame::write_header(&mut bytes, 1, u64::MAX, Properties::EMPTY);
    super::frame::write_body_head(&mut bytes, 1, 1);
    bytes.extend([7, 0xCE]);
    session.take(&bytes, FRAME_MAX, &mut Vec::new()).unwrap();
    let content = session.channels[0].content.as_ref().unwrap();
    let Kind::Delivery(delivery) = &content.kind else { panic!() };
    assert_eq!(delivery.body.len(), 1);
    assert!(delivery.body.capacity() <= 1024 * 1024);
}
