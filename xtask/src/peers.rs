//! Installs what the tests run against: the oracle broker, other people's clients, their suites.
//!
//! Everything goes to the system's package manager or below `target/peers`. A package that cannot be
//! had is an error that names it: no test is skipped because its peer is missing.

pub(crate) mod forky;
pub(crate) mod java;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::namespace::is_root;
use crate::process;

/// Debian packages and what needs each.
const DEBIAN: &[(&str, &str)] = &[
    ("rabbitmq-server", "the oracle"),
    ("amqp-tools", "suite amqp-tools"),
    ("golang-go", "suite amqp091-go"),
    ("golang-github-rabbitmq-amqp091-go-dev", "suite amqp091-go"),
    ("golang-uber-goleak-dev", "suite amqp091-go"),
    ("openjdk-17-jdk-headless", "suite java"),
    ("librabbitmq-client-java", "suite java"),
    ("junit4", "suite java"),
    ("libhamcrest-java", "suite java"),
    ("libmockito-java", "suite java"),
    ("libslf4j-java", "suite java"),
    ("libdropwizard-metrics-java", "suite java"),
    ("make", "suite java"),
    ("redis-server", "suite celery"),
    ("python3", "suites py-amqp, kombu and celery"),
    ("python3-venv", "suites py-amqp and kombu, the MongoDB of the delayer's tests"),
    ("openssl", "certificates of suite py-amqp"),
    ("strace", "fault injection of crash"),
    ("iproute2", "loopback in network namespaces"),
    ("libfaketime", "clocks that jump in tests of the delayer"),
    ("kamailio", "nodes of a bus in tests of the DMQ node"),
    ("kamailio-tls-modules", "such nodes that speak TLS"),
];

/// Python packages from PyPI, exact, so that a run can be repeated.
const PYTHON: &[&str] = &[
    "amqp==5.4.2",
    "kombu==5.7.0",
    "pytest==8.0.0",
    "pytest-rerunfailures==14.0",
    "pytest-freezer==0.4.9",
    "pytz==2025.2",
    "hypothesis==6.148.0",
    "setuptools==75.8.0",
    "celery==5.7.0",
    "redis==8.1.0",
    "pydantic==2.14.3",
    "pytest-timeout==2.4.0",
    "pytest-subtests==0.15.0",
    "pika==1.4.4",
];

/// The MongoDB for tests of the delayer, from PyPI; in an environment of its own, which is 145 MB.
const SECANTUS: &str = "SecantusDB==0.7.0b3";

/// Source packages whose test folders are run, as `pip download` names them.
const PYTHON_SOURCES: &[(&str, &str)] =
    &[("amqp", "5.4.2"), ("kombu", "5.7.0"), ("celery", "5.7.0")];

/// Crates whose own tests are run.
const CRATES: &[(&str, &str)] = &[("lapin", "4.12.3"), ("amqprs", "2.1.5")];

/// A development dependency of amqprs that only its TLS feature uses; it compiles C for a minute.
const AMQPRS_TLS_ONLY: &str =
    "[dev-dependencies.rustls]\nversion = \"0.23\"\nfeatures = [\"aws-lc-rs\"]\n";

/// `cargo xtask peers`.
pub(crate) fn run() -> Result<()> {
    install()?;
    println!("peers are installed; suites and logs are in {}", process::peers_dir().display());
    Ok(())
}

/// Installs what is missing; quick when nothing is.
pub(crate) fn install() -> Result<()> {
    install_servers()?;
    python()?;
    java::install()?;
    crates()
}

/// Installs the servers that tests of our own crates talk to, when they are missing.
pub(crate) fn install_servers() -> Result<()> {
    std::fs::create_dir_all(process::peers_dir())?;
    debian(DEBIAN)?;
    secantus()?;
    own_name_resolves()
}

/// Installs what is missing of some packages.
fn debian(packages: &[(&'static str, &'static str)]) -> Result<()> {
    let missing = missing_debian(packages);
    if missing.is_empty() {
        return Ok(());
    }
    let named: Vec<String> =
        missing.iter().map(|(package, user)| format!("{package} ({user})")).collect();
    let named = named.join(", ");
    if !is_root() {
        bail!("missing Debian packages, and only root may install them: {named}");
    }
    println!("installing {named}");
    let _quiet = NoServices::enter()?;
    let log = process::peers_dir().join("apt.log");
    let hour = std::time::Duration::from_secs(600);
    process::logged(Command::new("apt-get").arg("update"), &log, hour)?;
    let status = process::logged(
        Command::new("apt-get")
            .args(["install", "-y", "--no-install-recommends"])
            .args(missing.iter().map(|(package, _)| package))
            .env("DEBIAN_FRONTEND", "noninteractive"),
        &log,
        hour,
    )?;
    let still = missing_debian(packages);
    if !status.success() || !still.is_empty() {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        bail!("cannot install {named}:\n{}", process::tail(&text, 2000));
    }
    Ok(())
}

fn missing_debian(packages: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let installed = Command::new("dpkg-query")
        .args(["-W", "-f=${Package} ${db:Status-Status}\n"])
        .args(packages.iter().map(|(package, _)| package))
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let has = |package: &str| installed.lines().any(|line| line == format!("{package} installed"));
    packages.iter().copied().filter(|(package, _)| !has(package)).collect()
}

/// While it lives, packages that are installed do not start their services: the oracle runs only
/// when a test starts it.
struct NoServices {
    ours: bool,
}

