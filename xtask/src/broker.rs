//! A broker under test: Leveret or the oracle, started the same way.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::oracle::release::Release;
use crate::oracle::{Oracle, Setup};
use crate::process::{self, Running};

/// How long Leveret may take until it serves, recovery of a large data folder included.
const START: Duration = Duration::from_secs(60);

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Leveret,
    Oracle,
}

impl Kind {
    pub(crate) const ALL: [Kind; 2] = [Kind::Leveret, Kind::Oracle];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Leveret => "leveret",
            Kind::Oracle => "oracle",
        }
    }

    pub(crate) fn parse(name: &str) -> Result<Self> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.with_context(|| format!("no broker {name}"))
    }
}

/// How a broker speaks TLS.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub port: u16,
    /// Has `ca.pem`, `server.pem` and `server.key`.
    pub certificates: PathBuf,
    pub clients: Clients,
}

/// What clients do that speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    ShowCertificates,
    MayShowCertificates,
}

impl Clients {
    /// Whether one without a certificate is refused.
    pub(crate) fn have_to(self) -> bool {
        self == Clients::ShowCertificates
    }
}

/// What a suite wants of its broker.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// A folder for all that the broker writes.
    pub dir: PathBuf,
    /// AMQP on loopback.
    pub amqp: u16,
    /// AMQP over TLS on loopback.
    pub tls: Option<Tls>,
    /// A user that takes guest's place.
    pub user: Option<(&'static str, &'static str)>,
    /// The product name that Leveret gives clients; the oracle has but one.
    pub product: Option<String>,
}

/// A running broker; dropping it ends it.
#[derive(Debug)]
pub(crate) enum Broker {
    Leveret(Leveret),
    Oracle(Oracle),
}

impl Broker {
    pub(crate) fn start(kind: Kind, wanted: &Wanted) -> Result<Self> {
        std::fs::create_dir_all(&wanted.dir)?;
        match kind {
            Kind::Leveret => Leveret::start(&Launch::of(wanted)?).map(Self::Leveret),
            Kind::Oracle => Oracle::start(Setup {
                rabbitmq: Release::Debian12.rabbitmq()?,
                dir: wanted.dir.clone(),
                amqp: wanted.amqp,
                tls: wanted.tls.clone(),
                config: String::new(),
                user: wanted.user,
            })
            .map(Self::Oracle),
        }
    }

    /// Sends SIGKILL to the broker's process.
    pub(crate) fn kill(mut self) -> Result<()> {
        match &mut self {
            Self::Leveret(leveret) => leveret.server.kill().map(drop),
            Self::Oracle(oracle) => oracle.kill(),
        }
    }

    /// Writes a program into `dir` that is `rabbitmqctl` for this broker.
    pub(crate) fn control(&self, dir: &Path) -> Result<PathBuf> {
        match self {
            Self::Leveret(leveret) => leveret.control(dir),
            Self::Oracle(oracle) => oracle.setup.control(dir),
        }
    }

    /// Its name, for `rabbitmqctl -n`.
    pub(crate) fn node(&self) -> String {
        match self {
            Self::Leveret(_) => "leveret@localhost".to_owned(),
            Self::Oracle(oracle) => oracle.setup.node(),
        }
    }

    /// The process whose CPU time and memory count.
    pub(crate) fn pid(&self) -> Result<u32> {
        match self {
            Self::Leveret(leveret) => Ok(leveret.server.pid()),
            Self::Oracle(oracle) => oracle.pid(),
        }
    }
}

/// Names a binary that is used as it is, instead of one that is built here.
pub(crate) const PATH_VARIABLE: &str = "XTASK_LEVERET";

/// The binary that is tested.
pub(crate) fn leveret_path() -> PathBuf {
    match std::env::var_os(PATH_VARIABLE) {
        Some(path) => path.into(),
        None => process::target().join("debug/leveret"),
    }
}

/// Builds [`leveret_path`]: with all assertions, and from what the unit tests compiled already.
pub(crate) fn build() -> Result<()> {
    build_with("dev").map(drop)
}

/// Builds what users run; for measurements.
pub(crate) fn build_release() -> Result<PathBuf> {
    build_with("release")
}

