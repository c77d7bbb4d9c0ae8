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

use clap::{Parser, Subcommand};

/// Developer commands. No command of a user lives here.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every check and test.
    Test(test::Options),
    /// File sizes, headers, crate arrows, what ARCHITECTURE.md names.
    Tidy,
    /// Installs the brokers and clients that the tests use.
    Peers,
    /// Runs a command beside a RabbitMQ and a MongoDB of its own, which TEST_RABBITMQ,
    /// TEST_RABBITMQ_CTL, TEST_RABBITMQ_VERSION and TEST_MONGODB name.
    WithPeers(with_peers::Options),
    /// Runs compatibility suites and compares them with the recorded oracle.
    Suite(suite::Options),
    /// Runs the suites on the oracle and writes xtask/oracle/NAME.txt.
    Oracle {
        /// Suites; all without one.
        #[arg(long, required = true, num_args = 0.., value_name = "NAME")]
        record: Vec<String>,
    },
    /// Kills a working broker over and over and checks what it kept.
    Crash(crash::Options),
    /// Measures the load generator's scenarios and prints a Markdown table.
    Bench(bench::Options),
    /// Measures delayed exchanges: punctual, scattered, beside, hold (which needs 13 GB of disk).
    BenchDelayed(rounds::Options),
    /// Measures the delayer with Leveret as its broker: store, store-uniform, revive,
    /// revive-uniform, punctual, memory (which needs 45 GB of disk).
    BenchDelayer(delayer::DelayerOptions),
    /// Measures the trigger with Leveret as its broker: throughput, throughput-auto,
    /// throughput-raw, throughput-tls, live, latency, idle, command. The endpoint is a thread of
    /// xtask: cargo run --release -p xtask -- bench-trigger
    BenchTrigger(rounds::Repeated),
    /// Measures DMQ nodes: receive, receive-htable, loop, loop-htable, nodes. Requests come from
    /// xtask: cargo run --release -p xtask -- bench-dmq
    BenchDmq(rounds::Repeated),
    #[command(name = with_peers::INSIDE, hide = true)]
    InsideWithPeers(with_peers::Inside),
    #[command(name = namespace::INSIDE, hide = true)]
    InsideNamespace(Words),
}

/// What a process of ours is told that runs in a namespace.
#[derive(Debug, clap::Args)]
struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

fn main() -> ExitCode {
    let done = match Xtask::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Tidy => tidy::run(),
        Command::Peers => peers::run(),
        Command::WithPeers(options) => with_peers::run(&options),
        Command::Suite(options) => suite::run(&options),
        Command::Oracle { record } => suite::record(&record),
        Command::Crash(options) => crash::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::BenchDelayed(options) => delayed::run(&options),
        Command::BenchDelayer(options) => delayer::run(&options),
        Command::BenchTrigger(options) => trigger::run(&options),
        Command::BenchDmq(options) => dmq::run(&options),
        Command::InsideWithPeers(inside) => with_peers::inside(&inside),
        Command::InsideNamespace(Words { words }) => namespace::inside(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
