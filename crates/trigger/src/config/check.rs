//! What settings cannot mean, alone or together: refused with the setting to change. What other
//! sections, files and the pipelines themselves say is looked at in `resolve`.

use http::HeaderName;
use service::config::Invalid;

use super::{
    BrokerConfig, DeadLetterMode, HttpConfig, OnExpire, RetryMode, Sasl, Secret, TlsMode,
    TriggerConfig,
};
use crate::pipeline::http::headers::is_reserved;
use crate::pipeline::http::{SetupError, parse_url};

/// Names of queues, exchanges, virtual hosts and users have at most so many bytes.
const NAME_BYTES_MAX: usize = 255;
/// The longest pause between two attempts: a day.
const BACKOFF_MS_MAX: u64 = 86_400_000;
/// More pauses than that are a slip.
const PAUSES_MAX: usize = 32;
/// The longest that triggers wait between two tries to reach a broker: an hour.
const RECONNECT_MS_MAX: u64 = 3_600_000;
/// Below, a broker that is away would be asked all the time.
const RECONNECT_MS_MIN: u64 = 10;

fn ensure(holds: bool, setting: &'static str, reason: impl Into<String>) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid::new(setting, reason)) }
}

fn name_fits(name: &str, setting: &'static str) -> Result<(), Invalid> {
    ensure(name.len() <= NAME_BYTES_MAX, setting, "longer than the 255 bytes that a name can have")
}

/// The rules for `[broker.NAME]`.
pub(super) fn broker(c: &BrokerConfig) -> Result<(), Invalid> {
    let given = [("tls_ca", &c.tls_ca), ("tls_cert", &c.tls_cert), ("tls_key", &c.tls_key)];
    ensure(!c.hosts.is_empty(), "hosts", "no broker: name one, such as \"rabbit:5672\"")?;
    name_fits(&c.vhost, "vhost")?;
    name_fits(&c.username, "username")?;
    for (name, file) in given {
        let useless = file.is_some() && c.tls_mode == TlsMode::Off;
        ensure(!useless, name, "means nothing without TLS: set tls_mode to on or mutual")?;
    }
    let mutual = c.tls_mode == TlsMode::Mutual;
    for (name, file) in &given[1..] {
        ensure(
            !mutual || file.is_some(),
            name,
            "tls_mode = \"mutual\" needs tls_cert and tls_key",
        )?;
        ensure(
            mutual || file.is_none(),
            name,
            "is shown to the broker only with tls_mode = \"mutual\"",
        )?;
    }
    ensure(
        c.tls_sasl != Sasl::External || mutual,
        "tls_sasl",
        "logging in by certificate needs tls_mode = \"mutual\"",
    )?;
    let has_login = c.password != Secret::None;
    ensure(
        c.account.is_empty() || !has_login,
        "account",
        "the login is that of the account: remove username and password here, or account",
    )?;
    ensure(
        c.reconnect_min_ms >= RECONNECT_MS_MIN,
        "reconnect_min_ms",
        format!("too short: at least {RECONNECT_MS_MIN} ms"),
    )?;
    ensure(
        (c.reconnect_min_ms..=RECONNECT_MS_MAX).contains(&c.reconnect_max_ms),
        "reconnect_max_ms",
        format!("must be from reconnect_min_ms to {RECONNECT_MS_MAX}, an hour"),
    )?;
    is_part(c.reconnect_jitter, "reconnect_jitter")
}

/// The rules for `[trigger.NAME]`.
pub(super) fn trigger(c: &TriggerConfig) -> Result<(), Invalid> {
    source(c)?;
    runs(c)?;
    failures(c)?;
    flow(c)?;
    match (c.http.url.is_empty(), c.command.argv.is_empty()) {
        (true, true) => {
            Err(Invalid::new("http_url", "no pipeline to run: set http_url or command_argv"))
        }
        (false, false) => {
            Err(Invalid::new("command_argv", "one pipeline only: remove this or http_url"))
        }
        (false, true) => http(&c.http),
        (true, false) => {
            let program = c.command.argv.iter().all(|text| !text.contains('\0'))
                && !c.command.argv[0].is_empty();
            ensure(
                program,
                "command_argv",
                "the first text has to be a program, and none holds NUL",
            )
        }
    }
}

