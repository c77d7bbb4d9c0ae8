//! Confirms go out in order, as `multiple`, and never across a refused number.

use super::Confirms;
use amqp::frame::{self};
use amqp::method::Method;

fn answers(confirms: &mut Confirms, synced: u64) -> Vec<String> {
    let mut out = Vec::new();
    confirms.write(1, synced, &mut out);
    let mut rest = &out[..];
    let mut answers = Vec::new();
    while let Some((frame, used)) = frame::parse(rest, 0).expect("own frames parse") {
        answers.push(match Method::decode(frame.payload).expect("own methods decode") {
            Method::BasicAck(ack) => {
                format!("ack {}{}", ack.delivery_tag, if ack.multiple { "*" } else { "" })
            }
            Method::BasicNack(nack) => format!("nack {}", nack.delivery_tag),
            other => panic!("{other:?}"),
        });
        rest = &rest[used..];
    }
    answers
}

#[test]
fn stretches_are_acked_as_one() {
    let mut confirms = Confirms::default();
    for pos in [1, 1, 2, 0] {
        confirms.published(pos);
    }
    assert_eq!(answers(&mut confirms, 0), Vec::<String>::new());
    assert_eq!(answers(&mut confirms, 1), ["ack 2*"]);
    assert_eq!(answers(&mut confirms, 2), ["ack 4*"]);
    assert!(!confirms.is_waiting());
}

#[test]
fn a_single_message_is_acked_without_multiple() {
    let mut confirms = Confirms::default();
    confirms.published(0);
    assert_eq!(answers(&mut confirms, 0), ["ack 1"]);
}

#[test]
fn the_cut_never_crosses_a_refused_number() {
    let mut confirms = Confirms::default();
    confirms.published(1);
    confirms.published(1);
    confirms.refused();
    confirms.published(0);
    assert_eq!(answers(&mut confirms, 0), Vec::<String>::new());
    assert_eq!(answers(&mut confirms, 1), ["ack 2*", "nack 3", "ack 4"]);
    assert_eq!(confirms.unconfirmed(), 0);
}
