//! Debian's next release, forky, in a root folder of its own, for its RabbitMQ.
//!
//! It is installed once; the folder is to be removed for newer packages. What it sees of this system
//! is bound into it in the mount namespace of a run, which takes that with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::namespace::{self, is_root};
use crate::process;

/// The release's name.
const SUITE: &str = "forky";

/// What Debian 12's debootstrap has for every later release: of `forky` it does not know.
const SCRIPT: &str = "sid";

/// debootstrap's default mirror.
const MIRROR: &str = "";

/// What installs it.
const DEBIAN: &[(&str, &str)] = &[("debootstrap", "RabbitMQ of Debian's next release")];

/// 150 packages take three minutes.
const INSTALLED_IN: Duration = Duration::from_secs(30 * 60);

/// What its programs see of this system: `/etc/hosts` for its name, which RabbitMQ asks for on every
/// connection.
const SEEN: &[&str] = &["/proc", "/sys", "/dev", "/etc/hosts"];

/// Its root folder, which is complete when it exists.
pub(crate) fn root() -> PathBuf {
    process::peers_dir().join(SUITE)
}

/// Installs it when it is missing, as root.
pub(crate) fn install() -> Result<()> {
    if root().exists() {
        return Ok(());
    }
    if !is_root() {
        bail!("missing: Debian's {SUITE} in {}, and only root may install it", root().display());
    }
    super::debian(DEBIAN)?;
    println!("installing Debian's {SUITE} with its rabbitmq-server in {}", root().display());
    let begun = process::peers_dir().join(format!("{SUITE}.begun"));
    if begun.exists() {
        std::fs::remove_dir_all(&begun).with_context(|| begun.display().to_string())?;
    }
    let log = process::peers_dir().join(format!("{SUITE}.log"));
    // In namespaces, so that nothing is mounted in the folder, nor runs there, when this breaks off.
    let mut debootstrap = namespace::own(&[]);
    debootstrap.args(["debootstrap", "--variant=minbase", "--include=rabbitmq-server", SUITE]);
    debootstrap.arg(&begun).args([MIRROR, SCRIPT]);
    if !process::logged(&mut debootstrap, &log, INSTALLED_IN)?.success() {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        bail!("cannot install Debian's {SUITE}:\n{}", process::tail(&text, 2000));
    }
    std::fs::rename(&begun, root()).with_context(|| begun.display().to_string())
}

/// Shows its programs [`SEEN`], the folder of temporary files and `runs`, each where it is outside.
/// Only for a mount namespace of our own.
pub(crate) fn open(runs: &Path) -> Result<()> {
    let temporary = std::env::temp_dir();
    for seen in SEEN.iter().map(Path::new).chain([temporary.as_path(), runs]) {
        let place = root().join(seen.strip_prefix("/").context("an absolute path")?);
        if seen.is_dir() {
            std::fs::create_dir_all(&place)?;
        } else if !place.exists() {
            std::fs::write(&place, "")?;
        }
        process::check(std::process::Command::new("mount").arg("--rbind").arg(seen).arg(&place))?;
    }
    Ok(())
}
