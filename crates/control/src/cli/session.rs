//! One run of a command: the connection to the node, and the form in which things are shown.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::Locate;
use super::arguments::Given;
use super::failure::{Failure, USAGE};
use super::format::{Format, Listed};
use crate::client::Client;
use crate::listing::Listing;
use crate::reply::Row;
use crate::request::{List, Request};

/// How long a node may take for a line of its answer, unless the command is patient or `--timeout`
/// says something else: 60 s.
const TIMEOUT_S: f64 = 60.0;

/// See the module.
pub(super) struct Session<'a> {
    locate: Locate<'a>,
    data_dir: Option<String>,
    client: Option<Client>,
    /// None: as the command shows things by itself.
    pub(super) format: Option<Format>,
    /// No words around the result.
    quiet: bool,
    /// Nor about it.
    silent: bool,
    headers: bool,
    /// Seconds; none is no limit.
    pub(super) timeout_s: Option<f64>,
    /// How the node is called.
    pub(super) node: String,
}

impl<'a> Session<'a> {
    pub(super) fn new(given: &Given, locate: Locate<'a>) -> Session<'a> {
        let options = &given.options;
        let silent = options.has("silent");
        Session {
            locate,
            data_dir: options.get("data-dir").map(str::to_owned),
            client: None,
            format: options.get("formatter").and_then(Format::parse),
            quiet: silent || options.has("quiet"),
            silent,
            headers: !silent && !options.has("no-table-headers"),
            timeout_s: match options.get("timeout") {
                // `infinity`, and what is as good, is no limit.
                Some(text) => text.parse().ok().filter(|seconds| (0.001..1e9).contains(seconds)),
                None if given.command.is_some_and(|command| command.is_patient) => None,
                None => Some(TIMEOUT_S),
            },
            node: options.get("node").map_or_else(node_name, str::to_owned),
        }
    }

    fn client(&mut self) -> Result<&mut Client, Failure> {
        if self.client.is_none() {
            let socket = (self.locate)(self.data_dir.as_deref())
                .map_err(|why| Failure::plain(78, format!("Error: {why}")))?;
            let timeout = self.timeout_s.map(Duration::from_secs_f64);
            self.client = Some(Client::connect(&socket, timeout)?);
        }
        Ok(self.client.as_mut().expect("it was just connected"))
    }

    /// Asks the node for something that is not a listing.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Value, Failure> {
        Ok(self.try_ask(request)??)
    }

    /// The same, where the command has its own words for what the node refuses.
    pub(super) fn try_ask(
        &mut self,
        request: &Request,
    ) -> Result<Result<Value, crate::reply::Refusal>, Failure> {
        Ok(self.client()?.ask(request, |_| {})?)
    }

    /// A command that works on the application finds it running.
    pub(super) fn check_app(&mut self, given: &Given) -> Result<(), Failure> {
        let found = self.ask(&Request::Ping)?;
        match found["running"] {
            Value::Bool(true) => Ok(()),
            _ => Err(given.refused(
                USAGE,
                "Error: this command requires the 'rabbit' app to be running on the target node. \
                 Start it with 'rabbitmqctl start_app'.",
            )),
        }
    }

    /// What a command says before it begins.
    pub(super) fn banner(&mut self, text: &str) {
        let for_people = !matches!(self.format, Some(Format::Json | Format::Csv));
        if !text.is_empty() && !self.quiet && for_people {
            self.show(&format!("{text}\n"));
        }
    }

    /// Lists; rows are shown as they come.
    pub(super) fn list(
        &mut self,
        listing: Listing,
        columns: Vec<String>,
        vhost: Option<&str>,
        user: Option<&str>,
    ) -> Result<(), Failure> {
        self.list_all(List {
            listing,
            vhost: vhost.map(str::to_owned),
            user: user.map(str::to_owned),
            columns,
            ..List::default()
        })
    }

    /// The same with everything that a listing can be limited to.
    pub(super) fn list_all(&mut self, list: List) -> Result<(), Failure> {
        let format = self.format.unwrap_or(Format::Table);
        let mut listed = Listed::new(format, list.columns.clone(), self.headers);
        listed.is_streamed = list.listing.is_streamed();
        let request = Request::List(list);
        let mut out = std::io::stdout().lock();
        let outcome = self.client()?.ask(&request, |rows| {
            rows.iter().for_each(|row| {
                let _ = out.write_all(listed.row(row).as_bytes());
            });
        })?;
        outcome?;
        let _ = out.write_all(listed.end().as_bytes());
        Ok(())
    }

    /// All rows of a listing, for a command that does something with them.
    pub(super) fn rows(&mut self, list: List) -> Result<Vec<Row>, Failure> {
        let mut all = Vec::new();
        self.client()?.ask(&Request::List(list), |rows| all.extend(rows))??;
        Ok(all)
    }

    /// Shows rows that the node did not make.
    pub(super) fn show_rows(&mut self, columns: &[&str], rows: &[Row]) {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        let mut listed = Listed::new(self.format.unwrap_or(Format::Table), columns, self.headers);
        let text: String = rows.iter().map(|row| listed.row(row)).collect();
        let end = listed.end();
        self.show(&(text + &end));
    }

    /// Shows what came of a command, in words or as a value.
    pub(super) fn say(&mut self, text: &str) {
        match self.format {
            Some(Format::Json) => {
                let message = json!({ "message": text, "node": self.node, "status": "ok" });
                self.show(&format!("{message}\n"));
            }
            _ => self.show(&format!("{text}\n")),
        }
    }

    /// The same for a check, of which programs get the message alone.
    pub(super) fn message(&mut self, text: &str) {
        match self.format {
            Some(Format::Json) => self.show(&format!("{}\n", json!({ "message": text }))),
            _ => self.show(&format!("{text}\n")),
        }
    }

    /// A listing that RabbitMQ shows without the names of its columns.
    pub(super) fn without_headers(&mut self) {
        self.headers = false;
    }

    /// Whether nothing is to be said beside results.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether not even results are to be said in words.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    /// The next question connects again.
    pub(super) fn disconnect(&mut self) {
        self.client = None;
    }

    /// Shows a value as it is to programs, and a text to people.
    pub(super) fn value(&mut self, value: &Value, text: &str) {
        match self.format {
            Some(Format::Json) => self.show(&format!("{value}\n")),
            _ => self.show(&format!("{}\n", text.trim_end_matches('\n'))),
        }
    }

    /// Shows a text as it is.
    pub(super) fn show(&self, text: &str) {
        super::show(text);
    }
}

/// What the node on this machine is called.
fn node_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("rabbit@{}", host.trim().split('.').next().unwrap_or_default())
}
