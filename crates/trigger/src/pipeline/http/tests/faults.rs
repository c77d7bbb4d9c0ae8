//! Endpoints that hang, break off, talk nonsense, talk for ever, or send somewhere else.

use super::sink::{Answer, Sink, ok, status};
use super::*;
use crate::pipeline::Pause;

const SHORT: Duration = Duration::from_millis(60);

async fn outcome(answer: Answer) -> (Outcome, Sink) {
    let sink = Sink::new([answer]).await;
    (http(&trigger(&sink.url())).run(&run("x")).await, sink)
}

async fn outcome_in_time(answer: Answer) -> Outcome {
    let sink = Sink::new([answer]).await;
    http(&trigger(&sink.url())).run(&run_within("x", SHORT)).await
}

#[tokio::test]
async fn an_endpoint_that_is_too_slow_times_out() {
    let slow = [
        Answer::Hang(String::new()),
        Answer::Hang("HTTP/1.1 200 OK\r\n".into()),
        Answer::Hang("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".into()),
        Answer::Hang("HTTP/1.1 100 Continue\r\n\r\n".into()),
    ];
    for answer in slow {
        let outcome = outcome_in_time(answer).await;
        assert_eq!(retry(&outcome, Reason::Timeout), "no complete response in 60 ms");
    }
}

#[tokio::test]
async fn an_endpoint_that_breaks_off_may_do_better_next_time() {
    let heads = [
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ];
    for head in heads {
        let (outcome, _) = outcome(Answer::Close(head.into())).await;
        let text = retry(&outcome, Reason::Transport);
        assert!(!text.is_empty() && outcome.summary == text, "{head}");
    }
}

#[tokio::test]
async fn garbage_is_a_failure() {
    let garbage = [
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "\0\0\0\0\0\0\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ];
    for text in garbage {
        let (outcome, _) = outcome(Answer::Close(text.into())).await;
        retry(&outcome, Reason::Transport);
    }
}

#[tokio::test]
async fn a_flood_of_headers_ends_soon() {
    let floods = [format!("x-a: {}\r\n", "b".repeat(1000)), "x: y\r\n".into(), "x".repeat(999)];
    for flood in floods {
        let (outcome, mut sink) =
            outcome(Answer::Endless("HTTP/1.1 200 OK\r\n".into(), flood)).await;
        retry(&outcome, Reason::Transport);
        assert!(sink.ended().await < 50_000_000);
    }
}

#[tokio::test]
async fn a_response_without_end_is_left_and_its_status_counts() {
    let zeros = "0".repeat(64 * 1024);
    let two_gb = "HTTP/1.1 200 OK\r\ncontent-length: 2000000000\r\n\r\n";
    let chunk = format!("10000\r\n{zeros}\r\n");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let until_closed = "HTTP/1.1 200 OK\r\n\r\n";
    for (head, piece) in [(two_gb, &zeros), (chunked, &chunk), (until_closed, &zeros)] {
        let (outcome, mut sink) = outcome(Answer::Endless(head.into(), piece.clone())).await;
        assert_eq!(outcome.verdict, Verdict::Done, "{head}");
        // What is over the limit was on its way in the system's buffers.
        assert!(sink.ended().await < 50_000_000);
    }
    let failing = two_gb.replace("200 OK", "404 Not Found");
    let (outcome, _) = outcome(Answer::Endless(failing, zeros)).await;
    assert_eq!(outcome.verdict, Verdict::Dead(Reason::Rejected, "404 Not Found".into()));
}

#[tokio::test]
async fn a_failure_whose_body_breaks_off_keeps_its_status() {
    let head = "HTTP/1.1 429 Too Many\r\nretry-after: 7\r\ncontent-length: 9\r\n\r\nabc";
    let (outcome, _) = outcome(Answer::Close(head.into())).await;
    assert_eq!(retry(&outcome, Reason::Failed), "429 Too Many Requests");
    assert_eq!(outcome.pause, Some(Pause::For(Duration::from_secs(7))));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Sink::new([ok("")]).await;
    let found =
        format!("HTTP/1.1 307 x\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", target.url());
    let (outcome, sink) = outcome(Answer::Say(found)).await;
    let Verdict::Dead(Reason::Rejected, text) = outcome.verdict else { panic!("{outcome:?}") };
    assert!(text.contains(&target.url()) && text.ends_with("redirects are not followed"), "{text}");
    assert_eq!((sink.seen().len(), target.seen().len()), (1, 0));
}

#[tokio::test]
async fn interim_responses_are_passed_over() {
    let text = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let (outcome, _) = outcome(Answer::Say(text.into())).await;
    assert_eq!(outcome.summary, "204");
}

#[tokio::test]
async fn an_endpoint_that_is_gone_pauses_the_trigger() {
    let (outcome, _) = outcome(status("410 Gone")).await;
    assert_eq!(retry(&outcome, Reason::Failed), "410 Gone");
    assert_eq!(outcome.pause, Some(Pause::UntilResumed));
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_named_with_the_cause() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/hook?token=s3cret");
    let outcome = http(&trigger(&url)).run(&run("x")).await;
    let text = retry(&outcome, Reason::Transport);
    assert_eq!(text, format!("cannot connect to {address}: connection refused"));
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    // Longer than a label can be, so that nobody is asked.
    let outcome = http(&trigger(&format!("http://{}/", "a".repeat(70)))).run(&run("x")).await;
    let text = retry(&outcome, Reason::Transport);
    assert!(text.starts_with("cannot find the address of aaa"), "{text}");
}

#[tokio::test]
async fn addresses_that_the_rules_forbid_are_not_connected_to() {
    let sink = Sink::new([ok("")]).await;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let mut trigger = trigger(&format!("http://{host}:{}/", sink.port));
        trigger.http.net_deny = vec!["loopback".into()];
        for pin_dns in [true, false] {
            trigger.http.net_pin_dns = pin_dns;
            let outcome = http(&trigger).run(&run("x")).await;
            let text = retry(&outcome, Reason::Forbidden);
            assert!(text.contains("loopback addresses are denied"), "{text}");
        }
    }
    assert_eq!(sink.connections(), 0);
    let mut trigger = trigger(&sink.url());
    trigger.http.net_pin_dns = false;
    assert_eq!(http(&trigger).run(&run("x")).await.verdict, Verdict::Done);
}
