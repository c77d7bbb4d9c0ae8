//! A bridge whose broker is not there. With brokers: crates/leveret/tests/it/dmq/bridge.rs.

use super::*;

/// Nobody listens there.
fn nowhere() -> Address {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    Address { host: "127.0.0.1".into(), port, ..Address::default() }
}

fn bridge(waiting_max: usize) -> Bridge {
    let plan = BridgePlan {
        addresses: vec![nowhere()],
        tls: TlsFiles::default(),
        exchange: "dmq".into(),
        queue: "dmq.send".into(),
        timeout: Duration::from_secs(20),
        prefetch: 10,
        waiting_max,
        body_bytes_max: 1000,
        node: "sip:127.0.0.1:5060".parse().unwrap(),
    };
    Bridge::new(plan, 1)
}

fn received() -> Received {
    Received {
        peer: "events".into(),
        from: None,
        source: "127.0.0.1:5060".parse().unwrap(),
        call_id: "1".into(),
        content_type: String::new(),
        body: Vec::new(),
        at_ms: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_messages_wait_for_so_long() {
    let mut bridge = bridge(2);
    let start = Instant::now();
    assert_eq!(bridge.publish(Some(7), &received()), Ok(()));
    assert_eq!(bridge.publish(None, &received()), Ok(()));
    assert_eq!(bridge.publish(Some(8), &received()), Err(Full(2)));
    let lost = |ticket| BridgeEvent::Published { ticket, taken: false };
    assert_eq!(bridge.next().await, lost(Some(7)));
    assert_eq!(start.elapsed().as_secs(), 20);
    assert_eq!(bridge.try_next(), Some(lost(None)));
    assert_eq!(bridge.try_next(), None);
    let status = bridge.status();
    assert_eq!((status.waiting, status.sending), (0, 0));
    assert!(status.down.unwrap().contains("is the broker running"));
    assert!(status.broker.starts_with("amqp://guest@127.0.0.1:"), "{}", status.broker);
    bridge.end().await;
}
