//! What an administrator sees and changes of the node itself.

use std::fs;
use std::net::TcpStream;
use std::process::Output;

use crate::broker::Broker;
use crate::cli::{leveret, output, stderr, stdout};
use crate::client::Client;
use crate::client::arguments::{exchange, queue};
use crate::server::Server;
use crate::tls::{self, Authority};

/// A command that may fail, of any tool.
fn run(broker: &Broker, words: &[&str]) -> Output {
    output(leveret(broker.dir()).args(words).env("LEVERET_DATA_DIR", broker.data_dir()))
}

/// One that fails, and what it says.
#[track_caller]
fn refused(broker: &Broker, words: &[&str]) -> String {
    let done = run(broker, words);
    assert_eq!(done.status.code(), Some(69), "{}", stdout(&done));
    stderr(&done)
}

/// Listeners come all or none: one that nobody knows of could not be suspended again.
#[test]
fn a_certificate_that_cannot_be_read_keeps_all_listeners_closed() {
    let broker = tls::broker(&Authority::new("authority"), &[]);
    let certificate = broker.dir().join("cert.pem");
    let good = fs::read(&certificate).unwrap();
    broker.ctl(&["suspend_listeners"]);
    fs::write(&certificate, "nothing").unwrap();
    let unread = "cannot read a certificate from cert.pem: the file holds none in PEM form";
    let said = refused(&broker, &["ctl", "resume_listeners"]);
    assert!(said.contains("cert.pem"), "{said}");
    assert!(TcpStream::connect(broker.amqp()).is_err());
    let check = ["diagnostics", "check_certificate_expiration", "--within", "1"];
    let said = refused(&broker, &check);
    assert_eq!(said, format!("Error:\nCertificates that cannot be checked:\n{unread}\n"));
    fs::write(&certificate, good).unwrap();
    broker.ctl(&["resume_listeners"]);
    Client::connect(&broker).channel().silent();
    assert!(run(&broker, &check).status.success());
}

#[test]
fn variables_show_no_secrets() {
    let mut server = Server::in_dir("broker", tempfile::tempdir().unwrap().keep());
    let mut command = leveret(server.dir());
    command.args(["serve", "--amqp-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
    let variables = [
        ("LEVERET_DATA_DIR", "data", "data"),
        ("LEVERET_DEFAULT_PASS", "s3cret", "(set)"),
        // No setting of the broker: it may mean anything to what runs beside it.
        ("LEVERET_OTHER_SERVICE_HOST", "s3cret", "(set)"),
        ("LEVERET_PRODUCT", "amqp://u:s3cret@host", "(set)"),
        ("RABBITMQ_DEFAULT_PASS_FILE", "", "(set)"),
        ("RABBITMQ_ERLANG_COOKIE", "s3cret", "(set)"),
        ("RABBITMQ_SERVER_START_ARGS", "-setcookie s3cret", "(set)"),
        ("RABBITMQ_USE_LONGNAME", "true", "true"),
    ];
    server.launch(command.envs(variables.map(|(name, value, _)| (name, value))));
    let mut command = leveret(server.dir());
    let line = ["diagnostics", "os_env", "-q", "--data-dir", "data"];
    let expected = variables.map(|(name, _, shown)| format!("{name}={shown}\n")).concat();
    assert_eq!(stdout(&output(command.args(line))), expected);
}

#[test]
fn parts_of_the_memory_are_parts_of_what_a_setting_says_there_is() {
    let broker = Broker::with(&["--total-memory-available-override-value", "64GiB"]);
    broker.ctl(&["set_vm_memory_high_watermark", "0.5"]);
    broker.ctl(&["set_disk_free_limit", "mem_relative", "0.25"]);
    let metric = |name| broker.metric(name) / f64::from(1 << 30);
    assert_eq!(metric("rabbitmq_resident_memory_limit_bytes"), 32.0);
    assert_eq!(metric("rabbitmq_disk_space_available_limit_bytes"), 16.0);
}

#[test]
fn the_name_of_the_cluster_is_a_global_parameter() {
    let mut broker = Broker::with(&["--cluster-name", "own"]);
    let named = |broker: &Broker, name: &str| {
        broker.http("/metrics").1.contains(&format!("rabbitmq_cluster=\"{name}\""))
    };
    assert!(named(&broker, "own"));
    broker.ctl(&["set_global_parameter", "cluster_name", "\"hares\""]);
    assert!(named(&broker, "hares"));
    broker.crash();
    assert!(named(&broker, "hares"));
    broker.ctl(&["clear_global_parameter", "cluster_name"]);
    assert!(named(&broker, "own"));
}

/// More than is made in one turn of the node.
#[test]
fn long_listings_are_whole() {
    let broker = Broker::start();
    let channel = Client::connect(&broker).channel();
    channel.declare(&queue("q"));
    for number in 0..300 {
        let name = format!("x{number:03}");
        channel.declare_exchange(&exchange(&name, "fanout"));
        channel.bind("q", &name, "k");
    }
    let sorted = |words: &[&str]| {
        let said = broker.ctl(words);
        let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let names: Vec<String> = (0..300).map(|number| format!("x{number:03}")).collect();
    let mut exchanges = sorted(&["list_exchanges", "-s", "name"]);
    exchanges.retain(|name| name.starts_with('x'));
    assert_eq!(exchanges, names);
    let bindings = sorted(&["list_bindings", "-s", "source_name", "routing_key"]);
    let made = names.iter().map(|name| format!("{name}\tk"));
    let implied = ["\tq".to_owned()].into_iter();
    assert_eq!(bindings, implied.chain(made).collect::<Vec<_>>());
}

#[test]
fn the_default_virtual_host_is_the_only_one() {
    let mut broker = Broker::with(&["--default-vhost", "main"]);
    for _ in 0..2 {
        assert_eq!(broker.ctl(&["list_vhosts", "-s"]), "main\n");
        assert_eq!(broker.ctl(&["list_user_permissions", "guest", "-s"]), "main\t.*\t.*\t.*\n");
        broker.crash();
    }
}

#[test]
fn a_queue_tells_its_memory() {
    let broker = Broker::start();
    let c = Client::connect(&broker).channel();
    c.declare(&queue("full"));
    let memory = || {
        let said = broker.ctl(&["list_queues", "-q", "--no-table-headers", "memory"]);
        said.trim().parse::<u64>().unwrap()
    };
    let empty = memory();
    for _ in 0..1000 {
        c.publish("", "full", "m");
    }
    assert_eq!(c.counts("full").0, 1000);
    assert!(memory() > empty + 1000 && empty > 0);
}
