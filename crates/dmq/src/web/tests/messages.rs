//! The stream of messages.

use super::*;
use crate::web::messages::STREAMS_MAX;

/// A stream that is read piece by piece.
struct Stream(Body);

impl Stream {
    async fn open(world: &World, query: &str) -> Stream {
        let answer = world.open(request("GET", &format!("/api/dmq/messages{query}"), Bytes::new()));
        let answer = answer.await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Stream(answer.into_body())
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        let frame = self.0.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    /// The next event: its kind, and its data, which is one line of JSON.
    async fn event(&mut self) -> (String, Value) {
        let text = self.next().await.unwrap();
        let lines: Vec<_> = text.lines().collect();
        let [kind, data, ""] = lines[..] else { panic!("{text}") };
        let data = data.strip_prefix("data: ").unwrap();
        (kind.strip_prefix("event: ").unwrap().into(), serde_json::from_str(data).unwrap())
    }
}

/// Gives a message to the latest listener as the event loop does.
fn arrives(world: &World, message: Received) {
    let script = world.script();
    let listener = script.listeners.last().unwrap();
    if listener.to.try_send(Arc::new(message)).is_err() {
        listener.missed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[tokio::test]
async fn every_message_is_an_event_of_one_line() {
    let world = World::new();
    let mut stream = Stream::open(&world, "?peer=events").await;
    assert_eq!(world.asked(), ["Some(\"events\")"]);
    arrives(&world, received(b"two\r\nlines"));
    let mut expected = json!({
        "peer": "events", "from": "sip:10.0.0.1:5060", "source": "10.0.0.1:5060",
        "call_id": "6e48ce02705e2ec2-22102@10.0.0.1", "content_type": "text/plain",
        "at_ms": NOW_MS, "body": "two\r\nlines",
    });
    assert_eq!(stream.event().await, ("message".into(), expected.clone()));

    arrives(&world, Received { from: None, ..received(b"\xff\x00") });
    let object = expected.as_object_mut().unwrap();
    object.remove("body");
    object.insert("body_base64".into(), json!("/wA="));
    object.insert("from".into(), Value::Null);
    assert_eq!(stream.event().await, ("message".into(), expected));
}

#[tokio::test]
async fn without_a_name_all_peers_are_heard() {
    let world = World::new();
    let _stream = Stream::open(&world, "").await;
    assert_eq!(world.asked(), ["None"]);
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let world = World::new();
    let mut stream = Stream::open(&world, "?peer=events").await;
    for number in 0..300 {
        arrives(&world, received(format!("{number}").as_bytes()));
    }
    assert_eq!(stream.event().await, ("missed".into(), json!({ "missed": 44 })));
    for number in 0..256 {
        let (kind, data) = stream.event().await;
        assert_eq!((kind.as_str(), data["body"].as_str()), ("message", Some(&*number.to_string())));
    }
    arrives(&world, received(b"on"));
    assert_eq!(stream.event().await.1["body"], "on", "a loss is told once");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_shows_every_15_s_that_it_lives() {
    let world = World::new();
    let mut stream = Stream::open(&world, "").await;
    for _ in 0..3 {
        let begun = tokio::time::Instant::now();
        assert_eq!(stream.next().await.unwrap(), ":\n\n");
        assert_eq!(begun.elapsed().as_secs(), 15);
    }
}

#[tokio::test]
async fn a_stream_ends_when_the_node_stops() {
    let world = World::new();
    let mut stream = Stream::open(&world, "").await;
    arrives(&world, received(b"last"));
    world.script().listeners.clear();
    assert_eq!(stream.event().await.1["body"], "last");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn there_are_32_streams_at_most_and_one_that_ends_makes_room() {
    let world = World::new();
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        streams.push(Stream::open(&world, "").await);
    }
    let full = "32 streams are open already, which is the limit: close one";
    assert_eq!(world.get("/api/dmq/messages").await.refused(), (503, full.into()));
    drop(streams.pop());
    assert!(world.script().listeners.last().unwrap().to.is_closed());
    streams.push(Stream::open(&world, "").await);
    assert_eq!(world.get("/api/dmq/messages").await.status, 503);
}

#[tokio::test]
async fn a_peer_that_cannot_be_is_refused() {
    let world = World::new();
    world.script().subscribed = Err(SubscribeError::BadPeer("a b".into()));
    let refused = world.get("/api/dmq/messages?peer=a+b").await.refused();
    assert_eq!(refused, (400, "no such name can be a peer's: \"a b\"".into()));
    for _ in 0..2 * STREAMS_MAX {
        assert_eq!(world.get("/api/dmq/messages?peer=a+b").await.status, 400);
    }
}
