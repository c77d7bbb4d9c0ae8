//! A stop moves one way, and everybody sees it.

use super::{Exit, Phase, manual};

#[tokio::test]
async fn drain_then_now_reach_every_clone() {
    let (trigger, shutdown) = manual();
    let other = shutdown.clone();
    assert_eq!(shutdown.phase(), Phase::Running);
    trigger.drain();
    other.draining().await;
    trigger.now();
    other.now().await;
    shutdown.draining().await;
    trigger.drain();
    assert_eq!(shutdown.phase(), Phase::Now, "a later drain does not take the end back");
}

#[test]
fn exit_codes_are_distinct_and_in_order() {
    let codes: Vec<u8> = Exit::ALL.iter().map(|e| e.code()).collect();
    assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
}
