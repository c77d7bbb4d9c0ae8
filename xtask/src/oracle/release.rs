//! Whose RabbitMQ is run, and how: this system's, or one that has a root folder of its own.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::peers::{self, forky};

/// Where Debian's package keeps a folder for its one version.
const LIBRARY: &str = "/usr/lib/rabbitmq/lib";

/// What the folder's name has before the version.
const PREFIX: &str = "rabbitmq_server-";

/// A release of Debian that has a RabbitMQ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Release {
    /// RabbitMQ 3.10.8, of this system
    #[default]
    Debian12,
    /// The one of Debian's next release, which is installed in a folder below target/peers
    Next,
}

impl Release {
    /// Installs the servers that tests of our own crates talk to, with its RabbitMQ.
    pub(crate) fn install(self) -> Result<()> {
        peers::install_servers()?;
        match self {
            Self::Debian12 => Ok(()),
            Self::Next => forky::install(),
        }
    }

    /// Makes its programs see the folder of `runs`, in a mount namespace of our own.
    pub(crate) fn open(self, runs: &Path) -> Result<()> {
        match self {
            Self::Debian12 => Ok(()),
            Self::Next => forky::open(runs),
        }
    }

    /// Its RabbitMQ, which is installed.
    pub(crate) fn rabbitmq(self) -> Result<RabbitMq> {
        RabbitMq::find(match self {
            Self::Debian12 => None,
            Self::Next => Some(forky::root()),
        })
    }
}

/// An installed RabbitMQ.
#[derive(Debug, Clone)]
pub(crate) struct RabbitMq {
    /// The root folder that its programs run in, unless it is this system's.
    root: Option<PathBuf>,
    /// As `rabbitmqctl version` tells it.
    pub version: String,
}

impl RabbitMq {
    fn find(root: Option<PathBuf>) -> Result<Self> {
        let library = outside(root.as_deref(), Path::new(LIBRARY));
        let missing = || format!("no RabbitMQ in {}", library.display());
        for entry in std::fs::read_dir(&library).with_context(missing)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A version that was removed may have left its folder.
            if let Some(version) = name.strip_prefix(PREFIX)
                && entry.path().join("sbin/rabbitmq-server").exists()
            {
                return Ok(Self { root, version: version.to_owned() });
            }
        }
        bail!(missing())
    }

    /// One of its programs, or another of its system.
    pub(crate) fn command(&self, program: &str) -> Command {
        let script =
            Path::new(LIBRARY).join(format!("{PREFIX}{}/sbin", self.version)).join(program);
        let there = outside(self.root.as_deref(), &script).exists();
        let program = if there { script.as_path() } else { Path::new(program) };
        match &self.root {
            None => Command::new(program),
            Some(root) => {
                let mut command = Command::new("chroot");
                // It may lack this system's locale, and RabbitMQ warns of one that is not UTF-8.
                command.arg(root).arg(program).env("LC_ALL", "C.UTF-8");
                command
            }
        }
    }
}

/// Where a path in a root folder is for us.
fn outside(root: Option<&Path>, path: &Path) -> PathBuf {
    match root {
        None => path.to_path_buf(),
        Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
    }
}
