//! The tests of RabbitMQ's Java client, from Debian's source package, compiled with Debian's jars.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// The source package; the client itself comes compiled, by its binary package.
const PACKAGE: &str = "rabbitmq-java-client";

/// The archive of the source package that has the tests.
const ARCHIVE: &str = "rabbitmq-java-client_5.0.0.orig.tar.gz";

/// What the archive unpacks to.
const UNPACKED: &str = "rabbitmq-java-client-5.0.0";

/// The client and what its tests use, below `/usr/share/java`.
const JARS: &[&str] = &[
    "amqp-client.jar",
    "junit4.jar",
    "hamcrest-all.jar",
    "mockito-core.jar",
    "byte-buddy.jar",
    "byte-buddy-agent.jar",
    "objenesis.jar",
    "slf4j-api.jar",
    "metrics-core.jar",
];

/// How long the package lists may take.
const DOWNLOAD: Duration = Duration::from_secs(600);

fn dir() -> PathBuf {
    process::peers_dir().join("java")
}

/// What `java` is told to find [`JARS`], the tests and our runner by.
pub(crate) fn class_path() -> String {
    let jars = JARS.iter().map(|jar| format!("/usr/share/java/{jar}"));
    let own = [dir().join("classes"), source().join("src/test/resources")];
    let own = own.iter().map(|path| path.to_string_lossy().into_owned());
    own.chain(jars).collect::<Vec<String>>().join(":")
}

fn source() -> PathBuf {
    dir().join(UNPACKED)
}

/// Downloads and compiles what is missing or older than our runner.
pub(super) fn install() -> Result<()> {
    let stamp = dir().join("stamp");
    let ours = java_files(&process::root().join("xtask/java"))?;
    let wanted = wanted(&ours)?;
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(dir())?;
    if !source().exists() {
        println!("downloading the source package {PACKAGE}");
        download()?;
    }
    println!("compiling the tests of {PACKAGE}");
    let classes = dir().join("classes");
    let _ = std::fs::remove_dir_all(&classes);
    std::fs::create_dir_all(&classes)?;
    let tests = java_files(&source().join("src/test/java"))?;
    // Performance tests are programs of their own and need one more library.
    let tests = tests.iter().filter(|path| !path.iter().any(|part| part == "performance"));
    process::output(
        Command::new("javac")
            .args(["-nowarn", "-Xlint:none", "-encoding", "utf-8", "-cp"])
            .arg(class_path())
            .arg("-d")
            .arg(&classes)
            .args(tests)
            .args(&ours),
    )?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// What was compiled, as text.
fn wanted(ours: &[PathBuf]) -> Result<String> {
    let mut text = format!("{ARCHIVE}\n{JARS:?}\n");
    for path in ours {
        text.push_str(&std::fs::read_to_string(path)?);
    }
    Ok(text)
}

/// All Java files below a folder, in an order that does not change.
fn java_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(java_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "java") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Gets the archive from where this machine has its packages from. The lists of source packages
/// stay below `target/peers`: the machine's own settings are not touched.
fn download() -> Result<()> {
    let apt = dir().join("apt");
    let _ = std::fs::remove_dir_all(&apt);
    for name in ["sources", "lists/partial", "archives/partial"] {
        std::fs::create_dir_all(apt.join(name))?;
    }
    source_lines(&apt.join("sources"))?;
    let log = dir().join("apt.log");
    let get = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-o", "Dir::Etc::sourcelist=/dev/null", "-o", "APT::Sandbox::User="]);
        for (key, name) in [
            ("Dir::Etc::sourceparts", "sources"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache::archives", "archives"),
        ] {
            command.arg("-o").arg(format!("{key}={}", apt.join(name).display()));
        }
        for key in ["pkgcache", "srcpkgcache"] {
            command.args(["-o", &format!("Dir::Cache::{key}=")]);
        }
        process::logged(command.args(args).current_dir(dir()), &log, DOWNLOAD)
    };
    get(&["update"])?;
    // The status says nothing: parts of the package that the tests do not need may be missing.
    get(&["source", "--download-only", PACKAGE])?;
    let archive = dir().join(ARCHIVE);
    if !archive.exists() {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        bail!("cannot download the source package {PACKAGE}:\n{}", process::tail(&text, 2000));
    }
    process::check(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(dir()))
}

/// Writes the machine's package sources again, as sources of source packages.
fn source_lines(to: &Path) -> Result<()> {
    let own = Path::new("/etc/apt");
    let mut files = vec![own.join("sources.list")];
    if let Ok(parts) = std::fs::read_dir(own.join("sources.list.d")) {
        files.extend(parts.filter_map(|part| Some(part.ok()?.path())));
    }
    for path in files.iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let lines: Vec<String> = text.lines().map(source_line).collect();
        let name = path.file_name().context("a file without a name")?;
        std::fs::write(to.join(name), lines.join("\n") + "\n")?;
    }
    Ok(())
}

fn source_line(line: &str) -> String {
    match (line.strip_prefix("deb "), line.strip_prefix("Types:")) {
        (Some(rest), _) => format!("deb-src {rest}"),
        (None, Some(_)) => "Types: deb-src".to_owned(),
        (None, None) => line.to_owned(),
    }
}
