//! RabbitMQ's tools: `rabbitmqctl` and its siblings, or `leveret ctl` and its.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use control::SOCKET_NAME;
use control::cli::{self, Tool};
use service::config::Sources;

use crate::beside;

/// Names the socket itself, where the data directory is not to be found by the settings.
const SOCKET_VARIABLE: &str = "LEVERET_CONTROL_SOCKET";

/// Does what the words say.
pub(crate) fn run(tool: Tool, words: &[String]) -> ExitCode {
    ExitCode::from(cli::run(tool, words, &socket))
}

/// The socket of the broker that has these settings, those of the command line first.
pub(crate) fn socket(data_dir: Option<&str>) -> Result<PathBuf, String> {
    if let Some(dir) = data_dir {
        return Ok(Path::new(dir).join(SOCKET_NAME));
    }
    if let Some(path) = std::env::var_os(SOCKET_VARIABLE) {
        return Ok(path.into());
    }
    let dir = beside::data_dir(&Sources::of_process(None, Vec::new()));
    dir.map(|dir| dir.join(SOCKET_NAME)).map_err(|error| error.to_string())
}