fn source(c: &TriggerConfig) -> Result<(), Invalid> {
    ensure(!c.queue.is_empty(), "queue", "no queue to read from: set queue")?;
    name_fits(&c.queue, "queue")?;
    ensure(
        c.hostname.is_empty() || c.broker.is_empty(),
        "hostname",
        "two brokers: remove this or broker",
    )?;
    ensure(
        c.port.is_none() || !c.hostname.is_empty(),
        "port",
        "of which host: set hostname, or write the port into the hosts of [broker.NAME]",
    )?;
    ensure(c.port != Some(0), "port", "no broker listens on port 0")?;
    name_fits(c.virtual_host.as_deref().unwrap_or_default(), "virtual_host")
}

fn runs(c: &TriggerConfig) -> Result<(), Invalid> {
    let (consumers, blamed) = match c.size {
        Some(size) => (size.consumers(), "size"),
        None => (c.consumers, "consumers"),
    };
    ensure(consumers >= 1, blamed, "nothing would ever run: at least 1")?;
    ensure(
        c.prefetch == 0 || c.prefetch >= consumers,
        "prefetch",
        format!("fewer messages than runs at the same time: 0, or at least {consumers}"),
    )?;
    ensure(
        !c.wire_no_ack || c.auto_acknowledge,
        "wire_no_ack",
        "needs auto_acknowledge = true: messages are not acknowledged at all",
    )?;
    ensure(c.maximum_timeout_ms >= 1, "maximum_timeout_ms", "no run could ever end: at least 1")?;
    ensure(
        c.on_expire != OnExpire::Requeue || !c.auto_acknowledge,
        "on_expire",
        "a message that is acknowledged already cannot go back: drop or dead-letter",
    )?;
    ensure(c.max_message_bytes.0 >= 1, "max_message_bytes", "at least 1")
}

fn failures(c: &TriggerConfig) -> Result<(), Invalid> {
    ensure(c.redelivery_max_attempts >= 1, "redelivery_max_attempts", "at least 1, the first run")?;
    let pauses = &c.redelivery_backoff_ms;
    ensure(
        (1..=PAUSES_MAX).contains(&pauses.len()),
        "redelivery_backoff_ms",
        format!("expected from 1 to {PAUSES_MAX} pauses, such as [1000, 5000, 30000]"),
    )?;
    ensure(
        pauses.iter().all(|pause| *pause <= BACKOFF_MS_MAX),
        "redelivery_backoff_ms",
        format!("a pause is at most {BACKOFF_MS_MAX} ms, a day"),
    )?;
    is_part(c.redelivery_jitter, "redelivery_jitter")?;
    ensure(
        !c.auto_acknowledge || c.redelivery_mode == RetryMode::Hold,
        "redelivery_mode",
        "with auto_acknowledge a message is tried again only in this process: hold",
    )?;
    let delays = c.redelivery_mode == RetryMode::DelayQueue;
    ensure(
        !delays
            || pauses.iter().all(|pause| *pause == pauses[0])
            || c.redelivery_queue.contains("{ms}"),
        "redelivery_queue",
        "pauses of different lengths need a queue each: write {ms} where the pause stands",
    )?;
    ensure(
        !delays || (!c.redelivery_queue.is_empty() && c.redelivery_queue != c.queue),
        "redelivery_queue",
        "a delay queue has a name, and not that of the queue itself",
    )?;
    ensure(
        !c.redelivery_declare || delays,
        "redelivery_declare",
        "there are no delay queues to declare: set redelivery_mode to delay-queue",
    )?;
    let target = !c.dead_letter_exchange.is_empty() || !c.dead_letter_routing_key.is_empty();
    let publishes = c.dead_letter_mode == DeadLetterMode::Publish;
    ensure(
        !publishes || target,
        "dead_letter_mode",
        "publish needs dead_letter_exchange or, for a queue, dead_letter_routing_key",
    )?;
    let blamed = match c.dead_letter_exchange.is_empty() {
        true => "dead_letter_routing_key",
        false => "dead_letter_exchange",
    };
    ensure(!target || publishes, blamed, "means nothing unless dead_letter_mode is publish")?;
    let circle = c.dead_letter_exchange.is_empty() && c.dead_letter_routing_key == c.queue;
    ensure(!circle, "dead_letter_routing_key", "leads back to the queue itself")?;
    name_fits(&c.dead_letter_exchange, "dead_letter_exchange")?;
    name_fits(&c.dead_letter_routing_key, "dead_letter_routing_key")
}

