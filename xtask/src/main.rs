//! Developer commands: `cargo xtask help` lists them. No command of a user lives here.

mod bench;
mod broker;
mod crash;
mod delayed;
mod delayer;
mod dmq;
mod known;
mod load;
mod namespace;
mod oracle;
mod peers;
mod process;
mod program;
mod rounds;
mod secantus;
mod suite;
mod test;
mod tidy;
mod trigger;
mod with_peers;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test [--only PART,…]     every check and test; PART is one of fmt, clippy, tidy, unit, doc, peers, crash
  tidy                     file sizes, headers, crate arrows, what ARCHITECTURE.md names
  peers                    installs the brokers and clients that the tests use
  with-peers -- CMD…       runs a command beside a RabbitMQ and a MongoDB of its own, which
                           TEST_RABBITMQ, TEST_RABBITMQ_CTL and TEST_MONGODB name
  suite [NAME…] [--oracle]
                           runs compatibility suites and compares them with the recorded oracle;
                           --oracle runs the oracle beside it
  oracle --record [NAME…]  runs the suites on the oracle and writes xtask/oracle/NAME.txt
  crash --rounds N [--seed S] [--kind KIND]
                           kills a working broker over and over and checks what it kept
  bench --loadgen DIR [--oracle] [--rounds N] [--only NAME,…]
                           measures the load generator's scenarios and prints a Markdown table
  bench-delayed [--only NAME,…] [--messages N] [--program LEVERET] [--dir DIR]
                           measures delayed exchanges; NAME is one of punctual, scattered, beside,
                           hold (which needs 13 GB of disk)
  bench-delayer [--only NAME,…] [--messages N] [--memory-messages N] [--engine log|lmdb] [--dir DIR]
                           measures the delayer with Leveret as its broker; NAME is one of store,
                           store-uniform, revive, revive-uniform, punctual, memory (which needs 45 GB of disk)
  bench-trigger [--only NAME,…] [--rounds N] [--messages N] [--program LEVERET] [--dir DIR]
                           measures the trigger with Leveret as its broker; NAME is one of throughput,
                           throughput-auto, throughput-raw, throughput-tls, live, latency, idle, command;
                           the endpoint is a thread of xtask: cargo run --release -p xtask -- bench-trigger
  bench-dmq [--only NAME,…] [--rounds N] [--messages N] [--program LEVERET] [--dir DIR]
                           measures DMQ nodes; NAME is one of receive, receive-htable, loop, loop-htable,
                           nodes; requests come from xtask: cargo run --release -p xtask -- bench-dmq
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &args[..]),
    };
    let done = match command {
        "test" => test::run(rest),
        "tidy" => tidy::run(rest),
        "peers" => peers::run(rest),
        "suite" => suite::run(rest),
        "oracle" => suite::record(rest),
        "crash" => crash::run(rest),
        "bench" => bench::run(rest),
        "bench-delayed" => delayed::run(rest),
        "bench-delayer" => delayer::run(rest),
        "bench-trigger" => trigger::run(rest),
        "bench-dmq" => dmq::run(rest),
        "with-peers" => with_peers::run(rest),
        with_peers::INSIDE => with_peers::inside(rest),
        namespace::INSIDE => namespace::inside(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(anyhow::anyhow!("unknown command {other}; cargo xtask help lists them")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
