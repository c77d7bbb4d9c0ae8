//! Every setting of a section `[trigger.NAME]`, in the order of the documentation.

use service::config::Setting;

use super::TriggerConfig;

/// What most rows have in common.
const ROW: Setting<TriggerConfig> = Setting {
    name: "",
    also: &[],
    section: "",
    value: "NUMBER",
    field: |c| &mut c.queue,
    secret: false,
    fallback_variable: None,
    doc: "",
};

const SOURCE: Setting<TriggerConfig> = Setting { section: "Source", value: "NAME", ..ROW };
const RUNS: Setting<TriggerConfig> = Setting { section: "Acknowledgement and runs", ..ROW };
const FAILURES: Setting<TriggerConfig> = Setting { section: "Failures", ..ROW };
const PAYLOAD: Setting<TriggerConfig> = Setting { section: "Payload", ..ROW };
const FLOW: Setting<TriggerConfig> = Setting { section: "Flow", ..ROW };
const HTTP: Setting<TriggerConfig> = Setting { section: "HTTP pipeline", ..ROW };
const COMMAND: Setting<TriggerConfig> = Setting { section: "Command pipeline", ..ROW };

/// The rows.
pub(super) const TABLE: &[Setting<TriggerConfig>] = &[
    Setting {
        name: "broker",
        field: |c| &mut c.broker,
        doc: "The section `[broker.NAME]` to read from. Without it, `[broker.main]` if there is \
              one, else the broker that the trigger runs beside or, alone, one on this machine.",
        ..SOURCE
    },
    Setting {
        name: "account",
        field: |c| &mut c.account,
        doc: "The section `[account.NAME]` to log in with, in place of the broker's login.",
        ..SOURCE
    },
    Setting {
        name: "hostname",
        value: "HOST",
        field: |c| &mut c.hostname,
        doc: "A broker's host, in place of a section `[broker.NAME]`.",
        ..SOURCE
    },
    Setting {
        name: "port",
        value: "PORT",
        field: |c| &mut c.port,
        doc: "That broker's port; without it 5672.",
        ..SOURCE
    },
    Setting {
        name: "virtual_host",
        field: |c| &mut c.virtual_host,
        doc: "The virtual host, in place of the broker's.",
        ..SOURCE
    },
    Setting {
        name: "queue",
        value: "QUEUE",
        field: |c| &mut c.queue,
        doc: "The queue. It has to exist: nothing is declared. Needed.",
        ..SOURCE
    },
    Setting {
        name: "auto_acknowledge",
        value: "BOOL",
        field: |c| &mut c.auto_acknowledge,
        doc: "Whether a message is acknowledged when it is received, and not after its run: fast, \
              and lost when its run fails for good or the process dies.",
        ..RUNS
    },
    Setting {
        name: "wire_no_ack",
        value: "BOOL",
        field: |c| &mut c.wire_no_ack,
        doc: "With `auto_acknowledge`: messages count as delivered when the broker has sent them, \
              which `prefetch` does not bound.",
        ..RUNS
    },
    Setting {
        name: "consumers",
        also: &["api_keys"],
        field: |c| &mut c.consumers,
        doc: "Runs at the same time, at most.",
        ..RUNS
    },
    Setting {
        name: "size",
        value: "small|medium|large",
        field: |c| &mut c.size,
        doc: "The same by a word: 10, 20 or 40 runs. Not together with `consumers`.",
        ..RUNS
    },
    Setting {
        name: "prefetch",
        field: |c| &mut c.prefetch,
        doc: "Messages received and not settled, at most: 0 is as many as `consumers`, more lets \
              messages wait here for their next attempt without blocking a run.",
        ..RUNS
    },
    Setting {
        name: "maximum_timeout_ms",
        also: &["maximum_timeout"],
        value: "MS",
        field: |c| &mut c.maximum_timeout_ms,
        doc: "How long a run may take.",
        ..RUNS
    },
    Setting {
        name: "expiration_ms",
        also: &["expiration"],
        value: "MS",
        field: |c| &mut c.expiration_ms,
        doc: "How long a message may wait for its run from its receipt; 0 is no limit.",
        ..RUNS
    },
    Setting {
        name: "on_expire",
        value: "auto|requeue|dead-letter|drop",
        field: |c| &mut c.on_expire,
        doc: "What happens then; `auto` requeues where redelivery is allowed, else dead-letters.",
        ..RUNS
    },
    Setting {
        name: "drain_timeout_ms",
        value: "MS",
        field: |c| &mut c.drain_timeout_ms,
        doc: "How long a stop waits for runs before it aborts them.",
        ..RUNS
    },
    Setting {
        name: "allow_redelivery",
        also: &["allow_redelivery_of_messages"],
        value: "BOOL",
        field: |c| &mut c.allow_redelivery,
        doc: "Whether a message may run again after a failure.",
        ..FAILURES
    },
    Setting {
        name: "refuse_redelivered",
        value: "BOOL",
        field: |c| &mut c.refuse_redelivered,
        doc: "Without `allow_redelivery`: whether a message that seems to have run before is \
              refused. A classic queue only says that it was delivered before.",
        ..FAILURES
    },
    Setting {
        name: "redelivery_max_attempts",
        field: |c| &mut c.redelivery_max_attempts,
        doc: "Runs of a message, at most, those before this delivery included where they are known.",
        ..FAILURES
    },
    Setting {
        name: "redelivery_mode",
        value: "hold|requeue|delay-queue",
        field: |c| &mut c.redelivery_mode,
        doc: "Where a message waits for its next run: unacknowledged here, here and then in its \
              queue again, or in a delay queue.",
        ..FAILURES
    },
    Setting {
        name: "redelivery_backoff_ms",
        value: "MS",
        field: |c| &mut c.redelivery_backoff_ms,
        doc: "The pause after each failure; the last one counts for all later ones.",
        ..FAILURES
    },
    Setting {
        name: "redelivery_jitter",
        value: "PART",
        field: |c| &mut c.redelivery_jitter,
        doc: "The part of each pause that is left to chance, from 0 to 1.",
        ..FAILURES
    },
    Setting {
        name: "redelivery_queue",
        value: "QUEUE",
        field: |c| &mut c.redelivery_queue,
        doc: "The delay queue of a pause, with `{queue}` and `{ms}` filled in. It has to exist, \
              with a TTL and a dead-letter route back to the queue.",
        ..FAILURES
    },
    Setting {
        name: "redelivery_declare",
        value: "BOOL",
        field: |c| &mut c.redelivery_declare,
        doc: "Whether delay queues are declared: the only thing that ever is.",
        ..FAILURES
    },
    Setting {
        name: "dead_letter_mode",
        value: "broker|publish|discard",
        field: |c| &mut c.dead_letter_mode,
        doc: "What happens to a message that failed for good: it is rejected, so that its queue's \
              dead-letter exchange gets it; published with the reason in headers and then \
              acknowledged; or acknowledged.",
        ..FAILURES
    },
    Setting {
        name: "dead_letter_exchange",
        value: "EXCHANGE",
        field: |c| &mut c.dead_letter_exchange,
        doc: "With `publish`: to which exchange; the empty name is the default exchange.",
        ..FAILURES
    },
    Setting {
        name: "dead_letter_routing_key",
        value: "KEY",
        field: |c| &mut c.dead_letter_routing_key,
        doc: "With `publish`: with which routing key; empty for the message's own.",
        ..FAILURES
    },
    Setting {
        name: "binary_message",
        value: "BOOL",
        field: |c| &mut c.binary_message,
        doc: "Whether bodies are no text, and shown as base64.",
        ..PAYLOAD
    },
    Setting {
        name: "max_message_bytes",
        value: "SIZE",
        field: |c| &mut c.max_message_bytes,
        doc: "A larger message is refused without a run.",
        ..PAYLOAD
    },
    Setting {
        name: "profile",
        value: "digibee|raw|typed|cloudevents-binary|cloudevents-structured|lambda",
        field: |c| &mut c.profile,
        doc: "The form in which a pipeline is given a message.",
        ..PAYLOAD
    },
    Setting {
        name: "headers",
        value: "plain|typed",
        field: |c| &mut c.headers,
        doc: "How headers are shown as JSON: as plain values, or each with its type on the wire, \
              which loses nothing.",
        ..PAYLOAD
    },
    Setting {
        name: "int64",
        value: "number|string",
        field: |c| &mut c.int64,
        doc: "How 64-bit integers are shown in plain headers; JavaScript needs strings.",
        ..PAYLOAD
    },
    Setting {
        name: "omit_missing",
        value: "BOOL",
        field: |c| &mut c.omit_missing,
        doc: "Whether properties that a message does not have are left out instead of null.",
        ..PAYLOAD
    },
    Setting {
        name: "timestamp_unit",
        value: "s|ms",
        field: |c| &mut c.timestamp_unit,
        doc: "What the property `timestamp` is shown in.",
        ..PAYLOAD
    },
    Setting {
        name: "on_invalid_text",
        value: "base64|replace|dead-letter",
        field: |c| &mut c.on_invalid_text,
        doc: "What happens to text that is not in its character set: it is shown as base64, or \
              with U+FFFD for what is invalid, or fails for good.",
        ..PAYLOAD
    },
    Setting {
        name: "decompress",
        value: "BOOL",
        field: |c| &mut c.decompress,
        doc: "Whether bodies whose content encoding is gzip, deflate or zstd are decompressed.",
        ..PAYLOAD
    },
    Setting {
        name: "cloudevents_type",
        value: "TYPE",
        field: |c| &mut c.cloudevents_type,
        doc: "The `type` of CloudEvents.",
        ..PAYLOAD
    },
    Setting {
        name: "lambda_arn",
        value: "ARN",
        field: |c| &mut c.lambda_arn,
        doc: "The `eventSourceArn` of the profile `lambda`; empty for one made of broker and queue.",
        ..PAYLOAD
    },
    Setting {
        name: "ordering_key",
        value: "KEY",
        field: |c| &mut c.ordering_key,
        doc: "Messages with the same key run one after the other: `message_id`, `correlation_id`, \
              `routing_key` or `headers.NAME`.",
        ..FLOW
    },
    Setting {
        name: "rate_limit_per_s",
        field: |c| &mut c.rate_limit_per_s,
        doc: "Runs started per second; 0 is no limit.",
        ..FLOW
    },
    Setting {
        name: "rate_limit_burst",
        field: |c| &mut c.rate_limit_burst,
        doc: "Runs that may start at once after a quiet time; 0 is those of one second.",
        ..FLOW
    },
    Setting {
        name: "breaker_failures",
        field: |c| &mut c.breaker_failures,
        doc: "Failures in a row after which consuming stops; 0 is never.",
        ..FLOW
    },
    Setting {
        name: "breaker_open_ms",
        value: "MS",
        field: |c| &mut c.breaker_open_ms,
        doc: "For how long, before one message is tried.",
        ..FLOW
    },
    Setting {
        name: "idempotency_key",
        value: "KEY",
        field: |c| &mut c.idempotency_key,
        doc: "A message with the key of one that succeeded here is acknowledged without a run; \
              keys as for `ordering_key`.",
        ..FLOW
    },
    Setting {
        name: "idempotency_ttl_s",
        value: "SECONDS",
        field: |c| &mut c.idempotency_ttl_s,
        doc: "For how long keys are kept, in memory.",
        ..FLOW
    },
    Setting {
        name: "reply_enabled",
        value: "BOOL",
        field: |c| &mut c.reply_enabled,
        doc: "Whether the pipeline's answer is published to the message's `reply-to`.",
        ..FLOW
    },
    Setting {
        name: "http_url",
        value: "URL",
        field: |c| &mut c.http.url,
        doc: "The endpoint, `http://` or `https://`. This or `command_argv` is needed.",
        ..HTTP
    },
    Setting {
        name: "http_method",
        value: "METHOD",
        field: |c| &mut c.http.method,
        doc: "The request's method.",
        ..HTTP
    },
    Setting {
        name: "http_connect_timeout_ms",
        value: "MS",
        field: |c| &mut c.http.connect_timeout_ms,
        doc: "How long it may take to look the endpoint up, to connect and to agree on TLS.",
        ..HTTP
    },
    Setting {
        name: "http_static_headers",
        value: "HEADER",
        field: |c| &mut c.http.static_headers,
        doc: "Headers of every request, such as `X-Tenant: blue`.",
        ..HTTP
    },
    Setting {
        name: "http_pass_headers",
        value: "NAME",
        field: |c| &mut c.http.pass_headers,
        doc: "Headers of the message that become headers of the request; no others do.",
        ..HTTP
    },
    Setting {
        name: "http_follow_redirects",
        value: "BOOL",
        field: |c| &mut c.http.follow_redirects,
        doc: "Only `false`: redirects are never followed.",
        ..HTTP
    },
    Setting {
        name: "http_max_response_bytes",
        value: "SIZE",
        field: |c| &mut c.http.max_response_bytes,
        doc: "How much of an answer is read.",
        ..HTTP
    },
    Setting {
        name: "http_read_response",
        value: "BOOL",
        field: |c| &mut c.http.read_response,
        doc: "Whether `{\"status\":\"RETRY\"}` and `{\"error\":…,\"code\":…}` in an answer mean \
              something.",
        ..HTTP
    },
    Setting {
        name: "http_auth_basic_username",
        value: "NAME",
        field: |c| &mut c.http.auth_basic_username,
        doc: "Who logs in at the endpoint.",
        ..HTTP
    },
    Setting {
        name: "http_auth_basic_password",
        value: "SECRET",
        field: |c| &mut c.http.auth_basic_password,
        doc: "That user's password.",
        ..HTTP
    },
    Setting {
        name: "http_auth_bearer",
        value: "SECRET",
        field: |c| &mut c.http.auth_bearer,
        doc: "A token for the endpoint.",
        ..HTTP
    },
    Setting {
        name: "http_auth_oauth2_token_url",
        value: "URL",
        field: |c| &mut c.http.auth_oauth2_token_url,
        doc: "Where tokens for the endpoint are had (OAuth2 client credentials).",
        ..HTTP
    },
    Setting {
        name: "http_auth_oauth2_client_id",
        value: "ID",
        field: |c| &mut c.http.auth_oauth2_client_id,
        doc: "Who asks for them.",
        ..HTTP
    },
    Setting {
        name: "http_auth_oauth2_client_secret",
        value: "SECRET",
        field: |c| &mut c.http.auth_oauth2_client_secret,
        doc: "That client's secret.",
        ..HTTP
    },
    Setting {
        name: "http_auth_oauth2_scope",
        value: "SCOPE",
        field: |c| &mut c.http.auth_oauth2_scope,
        doc: "For what they are asked.",
        ..HTTP
    },
    Setting {
        name: "http_tls_ca",
        value: "FILE",
        field: |c| &mut c.http.tls_ca,
        doc: "Authorities that sign the endpoint's certificate, as PEM; without it the system's.",
        ..HTTP
    },
    Setting {
        name: "http_tls_cert",
        value: "FILE",
        field: |c| &mut c.http.tls_cert,
        doc: "The trigger's own certificate chain, as PEM, for endpoints that ask for one.",
        ..HTTP
    },
    Setting {
        name: "http_tls_key",
        value: "FILE",
        field: |c| &mut c.http.tls_key,
        doc: "That certificate's private key, as PEM, not encrypted.",
        ..HTTP
    },
    Setting {
        name: "http_sign_standard_webhooks",
        value: "SECRET",
        field: |c| &mut c.http.sign_standard_webhooks,
        doc: "Keys that sign requests as Standard Webhooks says, `whsec_…` or `whsk_…`, one a \
              line; all of them sign, so that keys can be changed.",
        ..HTTP
    },
    Setting {
        name: "http_net_deny",
        value: "NET",
        field: |c| &mut c.http.net_deny,
        doc: "Addresses that are not connected to: `link-local`, `metadata`, `loopback`, \
              `private`, or networks such as `10.0.0.0/8`.",
        ..HTTP
    },
    Setting {
        name: "http_net_allow_private",
        value: "BOOL",
        field: |c| &mut c.http.net_allow_private,
        doc: "Whether addresses of private networks and of this machine may be connected to.",
        ..HTTP
    },
    Setting {
        name: "http_net_pin_dns",
        value: "BOOL",
        field: |c| &mut c.http.net_pin_dns,
        doc: "Whether connections go only to addresses that were looked up and checked for them.",
        ..HTTP
    },
    Setting {
        name: "command_argv",
        value: "TEXT",
        field: |c| &mut c.command.argv,
        doc: "The program and its arguments, without a shell. This or `http_url` is needed.",
        ..COMMAND
    },
    Setting {
        name: "command_stdin",
        value: "envelope|body",
        field: |c| &mut c.command.stdin,
        doc: "What it reads: the message in the trigger's profile, or the body as it is.",
        ..COMMAND
    },
    Setting {
        name: "command_exit_preset",
        value: "sysexits|corvus",
        field: |c| &mut c.command.exit_preset,
        doc: "What exit codes mean. `sysexits`: 0 ok, 65 failed for good, others failed. `corvus`: \
              0 ok, 3 and 5 failed for good, 4 and 6 back to the queue, others failed.",
        ..COMMAND
    },
    Setting {
        name: "command_exit_codes",
        value: "CODE=MEANING",
        field: |c| &mut c.command.exit_codes,
        doc: "Codes that mean something else, such as `3=dead-letter`: ok, retry, dead-letter, \
              requeue or drop.",
        ..COMMAND
    },
    Setting {
        name: "command_max_output_bytes",
        value: "SIZE",
        field: |c| &mut c.command.max_output_bytes,
        doc: "How much of its output is kept as the answer.",
        ..COMMAND
    },
    Setting {
        name: "command_kill_after_ms",
        value: "MS",
        field: |c| &mut c.command.kill_after_ms,
        doc: "How long after SIGTERM its process group gets SIGKILL.",
        ..COMMAND
    },
    Setting {
        name: "command_directory",
        value: "DIR",
        field: |c| &mut c.command.directory,
        doc: "Where it runs; without it, where the trigger does.",
        ..COMMAND
    },
    Setting {
        name: "command_environment",
        value: "VARIABLE",
        field: |c| &mut c.command.environment,
        doc: "Its variables: `NAME=value`, or `NAME` for one that the trigger has itself. It gets \
              no others but PATH, HOME, LANG, TZ and those about the run.",
        ..COMMAND
    },
];