fn flow(c: &TriggerConfig) -> Result<(), Invalid> {
    ensure(
        c.rate_limit_burst == 0 || c.rate_limit_per_s > 0.0,
        "rate_limit_burst",
        "needs rate_limit_per_s",
    )?;
    ensure(
        c.breaker_failures == 0 || c.breaker_open_ms >= 1,
        "breaker_open_ms",
        "at least 1; breaker_failures = 0 is no breaker",
    )?;
    ensure(
        c.idempotency_key.is_none() || c.idempotency_ttl_s >= 1,
        "idempotency_ttl_s",
        "at least 1: no key would be kept",
    )?;
    ensure(!c.cloudevents_type.is_empty(), "cloudevents_type", "a CloudEvent has to have a type")
}

fn http(c: &HttpConfig) -> Result<(), Invalid> {
    url(&c.url, "http_url")?;
    ensure(
        !c.follow_redirects,
        "http_follow_redirects",
        "redirects are never followed, as an answer could lead a request anywhere: set http_url to \
         where they lead",
    )?;
    ensure(c.connect_timeout_ms >= 1, "http_connect_timeout_ms", "at least 1")?;
    ensure(
        c.tls_cert.is_some() == c.tls_key.is_some(),
        if c.tls_cert.is_some() { "http_tls_cert" } else { "http_tls_key" },
        "http_tls_cert and http_tls_key belong together: set the other one as well",
    )?;
    authorization(c)?;
    for name in &c.pass_headers {
        let parsed = HeaderName::try_from(name);
        let is_name = parsed.is_ok();
        ensure(is_name, "http_pass_headers", format!("{name:?} is no name of an HTTP header"))?;
        let may_pass = parsed.is_ok_and(|name| may_pass(&name));
        let reason = format!("{name:?} is never a message's to set: remove it");
        ensure(may_pass, "http_pass_headers", reason)?;
    }
    Ok(())
}

fn url(text: &str, setting: &'static str) -> Result<(), Invalid> {
    match parse_url(text) {
        Ok(_) => Ok(()),
        Err(SetupError::Url(reason)) => Err(Invalid::new(setting, reason)),
        Err(other) => Err(Invalid::new(setting, other.to_string())),
    }
}

/// Whether a header of a message may become one of a request: what describes the body, the run or
/// the connection is not its to say.
fn may_pass(name: &HeaderName) -> bool {
    let ours = ["content-", "x-trigger-"].iter().any(|prefix| name.as_str().starts_with(prefix));
    !ours && !is_reserved(name)
}

fn authorization(c: &HttpConfig) -> Result<(), Invalid> {
    let basic = !c.auth_basic_username.is_empty() || c.auth_basic_password != Secret::None;
    let bearer = c.auth_bearer != Secret::None;
    let oauth2 = [&c.auth_oauth2_token_url, &c.auth_oauth2_client_id, &c.auth_oauth2_scope];
    let oauth2 =
        oauth2.iter().any(|text| !text.is_empty()) || c.auth_oauth2_client_secret != Secret::None;
    let one = "one way to log in only: basic, bearer or oauth2";
    ensure(!bearer || !basic, "http_auth_bearer", one)?;
    ensure(!oauth2 || !(basic || bearer), "http_auth_oauth2_token_url", one)?;
    if basic {
        ensure(
            !c.auth_basic_username.is_empty(),
            "http_auth_basic_username",
            "whose password: set it",
        )?;
        ensure(
            !c.auth_basic_username.contains(':'),
            "http_auth_basic_username",
            "cannot hold a colon, which ends it",
        )?;
        ensure(
            c.auth_basic_password != Secret::None,
            "http_auth_basic_password",
            "no password for the user: set it, such as { file = \"/run/secrets/password\" }",
        )?;
    }
    if oauth2 {
        let needs = "OAuth2 needs http_auth_oauth2_token_url, _client_id and _client_secret";
        ensure(!c.auth_oauth2_token_url.is_empty(), "http_auth_oauth2_token_url", needs)?;
        url(&c.auth_oauth2_token_url, "http_auth_oauth2_token_url")?;
        ensure(!c.auth_oauth2_client_id.is_empty(), "http_auth_oauth2_client_id", needs)?;
        let has_secret = c.auth_oauth2_client_secret != Secret::None;
        ensure(has_secret, "http_auth_oauth2_client_secret", needs)?;
    }
    Ok(())
}

fn is_part(value: f64, setting: &'static str) -> Result<(), Invalid> {
    ensure((0.0..=1.0).contains(&value), setting, "a part of a pause is from 0 to 1")
}
