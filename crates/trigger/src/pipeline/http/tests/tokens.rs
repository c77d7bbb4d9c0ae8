//! OAuth2: who asks for tokens, when, and what happens when there are none.

use super::sink::{Answer, Sink, json, ok, status};
use super::*;

const TOKEN: &str = r#"{"access_token":"t1","token_type":"bearer","expires_in":3600}"#;

struct World {
    endpoint: Sink,
    issuer: Sink,
    http: Http,
}

async fn world(endpoint: impl Into<Vec<Answer>>, issuer: impl Into<Vec<Answer>>) -> World {
    let (endpoint, issuer) = (Sink::new(endpoint).await, Sink::new(issuer).await);
    let mut trigger = trigger(&endpoint.url());
    trigger.http.auth_oauth2_token_url = issuer.url();
    trigger.http.auth_oauth2_client_id = "hare:1".into();
    trigger.http.auth_oauth2_scope = "orders write".into();
    let secrets = Secrets { oauth2_client_secret: "s3cret&".into(), ..Secrets::default() };
    World { http: with_secrets(&trigger, &secrets), endpoint, issuer }
}

impl World {
    async fn outcomes(&self, count: usize) -> Vec<Outcome> {
        let tasks = tokio::task::LocalSet::new();
        let running: Vec<_> = (0..count)
            .map(|_| {
                let http = self.http.clone();
                tasks.spawn_local(async move { http.run(&run("x")).await })
            })
            .collect();
        let all = async {
            let mut outcomes = Vec::new();
            for outcome in running {
                outcomes.push(outcome.await.unwrap());
            }
            outcomes
        };
        tasks.run_until(all).await
    }

    fn tokens_used(&self) -> Vec<String> {
        let seen = self.endpoint.seen();
        seen.iter().map(|seen| seen.header("authorization").join(", ")).collect()
    }
}

#[tokio::test]
async fn runs_share_a_token() {
    let world = world([ok("")], [json(TOKEN)]).await;
    for outcome in world.outcomes(10).await {
        assert_eq!(outcome.verdict, Verdict::Done);
    }
    world.outcomes(5).await;
    assert_eq!(world.tokens_used(), ["Bearer t1"; 15]);
    let [seen] = &world.issuer.seen()[..] else { panic!("asked more than once") };
    // Names and secrets are form-encoded before they are joined (RFC 6749, 2.3.1).
    assert_eq!(seen.header("authorization"), ["Basic aGFyZSUzQTE6czNjcmV0JTI2"]);
    assert_eq!(seen.header("content-type"), ["application/x-www-form-urlencoded"]);
    assert_eq!(seen.body, "grant_type=client_credentials&scope=orders+write");
}

#[tokio::test]
async fn a_token_at_its_end_is_renewed() {
    let short = TOKEN.replace("3600", "0");
    let world = world([ok("")], [json(&short), json(&TOKEN.replace("t1", "t2"))]).await;
    for _ in 0..3 {
        world.outcomes(1).await;
    }
    assert_eq!(world.tokens_used(), ["Bearer t1", "Bearer t2", "Bearer t2"]);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let second = TOKEN.replace("t1", "t2");
    let world = world([status("401 x"), ok("")], [json(TOKEN), json(&second)]).await;
    assert_eq!(world.outcomes(1).await[0].verdict, Verdict::Done);
    assert_eq!(world.tokens_used(), ["Bearer t1", "Bearer t2"]);
}

#[tokio::test]
async fn an_endpoint_that_refuses_every_token_rejects() {
    let second = TOKEN.replace("t1", "t2");
    let world = world([status("401 x")], [json(TOKEN), json(&second)]).await;
    let rejected = Verdict::Dead(Reason::Rejected, "401 Unauthorized".into());
    assert_eq!(world.outcomes(1).await[0].verdict, rejected);
    assert_eq!(world.tokens_used(), ["Bearer t1", "Bearer t2"]);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let table = [
        (status("503 x"), Reason::Failed, "503 Service Unavailable"),
        (json(r#"{"token":"t1"}"#), Reason::Failed, "its answer holds no access_token"),
        (json(r#"{"access_token":"a\nb"}"#), Reason::Failed, "its token is no header's value"),
        (ok("<html>"), Reason::Failed, "its answer holds no access_token"),
        (Answer::Close(REFUSAL.into()), Reason::Failed, "400 Bad Request: invalid_client"),
        (Answer::Close("nonsense\r\n\r\n".into()), Reason::Transport, ""),
    ];
    for (answer, reason, expected) in table {
        let world = world([ok("")], [answer]).await;
        let outcomes = world.outcomes(1).await;
        let text = retry(&outcomes[0], reason);
        assert!(text.starts_with("token endpoint 127.0.0.1: "), "{text}");
        assert!(text.ends_with(expected), "{text}");
        assert!(world.endpoint.seen().is_empty());
    }
}

const REFUSAL: &str = "HTTP/1.1 400 x\r\ncontent-length: 26\r\n\r\n{\"error\":\"invalid_client\"}";

#[tokio::test]
async fn runs_that_wait_for_a_token_share_its_failure() {
    let world = world([ok("")], [status("500 x"), json(TOKEN)]).await;
    for outcome in world.outcomes(10).await {
        retry(&outcome, Reason::Failed);
    }
    assert_eq!(world.issuer.seen().len(), 1);
    assert_eq!(world.outcomes(1).await[0].verdict, Verdict::Done);
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_the_asking_to_the_next() {
    let world = world([ok("")], [Answer::Hang(String::new()), json(TOKEN)]).await;
    let short = run_within("x", Duration::from_millis(50));
    retry(&world.http.run(&short).await, Reason::Timeout);
    assert_eq!(world.outcomes(1).await[0].verdict, Verdict::Done);
}
