//! A hundred nodes: how soon they know what has changed, and what that costs each of them.

use std::time::Duration;

use dmq::address::Transport;
use dmq::config::DmqConfig;
use dmq::desk::{Counters, Status};
use tokio::task::LocalSet;
use tokio::time::interval;

use crate::bus::Bus;

const NODES: u8 = 100;

/// Requests that each node has sent and got, again or for the first time.
fn traffic(counters: &Counters) -> u64 {
    let Counters { requests, retransmitted_to_us, sent, retransmitted, .. } = counters;
    requests + retransmitted_to_us + sent + retransmitted
}

fn all_traffic(statuses: &[Status]) -> Vec<u64> {
    statuses.iter().map(|status| traffic(&status.counters)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_nodes_agree_within_two_pings_and_each_sends_as_much_as_there_are_nodes() {
    let config = DmqConfig::default();
    let ping_interval = Duration::from_secs(config.ping_interval.into());
    let answer_timeout = Duration::from_millis(config.ping_timeout_ms);
    let work = async {
        let mut bus = Bus::new(Transport::Udp, config);
        for number in 1..NODES {
            bus.start(number);
        }
        let took = bus.agree().await;
        assert!(took < ping_interval, "all at once: {took:?}");

        let before = all_traffic(&bus.statuses().await);
        bus.start(NODES);
        let took = bus.agree().await;
        assert!(took < 2 * ping_interval, "a join: {took:?}");
        // The joiner asks all and is asked by all; the others tell each other nothing.
        let after = all_traffic(&bus.statuses().await);
        let cost: u64 = before.iter().zip(&after).map(|(before, after)| after - before).sum();
        assert!(cost <= 10 * u64::from(NODES), "a join costs the others {cost} requests");

        let before = bus.statuses().await;
        let mut pings = interval(ping_interval);
        pings.tick().await;
        pings.tick().await;
        let after = bus.statuses().await;
        for (before, after) in before.iter().zip(&after) {
            // One ping to each of the others and one from each, a little early at most.
            let requests = traffic(&after.counters) - traffic(&before.counters);
            let expected = 2 * (u64::from(NODES) - 1);
            let most = expected + expected / 5;
            assert!(requests <= most, "{} has had {requests} requests", after.uri);
            assert!(requests >= expected / 2, "{} has had {requests} requests", after.uri);
            assert_eq!(after.counters.timeouts, 0, "{}", after.uri);
        }

        bus.running.remove(49).leave().await;
        let took = bus.agree().await;
        assert!(took < Duration::from_secs(1), "a leave: {took:?}");

        bus.running.remove(24).kill().await;
        let took = bus.agree().await;
        let bound = ping_interval + 2 * answer_timeout;
        assert!(took < bound, "a crash: {took:?}");
        // Nobody was blamed who runs.
        let running: Vec<_> = bus.running.iter().map(|running| running.uri.clone()).collect();
        for status in bus.statuses().await {
            let blamed = status.events.iter().find(|event| {
                running.contains(&event.node) && matches!(event.what, "suspected" | "down")
            });
            assert_eq!(blamed, None, "{}", status.uri);
        }
    };
    LocalSet::new().run_until(work).await;
}
