//! Endpoints behind TLS, logins and signatures, and addresses that are refused.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::endpoint::{Answer, Endpoint, Request};
use super::world::at;
use crate::site::BrokerKind;
use crate::tls::{Authority, Identity};

stories! {
    brokers: [],
    home: [
        an_https_endpoint_shows_its_certificate,
        both_sides_may_show_certificates,
        an_unknown_authority_is_a_failure,
        basic_logins_are_sent,
        bearer_tokens_come_from_files_and_variables,
        oauth2_tokens_are_fetched_once,
        signatures_are_those_of_standard_webhooks,
        two_keys_sign_while_they_change,
        metadata_addresses_are_refused,
        private_addresses_may_be_refused,
        listed_headers_are_passed_on,
        static_headers_are_sent,
    ],
}

fn server(authority: &Authority, identity: Identity, mutual: bool) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if mutual {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![identity.certificate];
    builder.with_single_cert(chain, key).unwrap()
}

/// The endpoint's URL by the name in its certificate.
fn url(sink: &Endpoint) -> String {
    format!("url = \"https://localhost:{}/hook\"", sink.address().port())
}

fn an_https_endpoint_shows_its_certificate(place: BrokerKind) {
    let authority = Authority::new("authority");
    let sink = Endpoint::tls(server(&authority, authority.server(), false));
    let address = url(&sink);
    let mut w = at(place).sink(sink).http(&address).http("tls = { ca = \"ca.pem\" }").prepare();
    w.trigger.write("ca.pem", &authority.pem);
    w.trigger.launch();
    w.publish(&["a", "b"]);
    w.sink.expect_all(&["a", "b"]);
    w.expect_all_settled();
}

fn both_sides_may_show_certificates(place: BrokerKind) {
    let authority = Authority::new("authority");
    let sink = Endpoint::tls(server(&authority, authority.server(), true));
    let address = url(&sink);
    let tls = "tls = { ca = \"ca.pem\", cert = \"cert.pem\", key = \"key.pem\" }";
    let mut w = at(place).sink(sink).http(&address).http(tls).prepare();
    let own = authority.client("hare");
    w.trigger.write("ca.pem", &authority.pem);
    w.trigger.write("cert.pem", &own.pem);
    w.trigger.write("key.pem", own.key.serialize_pem());
    w.trigger.launch();
    w.publish(&["m"]);
    w.sink.expect(&["m"]);
    w.expect_all_settled();
}

fn an_unknown_authority_is_a_failure(place: BrokerKind) {
    let authority = Authority::new("authority");
    let sink = Endpoint::tls(server(&authority, authority.server(), false));
    let address = url(&sink);
    let mut w = at(place).sink(sink).http(&address).http("tls = { ca = \"ca.pem\" }").prepare();
    w.trigger.write("ca.pem", &Authority::new("stranger").pem);
    w.trigger.launch();
    w.publish(&["m"]);
    w.expect_dead("m");
    w.trigger.expect_dead("transport", 1);
    w.trigger.expect_log(&["WARN", "certificate"]);
}

fn basic_logins_are_sent(place: BrokerKind) {
    let w = at(place)
        .top("allow_inline_secrets = true")
        .http("auth = { basic = { username = \"hare\", password = \"carrot\" } }")
        .start();
    w.publish(&["m"]);
    assert_eq!(w.sink.request().the("authorization"), "Basic aGFyZTpjYXJyb3Q=");
}

fn bearer_tokens_come_from_files_and_variables(place: BrokerKind) {
    let mut w = at(place).http("auth = { bearer = { file = \"token\" } }").prepare();
    w.trigger.write("token", "from-a-file\n");
    w.trigger.launch();
    w.publish(&["m"]);
    assert_eq!(w.sink.request().the("authorization"), "Bearer from-a-file");
    w.expect_all_settled();
    w.trigger.stop();
    w.change("{ file = \"token\" }", "{ env = \"TOKEN\" }");
    w.trigger.set_variable("TOKEN", "from-a-variable");
    w.trigger.launch();
    w.publish(&["m"]);
    assert_eq!(w.sink.request().the("authorization"), "Bearer from-a-variable");
    assert!(!w.trigger.stderr().contains("from-a-"));
}

fn oauth2_tokens_are_fetched_once(place: BrokerKind) {
    let w = at(place)
        .top("allow_inline_secrets = true")
        .http(
            "auth = { oauth2 = { token_url = \"http://{sink}/token\", client_id = \"hare\", \
             client_secret = \"carrot\", scope = \"hooks\" } }",
        )
        .prepare();
    let token = "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":3600}";
    w.sink.answer_at("/token", Answer::status(200).json(token));
    let mut w = w;
    w.trigger.launch();
    w.publish(&["a", "b", "c"]);
    w.expect_all_settled();
    w.trigger.expect_outcome("ok", 3);
    let requests = w.sink.requests();
    let (tokens, runs): (Vec<&Request>, Vec<&Request>) =
        requests.iter().partition(|request| request.path == "/token");
    assert_eq!((tokens.len(), runs.len()), (1, 3));
    assert!(tokens[0].text().contains("grant_type=client_credentials"), "{}", tokens[0].text());
    assert!(tokens[0].text().contains("scope=hooks"), "{}", tokens[0].text());
    assert!(runs.iter().all(|run| run.the("authorization") == "Bearer abc"));
}

