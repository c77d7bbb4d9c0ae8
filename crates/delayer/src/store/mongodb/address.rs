//! `mongodb://[user:password@]host[:port][,…]/database[/collection][?options]`, as MailerQ has it,
//! and its `host1;host2/replicaset/database/collection`.

use std::fmt;

/// The collection when the address names none.
const COLLECTION: &str = "messages";

const EXPECTED: &str = "expected mongodb://[user:password@]host[:port]/database[/collection]";

/// A database, a collection in it, and what the driver is given to get there.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The driver's connection string, with the password.
    pub uri: String,
    pub database: String,
    pub collection: String,
    /// For people: without login and options.
    shown: String,
    /// What must not be shown, as it was given and as the driver is given it.
    secrets: Vec<String>,
}

impl Address {
    /// Reads one. The error has no part of the address in it.
    pub(super) fn parse(text: &str) -> Result<Address, &'static str> {
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| ["mongodb", "mongodb+srv"].contains(scheme))
            .ok_or(EXPECTED)?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        // A password that is not encoded may have any of these characters.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (hosts, path) = rest.split_once('/').ok_or(EXPECTED)?;
        let hosts = hosts.replace(';', ",");
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let (replica_set, database, collection) = match parts[..] {
            [database] => ("", database, COLLECTION),
            [database, collection] => ("", database, collection),
            [set, database, collection] => (set, database, collection),
            _ => return Err(EXPECTED),
        };
        if hosts.is_empty() || database.is_empty() || collection.is_empty() {
            return Err(EXPECTED);
        }
        let mut options: Vec<String> =
            options.split('&').filter(|option| !option.is_empty()).map(str::to_owned).collect();
        if !replica_set.is_empty() {
            options.push(format!("replicaSet={replica_set}"));
        }
        let mut secrets = Vec::new();
        let login = login.map(|login| encoded_login(login, &mut secrets)).unwrap_or_default();
        Ok(Address {
            uri: format!("{scheme}://{login}{hosts}/{database}?{}", options.join("&")),
            database: database.to_owned(),
            collection: collection.to_owned(),
            shown: format!("{scheme}://{hosts}/{database}/{collection}"),
            secrets,
        })
    }

    /// A text of the driver or the server, without the password.
    pub(super) fn without_secrets(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| text.replace(secret, "***"))
    }
}

/// `user:password@`, with what a connection string may not have in them encoded.
fn encoded_login(login: &str, secrets: &mut Vec<String>) -> String {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    let encoded = |text: &str| {
        let pairs = [(':', "%3A"), ('/', "%2F"), ('@', "%40"), ('#', "%23"), ('[', "%5B")];
        pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, to))
    };
    match password {
        Some(password) => {
            let safe = encoded(password);
            secrets
                .extend([password.to_owned(), safe.clone()].into_iter().filter(|s| !s.is_empty()));
            format!("{}:{safe}@", encoded(user))
        }
        None => format!("{}@", encoded(user)),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
