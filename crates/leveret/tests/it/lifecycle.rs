//! Start and stop: what stdout says, the endpoints, one process per data directory, signals.

use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};

use crate::broker::{Broker, eventually};
use crate::cli::{leveret, output, stderr, stdout};
use crate::client::Client;

fn signal(broker: &Broker, signal: Signal) {
    kill_process(Pid::from_raw(broker.pid().cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn every_listener_is_there_when_startup_is_complete() {
    let broker = Broker::with(&["--amqp-listen", "127.0.0.1:0"]);
    for protocol in ["amqp", "metrics"] {
        let address = broker.address(protocol);
        assert_ne!(address.port(), 0);
        assert!(TcpStream::connect(address).is_ok(), "{protocol}");
    }
    assert_eq!(broker.http("/healthz"), (200, "{\"status\":\"ok\"}\n".into()));
    let (status, metrics) = broker.http("/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("\nrabbitmq_connections "), "{metrics}");
    assert_eq!(metrics.matches("\nrabbitmq_identity_info{").count(), 1);
    assert!(metrics.contains("rabbitmq_endpoint=\"aggregated\"} 1\n"), "{metrics}");
}

#[test]
fn sigterm_and_sigint_stop_cleanly_and_sighup_does_nothing() {
    let mut broker = Broker::start();
    signal(&broker, Signal::HUP);
    eventually("SIGHUP is logged", || broker.stderr().contains("SIGHUP does nothing here"));
    assert_eq!(broker.terminate().code(), Some(0));
    broker.launch();
    signal(&broker, Signal::INT);
    assert_eq!(broker.ended().code(), Some(0));
}

/// A client that does not answer our close keeps the first signal waiting.
#[test]
fn a_second_signal_ends_at_once_and_names_itself_in_the_exit_code() {
    for (last, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut broker = Broker::start();
        let _silent = Client::connect(&broker);
        broker.ask_to_stop();
        eventually("the drain is logged", || broker.stderr().contains("SIGTERM: draining"));
        signal(&broker, last);
        assert_eq!(broker.ended().code(), Some(code));
    }
}

#[test]
fn a_second_process_on_one_data_directory_names_directory_and_pid() {
    let broker = Broker::start();
    let second = output(&mut broker.command());
    let refusal = stderr(&second);
    assert_eq!(second.status.code(), Some(75), "{refusal}");
    let last = refusal.lines().last().unwrap();
    assert!(last.starts_with("leveret: "), "{refusal}");
    assert!(last.contains(broker.data_dir().to_str().unwrap()), "{refusal}");
    assert!(last.contains(&broker.pid().to_string()), "{refusal}");
    assert!(!stdout(&second).contains("Server startup complete"));
}

#[test]
fn a_taken_address_is_named() {
    let broker = Broker::start();
    let address = broker.amqp().to_string();
    let directory = tempfile::tempdir().unwrap();
    let second = output(leveret(directory.path()).args(["--amqp-listen", &address]));
    let refusal = stderr(&second);
    assert_eq!(second.status.code(), Some(69), "{refusal}");
    let expected = format!(
        "leveret: cannot listen on {address} for amqp: address already in use: \
         is another broker running?\n"
    );
    assert!(refusal.ends_with(&expected), "{refusal}");
}

#[test]
fn a_missing_certificate_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let tls = ["--amqps-listen", "127.0.0.1:0", "--tls-cert", "no.pem", "--tls-key", "no.pem"];
    let ports = ["--amqp-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let refused = output(leveret(directory.path()).args(tls).args(ports));
    let refusal = stderr(&refused);
    assert_eq!(refused.status.code(), Some(78), "{refusal}");
    let expected = "leveret: cannot read a certificate from no.pem: No such file or directory";
    assert!(refusal.lines().last().unwrap().starts_with(expected), "{refusal}");
}

#[test]
fn a_json_log_is_json_to_the_last_line() {
    let mut broker = Broker::with(&["--log-format", "json"]);
    assert_eq!(broker.terminate().code(), Some(0));
    let logged = broker.stderr();
    assert!(logged.lines().count() > 1, "{logged}");
    for line in logged.lines() {
        assert!(line.starts_with("{\"timestamp\":") && line.ends_with('}'), "{line}");
    }
}
