//! Runs a command beside a RabbitMQ and a MongoDB that are its own, and tells it where they are.
//!
//! | variable | is |
//! |---|---|
//! | `TEST_RABBITMQ` | RabbitMQ's address |
//! | `TEST_RABBITMQ_CTL` | a program that is `rabbitmqctl` for it |
//! | `TEST_RABBITMQ_VERSION` | what that says to `version` |
//! | `TEST_MONGODB` | MongoDB's address |
//!
//! All of them live in a process namespace, which ends them with this program, however it ends.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::oracle::release::Release;
use crate::oracle::{Oracle, Setup};
use crate::secantus::Secantus;
use crate::{namespace, process};

/// The hidden command that the inner process is started with.
pub(crate) const INSIDE: &str = "inside-with-peers";

/// Ports that RabbitMQ derives from its own: the port mapper's and that of the distribution.
const DERIVED: [u16; 3] = [0, 10_000, 20_000];

/// RabbitMQ's port is one of these, so that all three are below those that the system gives away.
const PORTS: std::ops::Range<u16> = 2_000..12_000;

/// What `cargo xtask with-peers` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Whose RabbitMQ.
    #[arg(long, value_enum, default_value_t, value_name = "RELEASE")]
    rabbitmq: Release,
    #[arg(last = true, required = true, value_name = "CMD")]
    words: Vec<String>,
}

/// What the inner process is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Inside {
    /// The folder of the peers.
    dir: PathBuf,
    #[command(flatten)]
    options: Options,
}

/// `cargo xtask with-peers -- CMD…`.
pub(crate) fn run(options: &Options) -> Result<()> {
    process::check(&mut beside(&options.command()?, options.rabbitmq)?)
}

/// The command that runs another one beside the peers, which are installed first.
pub(crate) fn beside(command: &Command, release: Release) -> Result<Command> {
    release.install()?;
    let name = release.to_possible_value().context("a release has a name")?;
    let mut outer = namespace::own(&[]);
    outer.arg(std::env::current_exe().context("own path")?).arg(INSIDE).arg(place()?);
    outer.args(["--rabbitmq", name.get_name(), "--"]);
    outer.arg(command.get_program()).args(command.get_args());
    Ok(outer)
}

/// The entry of the inner process.
pub(crate) fn inside(Inside { dir, options }: &Inside) -> Result<()> {
    options.rabbitmq.open(&runs())?;
    let rabbitmq = options.rabbitmq.rabbitmq()?;
    let version = rabbitmq.version.clone();
    let amqp = rabbitmq_port(dir)?;
    let mongodb = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let setup = Setup {
        rabbitmq,
        dir: dir.join("rabbitmq"),
        amqp,
        tls: None,
        config: String::new(),
        user: None,
    };
    let control = setup.control(dir)?;
    let oracle = Oracle::start(setup)?;
    let secantus = Secantus::start(&dir.join("mongodb"), mongodb)?;
    let ran = process::check(
        options
            .command()?
            .env("TEST_RABBITMQ", format!("amqp://guest:guest@127.0.0.1:{amqp}"))
            .env("TEST_RABBITMQ_CTL", control)
            .env("TEST_RABBITMQ_VERSION", version)
            .env("TEST_MONGODB", format!("mongodb://127.0.0.1:{mongodb}/?directConnection=true")),
    );
    // RabbitMQ's log is made anew by its last lines.
    drop((oracle, secantus));
    match &ran {
        Ok(()) => std::fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?,
        Err(_) => eprintln!("the peers' logs are in {}", dir.display()),
    }
    ran
}

impl Options {
    /// What is run beside the peers.
    fn command(&self) -> Result<Command> {
        let [program, args @ ..] = &*self.words else { bail!("say what to run") };
        let mut command = Command::new(program);
        command.args(args);
        Ok(command)
    }
}

/// The folder of all runs that go on.
fn runs() -> PathBuf {
    process::peers_dir().join("running")
}

/// A new folder for the peers of one run. Those of runs that ended are removed.
fn place() -> Result<PathBuf> {
    let all = runs();
    std::fs::create_dir_all(&all)?;
    for entry in std::fs::read_dir(&all)? {
        let entry = entry?;
        if !Path::new("/proc").join(entry.file_name()).exists() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    let dir = all.join(std::process::id().to_string());
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// A port that is free, as are those derived from it. Runs at the same time begin to look at
/// different ones.
fn rabbitmq_port(dir: &Path) -> Result<u16> {
    let run: usize = dir.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0);
    let free = |port: &u16| {
        DERIVED.iter().all(|more| TcpListener::bind(("127.0.0.1", port + more)).is_ok())
    };
    let from = run * 37 % PORTS.len();
    PORTS.cycle().skip(from).take(PORTS.len()).find(free).context("no free port for RabbitMQ")
}
