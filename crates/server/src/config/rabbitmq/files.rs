//! Which files are RabbitMQ's, and their text.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use service::config::{ConfigError, Sources};

use super::keys::Key;
use super::syntax::pair;

/// A file larger than this is no configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The directory beside a `rabbitmq.conf` whose files are read after it.
const DROP_INS: &str = "conf.d";

/// One file.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// RabbitMQ's files in the order in which they are read; none when the configuration is ours.
pub(super) fn locate(named: Option<&Path>, sources: &Sources) -> Result<Vec<File>, ConfigError> {
    if let Some(path) = named {
        if path.is_dir() {
            return directory(path);
        }
        return match recognised(path)? {
            Some(file) => with_drop_ins(file),
            None => Ok(Vec::new()),
        };
    }
    if let Some(path) = variable(sources, "RABBITMQ_CONFIG_FILE") {
        return with_drop_ins(read(&with_extension(path))?);
    }
    if let Some(path) = variable(sources, "RABBITMQ_CONFIG_FILES") {
        return if path.is_dir() { directory(&path) } else { Ok(vec![read(&path)?]) };
    }
    Ok(Vec::new())
}

fn variable(sources: &Sources, name: &str) -> Option<PathBuf> {
    let (_, value) = sources.environment.iter().find(|(found, _)| found == name)?;
    (!value.is_empty()).then(|| PathBuf::from(value))
}

/// RabbitMQ adds `.conf` itself to the file that a variable names.
fn with_extension(path: PathBuf) -> PathBuf {
    let mut longer = path.clone().into_os_string();
    longer.push(".conf");
    if !path.exists() && Path::new(&longer).exists() { longer.into() } else { path }
}

/// The file at `path` if it is RabbitMQ's: by its name, or by what it says when that tells nothing.
fn recognised(path: &Path) -> Result<Option<File>, ConfigError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("conf" | "config") => read(path).map(Some),
        Some("toml") => Ok(None),
        _ => {
            let file = read_any(path)?;
            Ok(is_rabbitmqs(&file.text).then_some(file))
        }
    }
}

/// Whether every line is `key = value` and a key is one of RabbitMQ's with a dot.
fn is_rabbitmqs(text: &str) -> bool {
    let mut says =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut known = false;
    let all = says.all(|line| match pair(line) {
        Some((key, _)) => {
            known |= key.contains('.') && Key::find(key).is_some();
            true
        }
        None => false,
    });
    all && known
}

fn with_drop_ins(file: File) -> Result<Vec<File>, ConfigError> {
    let beside = file.path.parent().unwrap_or(Path::new("")).join(DROP_INS);
    let mut files = vec![file];
    if beside.is_dir() {
        files.extend(directory(&beside)?);
    }
    Ok(files)
}

/// The `*.conf` of a directory, sorted by name.
fn directory(path: &Path) -> Result<Vec<File>, ConfigError> {
    let what = "the directory of configuration files";
    let refused = |source| ConfigError::Read { what, path: path.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// A file of `key = value` lines. The forms that RabbitMQ had before are refused.
fn read(path: &Path) -> Result<File, ConfigError> {
    let file = read_any(path)?;
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with(['#', '%']);
    let first = file.text.lines().map(str::trim).find(is_said);
    if first.is_some_and(|line| line.starts_with(['[', '{'])) {
        return Err(ConfigError::Syntax {
            path: path.to_owned(),
            line: 1,
            reason: "this is an advanced.config of Erlang terms, which cannot be read: write its settings as \
                     `key = value` lines of a rabbitmq.conf"
                .to_owned(),
        });
    }
    Ok(file)
}

fn read_any(path: &Path) -> Result<File, ConfigError> {
    let refused = |source| ConfigError::Read {
        what: "the configuration file",
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(refused)?.len() > FILE_BYTES_MAX {
        return Err(refused(io::Error::other("larger than 1 MiB")));
    }
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        ErrorKind::InvalidData => refused(io::Error::other("it is not UTF-8 text")),
        _ => refused(source),
    })?;
    Ok(File { path: path.strip_prefix(".").unwrap_or(path).to_owned(), text })
}
