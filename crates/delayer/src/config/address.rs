//! Where storages are: directories, and URLs whose passwords are never shown.

use std::path::{Path, PathBuf};

use service::config::{Field, Shape, quoted};

/// Where messages are stored.
#[derive(Clone, PartialEq, Eq)]
pub enum StorageAddress {
    /// A directory, in which `storage-engine` says how.
    Path(PathBuf),
    /// `lmdb://DIR`: a directory that is LMDB whatever `storage-engine` says.
    Lmdb(PathBuf),
    /// `mongodb://…` or `mongodb+srv://…` as it was given, with its password.
    Mongo(String),
}

impl StorageAddress {
    /// The directory, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            StorageAddress::Path(path) | StorageAddress::Lmdb(path) => Some(path),
            StorageAddress::Mongo(_) => None,
        }
    }

    fn read(text: &str) -> Result<StorageAddress, String> {
        let path = |text: &str| match text {
            "" => Err("expected a directory or mongodb://HOST/DATABASE/COLLECTION".to_owned()),
            text => Ok(PathBuf::from(text)),
        };
        match text.split_once("://") {
            None => path(text).map(StorageAddress::Path),
            Some(("lmdb", rest)) => path(rest).map(StorageAddress::Lmdb),
            Some(("file", rest)) => path(rest).map(StorageAddress::Path),
            Some(("mongodb" | "mongodb+srv", rest)) if !rest.is_empty() => {
                Ok(StorageAddress::Mongo(text.to_owned()))
            }
            // The text is not shown: it may hold a password.
            Some(_) => Err("expected a directory, lmdb://DIR or \
                            mongodb://HOST/DATABASE/COLLECTION"
                .into()),
        }
    }
}

/// Without the password.
impl std::fmt::Display for StorageAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StorageAddress::Path(path) => write!(f, "{}", path.display()),
            StorageAddress::Lmdb(path) => write!(f, "lmdb://{}", path.display()),
            StorageAddress::Mongo(address) => f.write_str(&masked(address)),
        }
    }
}

impl std::fmt::Debug for StorageAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StorageAddress({self})")
    }
}

impl Field for StorageAddress {
    fn set(&mut self, raw: &[String]) -> Result<(), String> {
        *self = StorageAddress::read(only(raw)?)?;
        Ok(())
    }

    fn toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }

    fn shape(&self) -> Shape {
        Shape::One
    }

    fn may_hold_password(&self) -> bool {
        true
    }

    fn is_masked(&self) -> bool {
        matches!(self, StorageAddress::Mongo(address) if masked(address) != *address)
    }
}

/// A URL with `***` in place of the password, and without the values of options about passwords.
fn masked(url: &str) -> String {
    let (url, options) = url.split_once('?').unwrap_or((url, ""));
    let options: Vec<String> = options.split('&').map(masked_option).collect();
    let options = options.join("&");
    let mark = if options.is_empty() { "" } else { "?" };
    format!("{}{mark}{options}", masked_login(url))
}

fn masked_option(option: &str) -> String {
    match option.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("password") => format!("{name}=***"),
        _ => option.to_owned(),
    }
}

fn masked_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    // A password whose `/` is not encoded ends the authority early: everything up to the last `@`.
    let login_end = if authority.contains('@') { authority.rfind('@') } else { rest.rfind('@') };
    match login_end.and_then(|at| Some((at, rest[..at].find(':')?))) {
        Some((at, colon)) => format!("{scheme}://{}:***{}", &rest[..colon], &rest[at..]),
        None => url.to_owned(),
    }
}

fn only(raw: &[String]) -> Result<&str, String> {
    match raw {
        [one] => Ok(one),
        _ => Err(format!("expected one value, got {}", raw.len())),
    }
}