/// What the program openssl writes, given this on its standard input.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut openssl = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Debian package openssl is installed");
    openssl.stdin.take().unwrap().write_all(input).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    output.stdout
}

/// The base64 of the HMAC with this key, in hexadecimal, by another program than ours.
fn hmac(key_hex: &str, request: &Request) -> String {
    let signed = [
        request.the("webhook-id").as_bytes(),
        b".",
        request.the("webhook-timestamp").as_bytes(),
        b".",
        &request.body,
    ]
    .concat();
    let key = format!("hexkey:{key_hex}");
    let mac = openssl(&["dgst", "-sha256", "-mac", "HMAC", "-macopt", &key, "-binary"], &signed);
    String::from_utf8(openssl(&["base64", "-A"], &mac)).unwrap()
}

/// Secrets of Standard Webhooks, and their keys in hexadecimal.
const KEYS: [(&str, &str); 2] = [
    ("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "303132333435363738396162636465663031323334353637"),
    ("whsec_YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAx", "616263646566303132333435363738396162636465663031"),
];

fn signatures_are_those_of_standard_webhooks(place: BrokerKind) {
    let mut w = at(place).http("sign = { standard_webhooks = { file = \"key\" } }").prepare();
    w.trigger.write("key", KEYS[0].0);
    w.trigger.launch();
    let named = w.message("{\"a\": \"grüß\"}").id("order_4711");
    let dotted = w.message("b").id("a.b");
    w.publish_all([named, dotted]);
    let mut requests = [w.sink.request(), w.sink.request()];
    requests.sort_by_key(Request::message);
    let now_s = crate::server::now_ms() / 1000;
    for request in &requests {
        let signature = format!("v1,{}", hmac(KEYS[0].1, request));
        assert_eq!(request.the("webhook-signature"), signature);
        let at_s: u64 = request.the("webhook-timestamp").parse().unwrap();
        assert!(at_s.abs_diff(now_s) <= 15, "{at_s}");
    }
    // An id with a dot could forge what is signed.
    assert!(!requests[0].the("webhook-id").contains('.'));
    assert_eq!(requests[1].the("webhook-id"), "order_4711");
}

fn two_keys_sign_while_they_change(place: BrokerKind) {
    let mut w = at(place).http("sign = { standard_webhooks = { file = \"key\" } }").prepare();
    w.trigger.write("key", format!("{}\n{}\n", KEYS[0].0, KEYS[1].0));
    w.trigger.launch();
    w.publish(&["m"]);
    let request = w.sink.request();
    let expected = KEYS.map(|(_, key)| format!("v1,{}", hmac(key, &request))).join(" ");
    assert_eq!(request.the("webhook-signature"), expected);
}

fn metadata_addresses_are_refused(place: BrokerKind) {
    let w = at(place)
        .http("url = \"http://169.254.169.254/latest/meta-data/\"\nconnect_timeout_ms = 5000")
        .start();
    w.publish(&["m"]);
    w.expect_dead("m");
    w.trigger.expect_dead("forbidden_address", 1);
    w.trigger.expect_log(&["WARN", "169.254.169.254"]);
    w.sink.expect_no_more();
}

fn private_addresses_may_be_refused(place: BrokerKind) {
    let w = at(place).http("net = { allow_private = false }").start();
    w.publish(&["m"]);
    w.expect_dead("m");
    w.trigger.expect_dead("forbidden_address", 1);
    w.sink.expect_no_more();
    assert_eq!(w.sink.connections(), 0);
}

fn listed_headers_are_passed_on(place: BrokerKind) {
    let w = at(place).http("pass_headers = [\"x-tenant\", \"x-two\", \"x-number\"]").start();
    let message = w.message("m").header("x-tenant", "hare").header("x-secret", "s");
    let message = message.header("x-two", "a\r\nx-evil: 1").header("authorization", "Basic x");
    w.publish_all([message.header("x-number", 4711).header("X-Trigger-Name", "forged")]);
    let request = w.sink.request();
    assert_eq!(request.the("x-tenant"), "hare");
    assert_eq!(request.the("x-number"), "4711");
    assert_eq!(request.the("x-trigger-name"), "t");
    for name in ["x-secret", "x-two", "x-evil", "authorization"] {
        assert_eq!(request.header(name), None, "{name}");
    }
}

fn static_headers_are_sent(place: BrokerKind) {
    let w = at(place)
        .http("method = \"PUT\"\nstatic_headers = [\"X-Api-Version: 2, beta\", \"Accept: a/b\"]")
        .start();
    w.publish(&["m"]);
    let request = w.sink.request();
    assert_eq!(request.method, "PUT");
    assert_eq!(request.the("x-api-version"), "2, beta");
    assert_eq!(request.the("accept"), "a/b");
}
