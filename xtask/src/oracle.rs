//! Starts Debian's RabbitMQ as the broker that ours is held against.
//!
//! Everything it writes is in one folder, and its ports are its own, the port mapper's included.

pub(crate) mod release;

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::broker::Tls;
use crate::oracle::release::RabbitMq;
use crate::process::{self, Running};

/// A cold start takes about six seconds on an idle core.
const START: Duration = Duration::from_secs(90);

/// What the oracle listens on; three further ports are derived from `amqp`.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// What is run.
    pub rabbitmq: RabbitMq,
    /// Everything it writes.
    pub dir: PathBuf,
    /// AMQP on 127.0.0.1 and ::1.
    pub amqp: u16,
    /// AMQP over TLS on 127.0.0.1.
    pub tls: Option<Tls>,
    /// Further lines of `rabbitmq.conf`.
    pub config: String,
    /// A user that takes guest's place.
    pub user: Option<(&'static str, &'static str)>,
}

/// A running oracle.
#[derive(Debug)]
pub(crate) struct Oracle {
    server: Running,
    pub setup: Setup,
}

impl Oracle {
    /// Starts it and waits until it serves.
    pub(crate) fn start(setup: Setup) -> Result<Self> {
        std::fs::create_dir_all(&setup.dir)?;
        std::fs::write(setup.dir.join("rabbitmq.conf"), setup.config_file())?;
        std::fs::write(setup.dir.join("enabled_plugins"), "[].\n")?;
        let log = setup.dir.join("output.log");
        let mut command = setup.command("rabbitmq-server");
        let server = process::start(&mut command, &log)?;
        let mut oracle = Self { server, setup };
        let address = SocketAddr::from(([127, 0, 0, 1], oracle.setup.amqp));
        let mut early = None;
        let up = process::until(START, || {
            early = oracle.server.ended().ok().flatten();
            (early.is_some() || TcpStream::connect(address).is_ok()).then_some(())
        });
        if up.is_none() || early.is_some() {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            bail!("the oracle did not start:\n{}", process::tail(&text, 3000));
        }
        oracle.control(&["await_startup"])?;
        Ok(oracle)
    }

    /// Runs `rabbitmqctl`.
    pub(crate) fn control(&self, args: &[&str]) -> Result<String> {
        process::output(self.setup.command("rabbitmqctl").args(args))
    }

    /// Sends SIGKILL to the virtual machine; its folder stays.
    pub(crate) fn kill(&mut self) -> Result<()> {
        process::signal(self.pid()?, rustix::process::Signal::KILL)?;
        self.server.wait(Duration::from_secs(20)).map(drop)
    }

    /// The process id of the virtual machine, whose CPU time counts.
    pub(crate) fn pid(&self) -> Result<u32> {
        let text = std::fs::read_to_string(self.setup.dir.join("pid")).context("pid file")?;
        text.trim().parse().context("pid file")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The script forks the virtual machine, and that a port mapper: end each by its own id.
        if let Ok(pid) = self.pid() {
            let _ = process::signal(pid, rustix::process::Signal::TERM);
        }
        let _ = self.server.wait(Duration::from_secs(20));
        let _ = self.setup.command("epmd").arg("-kill").output();
    }
}

impl Setup {
    fn config_file(&self) -> String {
        let mut text = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\nlisteners.tcp.2 = ::1:{port}\nlog.console = false\nlog.file.level = warning\n\
             vm_memory_high_watermark.relative = 0.6\ndisk_free_limit.absolute = 1GB\n",
            port = self.amqp
        );
        if let Some(Tls { port, certificates, clients }) = &self.tls {
            let (dir, needed) = (certificates.display(), clients.have_to());
            text.push_str(&format!(
                "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {dir}/ca.pem\n\
                 ssl_options.certfile = {dir}/server.pem\nssl_options.keyfile = {dir}/server.key\n\
                 ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = {needed}\n"
            ));
        }
        if let Some((name, password)) = self.user {
            text.push_str(&format!("default_user = {name}\ndefault_pass = {password}\n"));
        }
        text.push_str(&self.config);
        text
    }

    /// The node's name.
    pub(crate) fn node(&self) -> String {
        format!("oracle{}@localhost", self.amqp)
    }

    /// Writes a script into `dir` that is `rabbitmqctl` for this node.
    pub(crate) fn control(&self, dir: &Path) -> Result<PathBuf> {
        process::script(&dir.join("rabbitmqctl"), &self.command("rabbitmqctl"))
    }

    /// One of RabbitMQ's programs, for this node.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.rabbitmq.command(program);
        let dir = &self.dir;
        command
            .env("HOME", dir)
            .env("RABBITMQ_NODENAME", self.node())
            .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"))
            .env("RABBITMQ_PID_FILE", dir.join("pid"))
            .env("RABBITMQ_DIST_PORT", self.amqp.wrapping_add(20_000).to_string())
            .env("ERL_EPMD_PORT", self.amqp.wrapping_add(10_000).to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command
    }
}
