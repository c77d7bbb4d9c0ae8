//! Starts SecantusDB as the MongoDB that tests of the delayer talk to.
//!
//! It is WiredTiger behind MongoDB's protocol, in one Python package. Its licence is the GPL, so it
//! only ever runs as a process of its own. It is slow: tests keep below 10,000 documents.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::peers;
use crate::process::{self, Running};

/// It takes about a second on an idle core.
const START: Duration = Duration::from_secs(60);

/// A running server; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Secantus {
    _server: Running,
}

impl Secantus {
    /// Starts it on a port of 127.0.0.1 and waits until it listens. Everything it writes is in
    /// `dir`.
    pub(crate) fn start(dir: &Path, port: u16) -> Result<Self> {
        let data = dir.join("data");
        std::fs::create_dir_all(&data)?;
        let log = dir.join("output.log");
        let mut command = Command::new(peers::secantus_path());
        command.args(["--port", &port.to_string(), "--storage-path"]).arg(data);
        command.args(["--sync-on-commit", "--cache-size", "256M"]);
        let mut server = process::start(&mut command, &log)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut early = None;
        let up = process::until(START, || {
            early = server.ended().ok().flatten();
            (early.is_some() || TcpStream::connect(address).is_ok()).then_some(())
        });
        if up.is_none() || early.is_some() {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            bail!("the MongoDB for tests did not start:\n{}", process::tail(&text, 3000));
        }
        Ok(Self { _server: server })
    }
}
