//! Every layer of the delayer's options, every spelling, and what refusals and warnings say.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;

use service::config::{Loaded, Origin, Scalar, Sources};

use super::*;

/// Flags without which nothing runs.
const NEEDED: &[&str] = &["--queue", "retries", "--exchange", "mail"];

/// The command's flags that no row describes.
const OWN: &[(&str, bool)] = &[("config", true)];

/// The outside of one test: files in a directory of its own, variables, a command line.
#[derive(Default, Clone, Copy)]
struct World<'a> {
    files: &'a [(&'a str, &'a str)],
    variables: &'a [(&'a str, &'a str)],
    line: &'a [&'a str],
}

impl World<'_> {
    fn load(&self) -> Result<Loaded<DelayerConfig>, String> {
        self.outcome().map(|(loaded, _)| loaded)
    }

    /// Loads, and prints; the directory reads `DIR` in what is printed and in refusals.
    fn outcome(&self) -> Result<(Loaded<DelayerConfig>, String), String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in self.files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let real = directory.path().to_str().unwrap();
        match self.load_in(real) {
            Ok(loaded) => Ok((loaded.clone(), OPTIONS.print(&loaded).replace(real, "DIR"))),
            Err(refusal) => Err(refusal.replace(real, "DIR")),
        }
    }

    fn load_in(&self, directory: &str) -> Result<Loaded<DelayerConfig>, String> {
        let line = ["delayer"].iter().chain(self.line).map(OsString::from).collect();
        let line = OPTIONS.full_flags(line, OWN).map_err(|refusal| refusal.to_string())?;
        let command = OPTIONS.arguments(clap::Command::new("delayer"));
        let matches = command.try_get_matches_from(line).map_err(|error| error.to_string())?;
        let variables = self.variables.iter();
        let sources = Sources {
            config: None,
            search: vec![directory.into()],
            environment: variables
                .map(|(name, value)| (name.into(), value.replace("DIR", directory).into()))
                .collect(),
            flags: OPTIONS.flags(&matches),
        };
        OPTIONS.load(&sources).map_err(|refusal| refusal.to_string())
    }

    /// The line that `--print-config` shows for `option`, with single spaces.
    fn line_of(&self, option: &str) -> String {
        let printed = match self.outcome() {
            Ok((_, printed)) => printed,
            Err(refusal) => return refusal,
        };
        let named = |line: &&str| line.trim_start_matches("# ").starts_with(option);
        let line = printed.lines().find(named).unwrap_or(&printed);
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// With everything that is needed, and these files and variables beside it.
fn needed<'a>(files: &'a [(&'a str, &'a str)], variables: &'a [(&'a str, &'a str)]) -> World<'a> {
    World { files, variables, line: NEEDED }
}

/// Loads these flags after the needed ones, if they are not given.
fn flags(line: &[&str]) -> Result<Loaded<DelayerConfig>, String> {
    let given = |name: &str| line.iter().any(|flag| flag.starts_with(name));
    let mut whole = line.to_vec();
    for pair in NEEDED.chunks(2).filter(|pair| !given(pair[0])) {
        whole.extend(pair);
    }
    World { line: &whole, ..World::default() }.load()
}

#[track_caller]
fn taken(line: &[&str]) -> DelayerConfig {
    flags(line).unwrap_or_else(|refusal| panic!("{line:?}: {refusal}")).config
}

#[track_caller]
fn refused(line: &[&str], expected: &str) {
    let found = flags(line).map(|_| ()).unwrap_err();
    assert!(found.contains(expected), "{line:?}: {found}");
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file() {
    let files = &[("amqpdelayer.txt", "\nrabbitmq-qos: 1001\n")];
    let of = |variables: &[(&str, &str)], line: &[&str]| {
        let line = [NEEDED, line].concat();
        World { files, variables, line: &line }.line_of("rabbitmq-qos")
    };
    assert_eq!(needed(&[], &[]).line_of("rabbitmq-qos"), "rabbitmq-qos: 1000 # default");
    assert_eq!(of(&[], &[]), "rabbitmq-qos: 1001 # DIR/amqpdelayer.txt:2");
    let ours = ("LEVERET_DELAYER_RABBITMQ_QOS", "1003");
    let theirs = ("AMQPDELAYER_RABBITMQ_QOS", "1002");
    let shown = "rabbitmq-qos: 1002 # environment AMQPDELAYER_RABBITMQ_QOS";
    assert_eq!(of(&[theirs], &[]), shown);
    let shown = "rabbitmq-qos: 1003 # environment LEVERET_DELAYER_RABBITMQ_QOS";
    assert_eq!(of(&[ours, theirs], &[]), shown);
    assert_eq!(of(&[theirs, ours], &[]), shown);
    let shown = "rabbitmq-qos: 1004 # flag --rabbitmq-qos";
    assert_eq!(of(&[ours, theirs], &["--rabbitmq-qos=1004"]), shown);
    assert_eq!(of(&[ours, theirs], &["--qos", "1004"]), shown);
}

#[test]
fn names_are_taken_with_and_without_prefix_and_with_either_dash() {
    for name in ["storage-groupsize", "storage_groupsize", "groupsize", "group-size", "GROUPSIZE"] {
        assert_eq!(taken(&[&format!("--{name}"), "7"]).storage_groupsize, 7, "{name}");
        assert_eq!(taken(&[&format!("--{name}=7")]).storage_groupsize, 7, "{name}");
        let line = format!("{name}: 7");
        let files = [("amqpdelayer.txt", &*line)];
        assert_eq!(needed(&files, &[]).load().unwrap().config.storage_groupsize, 7, "{name}");
        let variable = format!("AMQPDELAYER_{}", name.to_uppercase().replace('-', "_"));
        let variables = [(&*variable, "7")];
        assert_eq!(needed(&[], &variables).load().unwrap().config.storage_groupsize, 7, "{name}");
    }
    let all: Vec<&str> = OPTIONS.table.iter().map(|row| row.name).collect();
    let short = all
        .iter()
        .filter_map(|name| SPELLING.optional.iter().find_map(|part| name.strip_prefix(part)));
    for short in short.filter(|short| *short != "address") {
        let line = ["delayer".into(), format!("--{short}").into()].to_vec();
        assert!(OPTIONS.full_flags(line, OWN).is_ok(), "{short} is not clear");
    }
    refused(&["--address", "x"], "--rabbitmq-address or --storage-address?");
}

#[test]
fn a_value_that_looks_like_a_flag_is_a_value() {
    let config = taken(&["--routingkey", "--group_size", "--groupsize", "7"]);
    assert_eq!(config.rabbitmq_routingkey, "--group_size");
    assert_eq!(config.storage_groupsize, 7);
}

#[test]
fn files_have_comments_quotes_and_odd_line_ends() {
    const TEXT: &str = "\u{feff}# retries of MailerQ\r\n\r\n  rabbitmq-queue :  retries \r\n\
        rabbitmq-exchange:\r\nrouting_key: \"a # \\\"b\\\"\" # quoted\r\n\
        storage-address: '/var/lib/x y'\r\nqos:200 # enough\r\nmin-delay: 5\n";
    let world = World { files: &[("amqpdelayer.txt", TEXT)], ..World::default() };
    let config = world.load().unwrap().config;
    assert_eq!(config.rabbitmq_queue, "retries");
    assert_eq!(config.rabbitmq_exchange.as_deref(), Some(""));
    assert_eq!(config.rabbitmq_routingkey, "a # \"b\"");
    assert_eq!(config.storage_address, StorageAddress::Path("/var/lib/x y".into()));
    assert_eq!((config.rabbitmq_qos, config.min_delay.0.as_secs()), (200, 5));
    assert_eq!(world.line_of("rabbitmq-qos"), "rabbitmq-qos: 200 # DIR/amqpdelayer.txt:7");
}

#[test]
fn what_a_file_cannot_say_is_refused_with_its_line() {
    for (text, expected) in [
        ("a\nb", "DIR/amqpdelayer.txt:1: expected `name: value`"),
        (
            "# x\nqos = 5:1",
            "DIR/amqpdelayer.txt:2: expected `name: value`, with the colon behind the name",
        ),
        (
            "rabbitmq-address=amqp://u:secret@h",
            "DIR/amqpdelayer.txt:1: expected `name: value`, with the colon behind the name",
        ),
        (
            "queue: \"a",
            "DIR/amqpdelayer.txt:1: the value begins with a quote, but is not one quoted text",
        ),
        (
            "qos: 200\n\nrabbitmq_qos: 300",
            "DIR/amqpdelayer.txt:3: rabbitmq-qos is already set in line 1",
        ),
        (
            "rabbitmq-license: x",
            "DIR/amqpdelayer.txt:1: unknown setting rabbitmq-license; docs/delayer-options.md \
             lists every setting",
        ),
        (
            "rabbitmq-queeu: x",
            "DIR/amqpdelayer.txt:1: unknown setting rabbitmq-queeu; did you mean rabbitmq-queue?",
        ),
        (
            "rabbitmq-groupsize: 9",
            "DIR/amqpdelayer.txt:1: unknown setting rabbitmq-groupsize; did you mean \
             storage-groupsize?",
        ),
        (
            "address: x",
            "DIR/amqpdelayer.txt:1: unknown setting address; did you mean rabbitmq-address or \
             storage-address?",
        ),
        (
            "mode: on",
            "DIR/amqpdelayer.txt:1: mode: expected one of both, delay, revive, got \"on\"",
        ),
    ] {
        assert_eq!(needed(&[("amqpdelayer.txt", text)], &[]).load().unwrap_err(), expected);
    }
}

#[test]
fn unknown_variables_and_flags_are_refused_with_the_nearest() {
    for (variable, expected) in [
        (
            "AMQPDELAYER_LICENSE",
            "unknown environment variable AMQPDELAYER_LICENSE; docs/delayer-options.md lists every \
             setting",
        ),
        (
            "AMQPDELAYER_RABBITMQ_QUEE",
            "unknown environment variable AMQPDELAYER_RABBITMQ_QUEE; did you mean \
             AMQPDELAYER_RABBITMQ_QUEUE?",
        ),
        (
            "LEVERET_DELAYER_THROTLE",
            "unknown environment variable LEVERET_DELAYER_THROTLE; did you mean \
             LEVERET_DELAYER_THROTTLE?",
        ),
    ] {
        assert_eq!(needed(&[], &[(variable, "x")]).load().unwrap_err(), expected);
    }
    // The broker's own variables are nobody's business here.
    assert!(needed(&[], &[("LEVERET_DATA_DIR", "x"), ("LEVERET_NONE", "x")]).load().is_ok());
    refused(&["--throtle", "5"], "unknown flag --throtle; did you mean --throttle?");
    refused(&["--batch-sise=5"], "did you mean --batchsize?");
    refused(
        &["--nonsense"],
        "unknown flag --nonsense; docs/delayer-options.md lists every setting",
    );
    refused(&["--qos", "9", "--rabbitmq-qos", "8"], "cannot be used multiple times");
}

#[test]
fn two_variables_for_one_option_are_refused() {
    let variables = [("AMQPDELAYER_QOS", "200"), ("AMQPDELAYER_RABBITMQ_QOS", "300")];
    assert_eq!(
        needed(&[], &variables).load().unwrap_err(),
        "AMQPDELAYER_RABBITMQ_QOS: the same setting as AMQPDELAYER_QOS: keep one of them"
    );
}

#[test]
fn variables_of_a_kubernetes_service_are_not_ours() {
    let links = [
        ("AMQPDELAYER_SERVICE_HOST", "10.0.0.1"),
        ("AMQPDELAYER_SERVICE_PORT", "80"),
        ("AMQPDELAYER_PORT", "tcp://10.0.0.1:80"),
        ("AMQPDELAYER_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(needed(&[], &links).load().unwrap().config.www_port, WwwPort::Off);
    let own = [("AMQPDELAYER_WWW_PORT", "8485")];
    assert_eq!(needed(&[], &own).load().unwrap().config.www_port, WwwPort::Port(8485));
}

#[test]
fn passwords_come_from_files_and_are_never_shown() {
    const URL: &str = "amqps://mailer:s3cret@a:1/v,amqp://b";
    let masked = "amqps://mailer:***@a:1/v,amqp://guest:***@b:5672/";
    let shown = needed(&[], &[("AMQPDELAYER_RABBITMQ_ADDRESS", URL)]).line_of("rabbitmq-address");
    let expected =
        format!("# rabbitmq-address: {masked} # environment AMQPDELAYER_RABBITMQ_ADDRESS");
    assert_eq!(shown, expected);
    let url = format!("{URL}\n");
    let files = [("url", &*url)];
    let world = needed(&files, &[("AMQPDELAYER_RABBITMQ_ADDRESS_FILE", "DIR/url")]);
    let loaded = world.load().unwrap();
    assert_eq!(loaded.config.rabbitmq_address.0[0].password.0, "s3cret");
    assert_eq!(
        world.line_of("rabbitmq-address"),
        format!("# rabbitmq-address: {masked} # environment AMQPDELAYER_RABBITMQ_ADDRESS_FILE")
    );
    assert!(!format!("{:?}", loaded.config).contains("s3cret"));
    let refusal = needed(&[], &[("AMQPDELAYER_RABBITMQ_ADDRESS", "amqp://u:s3cret/host/vhost")]);
    let refusal = refusal.load().unwrap_err();
    assert!(refusal.contains("did you mean amqp://user:password@hostname/vhost?"), "{refusal}");
    assert!(!refusal.contains("s3cret"), "{refusal}");
    for (given, shown) in [
        ("mongodb://u:s3cret@h/db/c", "# storage-address: mongodb://u:***@h/db/c"),
        ("mongodb://u:s3/cr@et@h/db/c", "# storage-address: mongodb://u:***@h/db/c"),
        ("mongodb://h:27017/db/c?w=1", "storage-address: mongodb://h:27017/db/c?w=1"),
        (
            "mongodb://h/db/c?tlsCertificateKeyFilePassword=s3cret",
            "# storage-address: mongodb://h/db/c?tlsCertificateKeyFilePassword=***",
        ),
    ] {
        let line = [NEEDED, &["--storage-address", given]].concat();
        let world = World { line: &line, ..World::default() };
        assert_eq!(world.line_of("storage-address"), format!("{shown} # flag --storage-address"));
        assert!(!format!("{:?}", world.load().unwrap().config).contains("s3cret"));
    }
    refused(&["--storage-address", "redis://u:s3cret@h"], "expected a directory");
}

#[test]
fn storage_addresses_say_which_store() {
    for (address, engine, expected) in [
        ("/d", "log", Storage::Log(Path::new("/d"))),
        ("/d", "lmdb", Storage::Lmdb(Path::new("/d"))),
        ("file:///d", "log", Storage::Log(Path::new("/d"))),
        ("lmdb:///d", "log", Storage::Lmdb(Path::new("/d"))),
        ("mongodb://h/db/c", "log", Storage::Mongo("mongodb://h/db/c")),
        ("mongodb+srv://h/db/c", "lmdb", Storage::Mongo("mongodb+srv://h/db/c")),
    ] {
        let config = taken(&["--storage-address", address, "--engine", engine]);
        assert_eq!(config.storage(), expected, "{address}");
    }
    for address in ["", "lmdb://", "mongodb://", "http://h"] {
        refused(&["--storage-address", address], "expected a directory");
    }
}

#[test]
fn words_are_read_in_every_usual_form() {
    assert_eq!(taken(&["--mode", "delay-only"]).mode, Mode::Delay);
    assert_eq!(taken(&["--mode", "Revive_Only"]).mode, Mode::Revive);
    assert_eq!(taken(&["--usereplyto", "yes"]).rabbitmq_usereplyto, UseReplyTo::True);
    assert_eq!(taken(&["--usereplyto", "split"]).rabbitmq_usereplyto, UseReplyTo::Split);
    let sources = taken(&["--due-sources", "x_delay,timestamp"]).due_sources;
    assert_eq!(sources, [DueSource::XDelay, DueSource::Timestamp]);
    for (text, ms) in [("5", 5000), ("0.25", 250), ("250ms", 250), ("2h", 7_200_000)] {
        assert_eq!(taken(&["--max-delay", text]).max_delay.0.as_millis(), ms, "{text}");
    }
    for text in ["", ".", "-1", "1e3", "NaN", "inf", "1w", "999999999999", "99999999d"] {
        assert!(Seconds::parse(text).is_err(), "{text}");
    }
    let listen = |port, ip| taken(&["--www-port", port, "--www-ip", ip]).www_listen();
    assert_eq!(listen("0", "127.0.0.1"), []);
    assert_eq!(listen("auto", "::1")[0].to_string(), "[::1]:0");
    assert_eq!(listen("8485", "0.0.0.0")[0].to_string(), "0.0.0.0:8485");
}

#[test]
fn what_cannot_work_is_refused_at_its_option() {
    for (line, expected) in [
        (&["--queue", ""][..], "--rabbitmq-queue: no queue to read from"),
        (&["--qos", "100"], "--rabbitmq-qos: must be greater than storage-groupsize"),
        (&["--qos", "0"], "--rabbitmq-qos: must be greater than storage-groupsize"),
        (&["--qos", "65536"], "--rabbitmq-qos: expected a whole number from 0 to 65535"),
        (&["--groupsize", "0"], "--storage-groupsize: must be at least 1"),
        (&["--throttle", "0"], "--rabbitmq-throttle: must be at least 1"),
        (&["--batchsize", "0"], "--storage-batchsize: must be at least 1"),
        (&["--batchsize", "100"], "--storage-batchsize: must be less than rabbitmq-throttle"),
        (&["--timeout", "0"], "--storage-timeout: must be longer than 0"),
        (&["--mapsize", "1023KiB"], "--storage-mapsize: too small: at least 1MiB"),
        (&["--exchange", ""], "rabbitmq-routingkey: messages would go round for ever"),
        (&["--exchange", "", "--routingkey", "retries"], "--rabbitmq-routingkey: messages would"),
        (&["--min-delay", "10", "--max-delay", "9"], "--min-delay: must not be longer"),
        (&["--due-sources", ""], "--due-sources: no message would ever be delayed"),
        (&["--cert", "c"], "--rabbitmq-cert: rabbitmq-cert and rabbitmq-key belong together"),
        (&["--key", "k"], "--rabbitmq-key: rabbitmq-cert and rabbitmq-key belong together"),
        (&["--www-ip", "a b"], "--www-ip: expected an address"),
        (&["--shutdown", "return", "--storage-address", "mongodb://h/d/c"], "--shutdown: messages"),
        (
            &["--shutdown", "forward", "--storage-address", "mongodb://h/d/c"],
            "--shutdown: messages",
        ),
        (&["--mode", "revive", "--queue", "", "--shutdown", "return"], "to return messages to"),
        (&["--rabbitmq-address", "localhost"], "--rabbitmq-address: the address does not start"),
        (&["--rabbitmq-address", "amqp://a,,amqp://b"], "there is an empty address in the list"),
    ] {
        refused(line, expected);
    }
    let without = World { line: &["--queue", "q"], ..World::default() };
    let refusal = without.load().unwrap_err();
    assert!(refusal.starts_with("rabbitmq-exchange: no exchange to publish to"), "{refusal}");
}

#[test]
fn what_is_unusual_but_works_is_taken() {
    for line in [
        &["--mode", "revive", "--queue", ""][..],
        &["--mode", "delay", "--shutdown", "forward"],
        &["--exchange", "", "--routingkey", "outbox"],
        &["--exchange", "", "--usereplyto", "true"],
        &["--min-delay", "10", "--max-delay", "0"],
        &["--min-delay", "10", "--max-delay", "10"],
        &["--qos", "65535", "--groupsize", "65534"],
        &["--throttle", "2", "--batchsize", "1"],
    ] {
        taken(line);
    }
}

#[test]
fn what_may_not_be_meant_is_told() {
    let told = |line: &[&str]| warnings(&flags(line).unwrap()).join("; ");
    assert_eq!(told(&[]), "");
    let mongo = ["--storage-address", "mongodb://h/d/c"];
    assert_eq!(told(&mongo), "");
    let mapsize = [&mongo[..], &["--mapsize", "64GiB"]].concat();
    assert_eq!(told(&mapsize), "storage-mapsize means nothing to MongoDB");
    for (line, expected) in [
        (&["--exchange", "", "--usereplyto", "true"][..], "messages without reply-to"),
        (&["--ca", "ca.pem"], "without an amqps:// address"),
        (&["--timestamp-unit", "auto", "--due-sources", "x-delay"], "timestamp-unit means nothing"),
        (&["--storage-address", "lmdb:///d", "--engine", "log"], "begins with lmdb://"),
    ] {
        assert!(told(line).contains(expected), "{line:?}: {}", told(line));
    }
    assert_eq!(told(&["--ca", "ca.pem", "--rabbitmq-address", "amqps://h"]), "");
}

#[test]
fn what_is_printed_can_be_read_again() {
    let line = [NEEDED, &["--routingkey", " # ", "--due-sources", "x-delay,timestamp"]].concat();
    let first = World { line: &line, ..World::default() }.load().unwrap();
    let printed = OPTIONS.print(&first);
    let files = [("amqpdelayer.txt", &*printed)];
    let second = World { files: &files, ..World::default() }.load().unwrap();
    assert_eq!(format!("{:?}", second.config), format!("{:?}", first.config));
    assert!(matches!(second.origin("rabbitmq-qos"), Origin::File { .. }));
}

#[test]
fn every_field_has_one_row_and_sections_stand_together() {
    let names: BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len(), "a name twice");
    let mut config = DelayerConfig::default();
    let fields: BTreeSet<*const ()> = TABLE
        .iter()
        .map(|row| (row.field)(&mut config) as *mut dyn service::config::Field as *const ())
        .collect();
    assert_eq!(fields.len(), TABLE.len(), "two rows set one field");
    let mut sections: Vec<_> = TABLE.iter().map(|row| row.section).collect();
    sections.dedup();
    let distinct: BTreeSet<_> = sections.iter().collect();
    assert_eq!(sections.len(), distinct.len(), "{sections:?}");
    assert!(TABLE.iter().all(|row| row.doc.ends_with('.')), "a doc is not a sentence");
}