/// The binary is below the folder of the same name, but for `dev`.
fn build_with(profile: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(PATH_VARIABLE) {
        return Ok(path.into());
    }
    let mut command = Command::new(crate::peers::cargo());
    command.args(["build", "--quiet", "--package", "leveret", "--profile", profile]);
    process::check(command.current_dir(process::root()))?;
    Ok(process::target().join(profile).join("leveret"))
}

/// How to start Leveret.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub data: PathBuf,
    pub amqp: u16,
    pub metrics: u16,
    /// The settings file.
    pub config: Option<PathBuf>,
    /// Standard output and error are added to it.
    pub log: PathBuf,
    /// What comes before the binary, such as a tracer with its arguments.
    pub before: Vec<String>,
}

impl Launch {
    fn of(wanted: &Wanted) -> Result<Self> {
        let config = wanted.dir.join("leveret.toml");
        std::fs::write(&config, config_file(wanted)).context("leveret.toml")?;
        Ok(Self {
            data: wanted.dir.join("data"),
            amqp: wanted.amqp,
            metrics: 15692,
            config: Some(config),
            log: wanted.dir.join("leveret.log"),
            before: Vec::new(),
        })
    }

    fn command(&self) -> Command {
        let binary = leveret_path();
        let mut command = match self.before.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command.arg("serve").arg("--data-dir").arg(&self.data);
        command.args(["--amqp-listen", &format!("127.0.0.1:{}", self.amqp)]);
        command.args(["--metrics-listen", &format!("127.0.0.1:{}", self.metrics)]);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command
    }
}

fn config_file(wanted: &Wanted) -> String {
    let mut text = String::new();
    if let Some(product) = &wanted.product {
        text.push_str(&format!("product = {product:?}\n"));
    }
    if let Some(Tls { port, certificates: dir, clients }) = &wanted.tls {
        text.push_str(&format!(
            "amqps_listen = \"127.0.0.1:{port}\"\ntls_cert = {:?}\ntls_key = {:?}\ntls_ca = {:?}\n\
             tls_verify = \"verify_peer\"\ntls_fail_if_no_peer_cert = {}\n",
            dir.join("server.pem"),
            dir.join("server.key"),
            dir.join("ca.pem"),
            clients.have_to(),
        ));
    }
    if let Some((name, password)) = wanted.user {
        text.push_str(&format!("default_user = {name:?}\ndefault_pass = {password:?}\n"));
    }
    text
}

/// A running Leveret.
#[derive(Debug)]
pub(crate) struct Leveret {
    pub server: Running,
    data: PathBuf,
    log: PathBuf,
}

impl Leveret {
    /// Starts it and waits until it says that it serves.
    pub(crate) fn start(launch: &Launch) -> Result<Self> {
        let said_before = starts_in(&launch.log);
        let server = process::start(&mut launch.command(), &launch.log)?;
        let (data, log) = (launch.data.clone(), launch.log.clone());
        let mut leveret = Self { server, data, log };
        let mut early = None;
        let up = process::until(START, || {
            early = leveret.server.ended().ok().flatten();
            (early.is_some() || starts_in(&launch.log) > said_before).then_some(())
        });
        match (up, early) {
            (Some(()), None) => Ok(leveret),
            (_, Some(status)) => bail!("leveret ended with {status}:\n{}", leveret.said()),
            (None, None) => bail!("leveret did not start in {START:?}:\n{}", leveret.said()),
        }
    }

    /// Links the binary as `rabbitmqctl`, with a script before it that says which data folder.
    fn control(&self, dir: &Path) -> Result<PathBuf> {
        let link = dir.join("bin");
        std::fs::create_dir_all(&link)?;
        let link = link.join("rabbitmqctl");
        std::os::unix::fs::symlink(std::path::absolute(leveret_path())?, &link)?;
        let mut command = Command::new(link);
        command.env("LEVERET_DATA_DIR", &self.data);
        process::script(&dir.join("rabbitmqctl"), &command)
    }

    /// The end of what it printed.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        process::tail(&text, 3000).to_owned()
    }
}

/// How often the log says that a start was complete.
fn starts_in(log: &Path) -> usize {
    std::fs::read_to_string(log).map_or(0, |text| text.matches("Server startup complete").count())
}