impl NoServices {
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn enter() -> Result<Self> {
        let ours = !Path::new(Self::POLICY).exists();
        if ours {
            std::fs::write(Self::POLICY, "#!/bin/sh\nexit 101\n")?;
            process::check(Command::new("chmod").args(["+x", Self::POLICY]))?;
        }
        Ok(Self { ours })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(Self::POLICY);
        }
    }
}

/// The interpreter with the clients of [`PYTHON`].
pub(crate) fn python_path() -> PathBuf {
    process::peers_dir().join("python/bin/python")
}

/// Where a Python source package was unpacked.
pub(crate) fn python_source(name: &str) -> PathBuf {
    let version = PYTHON_SOURCES.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v);
    process::peers_dir().join(format!("{name}-{version}"))
}

fn python() -> Result<()> {
    let dir = process::peers_dir();
    let stamp = dir.join("python.stamp");
    let wanted = PYTHON.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    println!("installing Python packages: {}", PYTHON.join(", "));
    process::check(
        Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(dir.join("python")),
    )?;
    let pip = || {
        let mut command = Command::new(python_path());
        command.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
        command
    };
    process::output(pip().arg("install").args(PYTHON))
        .context("cannot install Python packages from PyPI")?;
    for (name, version) in PYTHON_SOURCES {
        let wanted = format!("{name}=={version}");
        process::output(
            pip()
                .args(["download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:"])
                .arg("--dest")
                .arg(&dir)
                .arg(&wanted),
        )
        .with_context(|| format!("cannot download the source of {wanted}"))?;
        let archive = dir.join(format!("{name}-{version}.tar.gz"));
        process::check(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(&dir))?;
    }
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// The program of [`SECANTUS`].
pub(crate) fn secantus_path() -> PathBuf {
    process::peers_dir().join("secantus/bin/secantusd-py")
}

fn secantus() -> Result<()> {
    let dir = process::peers_dir().join("secantus");
    let stamp = dir.join("stamp");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == SECANTUS) {
        return Ok(());
    }
    println!("installing {SECANTUS}");
    process::check(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
    process::output(
        Command::new(dir.join("bin/python"))
            .args(["-m", "pip", "--quiet", "--disable-pip-version-check"])
            .args(["install", "--pre", SECANTUS]),
    )
    .with_context(|| format!("cannot install {SECANTUS} from PyPI"))?;
    std::fs::write(stamp, SECANTUS)?;
    Ok(())
}

/// The workspace of unpacked crates.
pub(crate) fn crates_dir() -> PathBuf {
    process::peers_dir().join("crates")
}

/// Unpacks [`CRATES`] into one workspace, so that what they share is compiled once.
fn crates() -> Result<()> {
    let dir = crates_dir();
    let stamp = dir.join("stamp");
    let wanted = format!("{CRATES:?}");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    println!("unpacking crates: {wanted}");
    let fetch = dir.join("fetch");
    std::fs::create_dir_all(fetch.join("src"))?;
    std::fs::write(fetch.join("src/lib.rs"), "")?;
    let mut manifest = String::from(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n",
    );
    for (name, version) in CRATES {
        manifest.push_str(&format!("{name} = \"={version}\"\n"));
    }
    std::fs::write(fetch.join("Cargo.toml"), manifest)?;
    let metadata = process::output(
        Command::new(cargo())
            .args(["metadata", "--format-version", "1", "--manifest-path"])
            .arg(fetch.join("Cargo.toml")),
    )
    .with_context(|| format!("cannot fetch the crates {wanted}"))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let mut members = Vec::new();
    for (name, version) in CRATES {
        let source =
            crate_source(&metadata, name).with_context(|| format!("no source of {name}"))?;
        let member = format!("{name}-{version}");
        let unpacked = dir.join(&member);
        let _ = std::fs::remove_dir_all(&unpacked);
        process::check(Command::new("cp").arg("-r").arg(source).arg(&unpacked))?;
        members.push(member);
    }
    let amqprs = dir.join(&members[1]).join("Cargo.toml");
    let manifest = std::fs::read_to_string(&amqprs)?.replace(AMQPRS_TLS_ONLY, "");
    std::fs::write(&amqprs, manifest)?;
    std::fs::copy(dir.join(&members[0]).join("Cargo.lock"), dir.join("Cargo.lock"))?;
    let manifest =
        format!("[workspace]\nresolver = \"2\"\nmembers = {members:?}\nexclude = [\"fetch\"]\n");
    std::fs::write(dir.join("Cargo.toml"), manifest)?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

fn crate_source(metadata: &Value, name: &str) -> Option<PathBuf> {
    let package = metadata["packages"].as_array()?.iter().find(|p| p["name"] == name)?;
    Some(Path::new(package["manifest_path"].as_str()?).parent()?.to_path_buf())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// RabbitMQ asks for its own host's name on every connection; unless `/etc/hosts` has it, that is a
/// question to a name server, three seconds each, which no network namespace answers.
fn own_name_resolves() -> Result<()> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").context("own host name")?;
    let name = name.trim();
    let hosts = std::fs::read_to_string("/etc/hosts").context("/etc/hosts")?;
    let known = hosts
        .lines()
        .filter_map(|line| line.split('#').next())
        .any(|line| line.split_whitespace().skip(1).any(|word| word == name));
    if known {
        return Ok(());
    }
    if !is_root() {
        bail!("/etc/hosts lacks this machine's name: add the line \"127.0.0.1 {name}\"");
    }
    println!("adding {name} to /etc/hosts");
    let ends = if hosts.ends_with('\n') || hosts.is_empty() { "" } else { "\n" };
    std::fs::write("/etc/hosts", format!("{hosts}{ends}127.0.0.1 {name}\n")).context("/etc/hosts")
}
