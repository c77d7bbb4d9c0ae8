//! Definitions of a broker that runs, to and from files: `leveret definitions`.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use control::client::{Client, ClientError};
use control::reply::{Refusal, Why};
use control::request::Request;
use serde_json::Value;
use service::shutdown::Exit;

use crate::command::{Definitions, Way};
use crate::tools;

/// Exports or imports.
pub(crate) fn run(asked: &Definitions) -> Exit {
    let done = match asked.way {
        Way::Export => export(asked),
        Way::Import => import(asked),
    };
    match done {
        Ok(()) => Exit::Clean,
        Err(failed) => {
            eprintln!("leveret: {}", failed.why);
            failed.exit
        }
    }
}

/// Why it was not done.
struct Failed {
    why: String,
    exit: Exit,
}

impl Failed {
    fn new(exit: Exit, why: impl Into<String>) -> Failed {
        Failed { why: why.into(), exit }
    }

    fn file(what: &str, path: &Path, error: &io::Error) -> Failed {
        Failed::new(Exit::Io, format!("cannot {what} {}: {error}", path.display()))
    }
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Failed {
        let advice = match &error {
            ClientError::NotRunning { .. } => "; name the broker's directory with --data-dir",
            _ => "",
        };
        Failed::new(Exit::Unavailable, format!("{error}{advice}"))
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Failed {
        let exit = match refusal.kind {
            Why::AppStopped => Exit::Unavailable,
            _ => Exit::Data,
        };
        Failed::new(exit, refusal.text)
    }
}

fn export(asked: &Definitions) -> Result<(), Failed> {
    let found = ask(asked, &Request::ExportDefinitions { vhost: asked.vhost.clone() })?;
    let text = format!("{found:#}\n");
    write(&asked.file, text.as_bytes()).map_err(|error| Failed::file("write", &asked.file, &error))
}

fn import(asked: &Definitions) -> Result<(), Failed> {
    let bytes = read(&asked.file).map_err(|error| Failed::file("read", &asked.file, &error))?;
    let definitions = control::definitions::parse(&bytes).map_err(|error| {
        Failed::new(Exit::Data, format!("{}: not JSON: {error}", asked.file.display()))
    })?;
    let request = Request::ImportDefinitions { vhost: asked.vhost.clone(), definitions };
    let report = ask(asked, &request)?;
    // A closed pipe (`| head`) is no failure.
    let _ = io::stdout().write_all(report["report"].as_str().unwrap_or_default().as_bytes());
    Ok(())
}

/// Asks the broker, however long it takes.
fn ask(asked: &Definitions, request: &Request) -> Result<Value, Failed> {
    let socket = tools::socket(asked.data_dir.as_deref());
    let socket = socket.map_err(|why| Failed::new(Exit::Config, why))?;
    Ok(Client::connect(&socket, None)?.ask(request, |_| {})??)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path.as_os_str() != "-" {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map(|_| bytes)
}

/// The file holds hashes of passwords: a new one is for its owner only.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.as_os_str() == "-" {
        return io::stdout().write_all(bytes);
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}
