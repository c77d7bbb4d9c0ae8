//! Bytes that a command is given: on its line, in a file, on standard input.

use std::io::Read;
use std::path::PathBuf;

/// Where the body of a message is.
pub(crate) enum Body {
    /// On the command line.
    Text(String),
    /// In a file, or `-` for standard input.
    File(PathBuf),
}

impl Body {
    /// What an argument means: `-` is standard input, `@FILE` a file, anything else the text itself.
    pub(super) fn of(argument: &str) -> Body {
        match argument.strip_prefix('@') {
            Some(file) => Body::File(file.into()),
            None if argument == "-" => Body::File(argument.into()),
            None => Body::Text(argument.to_owned()),
        }
    }

    /// The bytes, or why there are none.
    pub(crate) fn read(self) -> Result<Vec<u8>, String> {
        let (read, name) = match self {
            Body::Text(text) => return Ok(text.into_bytes()),
            Body::File(file) if file.as_os_str() == "-" => {
                let mut body = Vec::new();
                (std::io::stdin().read_to_end(&mut body).map(|_| body), "standard input".into())
            }
            Body::File(file) => (std::fs::read(&file), file.display().to_string()),
        };
        read.map_err(|error| format!("cannot read the body from {name}: {error}"))
    }
}
