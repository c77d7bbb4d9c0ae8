//! Requests as they arrive, and the connections they come over.

use super::sink::{Answer, Sink, ok};
use super::*;
use crate::config::Headers;

#[tokio::test]
async fn a_run_is_a_request() {
    let sink = Sink::new([ok("")]).await;
    let mut trigger = trigger(&format!("{}?key=1&a=%20b", sink.url()));
    trigger.http.static_headers = Headers(vec![("X-Team".into(), "hares".into())]);
    let outcome = http(&trigger).run(&run("{\"a\":1}")).await;
    let expected =
        Outcome { verdict: Verdict::Done, pause: None, reply: None, summary: "200".into() };
    assert_eq!(outcome, expected);
    let [seen] = &sink.seen()[..] else { panic!() };
    assert!(seen.head.starts_with("POST /hook?key=1&a=%20b HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.body, "{\"a\":1}");
    let host = format!("127.0.0.1:{}", sink.port);
    let headers = [
        ("host", host.as_str()),
        ("content-type", "application/json"),
        ("content-length", "7"),
        ("x-team", "hares"),
        ("x-trigger-name", "orders"),
        ("x-trigger-attempt", "1"),
    ];
    for (name, value) in headers {
        assert_eq!(seen.header(name), [value], "{name}");
    }
}

#[tokio::test]
async fn large_and_empty_bodies_arrive_whole() {
    let sink = Sink::new([ok("")]).await;
    let http = http(&trigger(&sink.url()));
    for body in ["0123456789abcdef".repeat(5 << 16), String::new()] {
        let mut run = run("");
        run.rendered.body = body.clone().into();
        assert_eq!(http.run(&run).await.verdict, Verdict::Done);
        let seen = sink.seen().pop().unwrap();
        assert_eq!(seen.header("content-length"), [body.len().to_string()]);
        assert!(seen.body == body);
    }
}

#[tokio::test]
async fn the_method_is_the_configurations() {
    let sink = Sink::new([ok("")]).await;
    let mut trigger = trigger(&sink.url());
    for method in ["PUT", "PATCH", "DELETE"] {
        trigger.http.method = method.into();
        assert_eq!(http(&trigger).run(&run("x")).await.verdict, Verdict::Done);
        assert!(sink.seen().last().unwrap().head.starts_with(method));
    }
    for method in ["CONNECT", "", "PO ST"] {
        trigger.http.method = method.into();
        let refused = Http::new("orders", &trigger, &Secrets::default(), &Shared::default());
        assert_eq!(refused.err().unwrap(), SetupError::Method(method.into()));
    }
}

#[tokio::test]
async fn one_connection_serves_run_after_run() {
    let sink = Sink::new([ok("fine"), Answer::Say(CHUNKED.into())]).await;
    let http = http(&trigger(&sink.url()));
    for _ in 0..50 {
        assert_eq!(http.run(&run("x")).await.verdict, Verdict::Done);
    }
    assert_eq!((sink.seen().len(), sink.connections()), (50, 1));
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

#[tokio::test]
async fn runs_at_the_same_time_have_a_connection_each() {
    let sink = Sink::new([ok("")]).await;
    let http = http(&trigger(&sink.url()));
    for _ in 0..5 {
        let run = run("x");
        let (a, b, c) = tokio::join!(http.run(&run), http.run(&run), http.run(&run));
        assert!([a, b, c].iter().all(|outcome| outcome.verdict == Verdict::Done));
    }
    assert_eq!(sink.seen().len(), 15);
    assert!(sink.connections() <= 3, "{} connections", sink.connections());
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_no_attempt() {
    let mut sink = Sink::new([Answer::Close("HTTP/1.1 204 No Content\r\n\r\n".into())]).await;
    let http = http(&trigger(&sink.url()));
    for _ in 0..3 {
        assert_eq!(http.run(&run("x")).await.verdict, Verdict::Done);
        sink.ended().await;
        // The runtime asks the system for news only now and then.
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(sink.connections(), 3);
}

#[tokio::test]
async fn a_dropped_run_closes_its_connection() {
    let mut sink = Sink::new([Answer::Hang(String::new())]).await;
    let http = http(&trigger(&sink.url()));
    let run = run("x");
    let mut running = Box::pin(http.run(&run));
    while sink.seen().is_empty() {
        let short = Duration::from_millis(1);
        assert!(tokio::time::timeout(short, &mut running).await.is_err());
    }
    drop(running);
    sink.ended().await;
}

#[tokio::test]
async fn who_asks_is_shown() {
    let sink = Sink::new([ok("")]).await;
    let authorization = async |trigger: &TriggerConfig, secrets: &Secrets| {
        with_secrets(trigger, secrets).run(&run("x")).await;
        sink.seen().last().unwrap().header("authorization").join(", ")
    };
    let mut trigger = trigger(&sink.url());
    assert_eq!(authorization(&trigger, &Secrets::default()).await, "");
    let secrets = Secrets { bearer: "t0ken".into(), ..Secrets::default() };
    assert_eq!(authorization(&trigger, &secrets).await, "Bearer t0ken");
    trigger.http.auth_basic_username = "Aladdin".into();
    let secrets = Secrets { basic_password: "open sesame".into(), ..Secrets::default() };
    let known = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    assert_eq!(authorization(&trigger, &secrets).await, known);
    let broken = Secrets { bearer: "a\nb".into(), ..Secrets::default() };
    let refused = Http::new("orders", &trigger, &broken, &Shared::default()).err().unwrap();
    assert_eq!(refused, SetupError::Bearer);
}

#[tokio::test]
async fn each_run_is_signed() {
    let sink = Sink::new([ok("")]).await;
    let keys = vec!["whsec_b2xkZXIga2V5".into(), "whsec_bmV3ZXIga2V5".into()];
    let secrets = Secrets { signing_keys: keys, ..Secrets::default() };
    let http = with_secrets(&trigger(&sink.url()), &secrets);
    http.run(&run("x")).await;
    let seen = sink.seen();
    let [signatures] = seen[0].header("webhook-signature")[..] else { panic!("{seen:?}") };
    assert_eq!(signatures.matches("v1,").count(), 2);
    assert_eq!(seen[0].header("webhook-id"), ["e-1"]);
    let timestamp: u64 = seen[0].header("webhook-timestamp")[0].parse().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(now - timestamp < 60);
}

#[test]
fn urls_that_cannot_be_used_are_refused() {
    let urls = ["", "hook", "/hook", "ftp://h/", "http://user:pw@h/", "http://h/a b", "https://"];
    for url in urls {
        let refused = Http::new("orders", &trigger(url), &Secrets::default(), &Shared::default());
        let text = refused.err().unwrap().to_string();
        assert!(!text.contains("pw"), "{url}: {text}");
    }
}
