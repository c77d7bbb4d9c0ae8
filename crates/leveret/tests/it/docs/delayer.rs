//! The pages about the delayer: their commands, files, options, variables and metrics.

use ::delayer::config::OPTIONS;
use amqp::content::PropertiesBuf;
use serde_json::Value;

use super::*;
use crate::client::Client;
use crate::client::message::{Message, message};

/// The `message-id` of the pages' examples.
const ID: &str = "order 4711";

/// Options that begin like ours and are another program's.
const MAILERQ: &[&str] = &["rabbitmq-retries"];

impl Reader {
    pub(super) fn delayer(&mut self, line: &str) {
        if line == "leveret delayer" {
            // The name of the command; alone it lacks a queue.
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let file = "rabbitmq-queue: retries\nrabbitmq-exchange: mail\n";
        fs::write(directory.path().join("file.txt"), file).unwrap();
        let print = line.replace(" FILE", " file.txt").replace("amqpdelayer", "./amqpdelayer");
        let print =
            if print.contains("--print-config") { print } else { print + " --print-config" };
        let link = "ln -s \"$(command -v leveret)\" amqpdelayer";
        let done = shell_in(directory.path(), &format!("{link}; {print}"));
        assert!(done.status.success(), "{}", stderr(&done));
        if line.contains(" --www-port ") {
            self.start_delayer(line);
        }
    }

    fn start_delayer(&mut self, line: &str) {
        let mut server = Server::in_dir("delayer", tempfile::tempdir().unwrap().keep());
        let mut command = Command::new("sh");
        let line = format!("exec {}", line.replace("8485", "auto"));
        command.args(["-c", &line]).current_dir(server.dir()).env_clear().env("PATH", path());
        let broker = format!("amqp://{}/", self.broker.amqp());
        command.env("AMQPDELAYER_RABBITMQ_ADDRESS", broker);
        server.launch(command.env("AMQPDELAYER_STORAGE_TIMEOUT", "20ms"));
        self.delayer = Some(server);
    }

    /// A curl of the pages: `-X METHOD`, `-d 'BODY'` and an address.
    pub(super) fn delayer_http(&mut self, line: &str) {
        let after = |flag: &str| line.split_once(flag).map(|(_, rest)| rest.trim_start());
        let method = after(" -X ").map_or("GET", |rest| rest.split(' ').next().unwrap());
        let body = after(" -d '").map_or("", |rest| rest.split('\'').next().unwrap());
        let (_, path) = line.split_once("http://127.0.0.1:8485").expect("the delayer's port");
        let mut path = path.trim_end_matches('\'').to_owned();
        if line.contains("KEY") || line.contains("message_id=") {
            path = path.replace("KEY", &self.hold());
        }
        let delayer = self.delayer.as_ref().expect("the page starts a delayer first");
        let (status, answer) = delayer.http("http", method, &path, body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
    }

    /// Has a message held for an hour, and says its key.
    fn hold(&self) -> String {
        let delayer = self.delayer.as_ref().expect("the page starts a delayer first");
        let find = || {
            let (_, found) =
                delayer.http("http", "GET", "/api/messages?message_id=order%204711", "");
            let found: Value = serde_json::from_str(&found).unwrap();
            let keys = found["messages"].as_array().unwrap().iter().map(|m| m["key"].clone());
            keys.collect::<Vec<Value>>()
        };
        let before = find();
        let message_id = Some(ID.as_bytes().to_vec());
        let properties = PropertiesBuf { message_id, ..PropertiesBuf::default() };
        let later = Message { properties, ..message("", "retries", "later") };
        let channel = Client::connect(&self.broker).channel();
        channel.send_message(&later.header("x-delay", 3_600_000));
        let mut new = None;
        eventually("it is held", || {
            new = find().into_iter().find(|key| !before.contains(key));
            new.is_some()
        });
        new.unwrap().as_str().unwrap().to_owned()
    }
}

/// The insides of the fences of a language.
pub(super) fn fenced(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let after = text.split(&begin).skip(1);
    after.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn files_of_settings_are_valid() {
    let mut files = 0;
    for (page, text) in pages() {
        // Sections of triggers may stand in a file of their own and in the broker's.
        let alone = page.contains("trigger").then_some(("toml", "trigger"));
        for (language, program) in [("toml", "serve"), ("text", "delayer")].into_iter().chain(alone)
        {
            for file in fenced(&text, language) {
                let directory = tempfile::tempdir().unwrap();
                // The secrets that it names are here.
                let here = format!("{}/", directory.path().display());
                fs::write(directory.path().join("it"), file.replace("/run/secrets/", &here))
                    .unwrap();
                fs::write(directory.path().join("amqp"), "secret").unwrap();
                let line = format!("ORDERS_TOKEN=x leveret {program} --config it --print-config");
                let done = shell_in(directory.path(), &line);
                assert!(done.status.success(), "{page}: {}\n{file}", stderr(&done));
                files += 1;
            }
        }
    }
    assert!(files >= 2);
}

fn is_option(name: &str) -> bool {
    OPTIONS.table.iter().any(|option| option.name == name)
}

/// Whether a variable of the delayer sets an option, of a section or not, or stands for all.
fn is_variable(name: &str) -> bool {
    let name = name.trim_end_matches("_FILE").to_ascii_lowercase().replace('_', "-");
    let mut tails = name.match_indices('-').map(|(at, _)| &name[at + 1..]).chain([&*name]);
    ["", "config", "name-option", "…"].contains(&&*name) || tails.any(is_option)
}

#[test]
fn options_and_metrics_that_pages_mention_exist() {
    let mut delayer = Server::in_dir("delayer", tempfile::tempdir().unwrap().keep());
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    // Nobody listens there; the metrics do not need a broker.
    let flags = "delayer --rabbitmq-address amqp://127.0.0.1:1/ --queue q --exchange x --storage-address d \
                 --www-port auto --www-ip 127.0.0.1";
    delayer.launch(command.args(flags.split_whitespace()).env_clear().current_dir(delayer.dir()));
    let metrics = delayer.http("http", "GET", "/metrics", "").1;
    let page_names = pages().into_iter().filter(|(page, _)| page.contains("delayer"));
    for (page, text) in page_names {
        for word in spans(&parts(&text).1).flat_map(|span| words(&span)) {
            let prefixed = ["rabbitmq-", "storage-", "www-"].iter().any(|p| word.starts_with(p));
            if prefixed && !word.ends_with('-') && !MAILERQ.contains(&&*word) {
                assert!(is_option(&word), "{page}: no option {word}");
            }
            for prefix in ["AMQPDELAYER_", "LEVERET_DELAYER_"] {
                let rest = word.strip_prefix(prefix);
                assert!(rest.is_none_or(is_variable), "{page}: no variable {word}");
            }
            if word.starts_with("amqpdelayer_") {
                assert!(metrics.contains(&format!("\n{word} ")), "{page}: no metric {word}");
            }
        }
    }
}

fn words(span: &str) -> Vec<String> {
    span.split([' ', '=', ':', ',']).map(str::to_owned).collect()
}
