//! The page about the trigger: its commands, its files, its metrics and settings.

use super::*;

/// How the page starts a trigger.
const START: &str = "leveret trigger --config trigger.toml";

/// Where the page's files of settings are, and the trigger that it starts.
pub(super) struct Guide {
    server: Server,
    running: bool,
}

impl Guide {
    /// The first file of the guide is `trigger.toml`, beside this broker.
    fn beside(broker: &Broker) -> Guide {
        let text = read("docs/trigger.md");
        let server = Server::in_dir("trigger", tempfile::tempdir().unwrap().keep());
        let file = delayer::fenced(&text, "toml").first().expect("a file of settings").clone();
        let here = format!("[broker.main]\nhosts = [\"{}\"]\n", broker.amqp());
        let file = format!("listen = \"127.0.0.1:0\"\n{here}{file}");
        fs::write(server.dir().join("trigger.toml"), file).unwrap();
        Guide { server, running: false }
    }

    fn start(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        command.args(START.split(' ').skip(1)).current_dir(self.server.dir());
        self.server.launch(command.env_clear().env("PATH", path()));
        self.running = true;
    }
}

impl Reader {
    fn guide(&mut self) -> &mut Guide {
        self.trigger.get_or_insert_with(|| Guide::beside(&self.broker))
    }

    pub(super) fn trigger(&mut self, line: &str) {
        if line == "leveret trigger" {
            // The name of the command.
            return;
        }
        let guide = self.guide();
        if line == START {
            return guide.start();
        }
        let directory = guide.server.dir().to_owned();
        let done = shell_in(&directory, &line.replace(" FILE", " trigger.toml"));
        assert!(done.status.success(), "{}", stderr(&done));
        if line.starts_with("leveret trigger test ") {
            let ran = fs::read_to_string(directory.join("orders.jsonl")).unwrap();
            assert!(ran.contains(&self.published), "{ran}");
        }
    }

    pub(super) fn trigger_http(&mut self, line: &str) {
        let guide = self.guide();
        assert!(guide.running, "the page starts a trigger first");
        let method = if line.contains(" -X POST ") { "POST" } else { "GET" };
        let (_, path) = line.split_once("http://127.0.0.1:15693").expect("the trigger's port");
        let (status, answer) = guide.server.http("http", method, path, "");
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    }
}

#[test]
fn metrics_that_the_page_mentions_exist() {
    let (page, broker) = (read("docs/trigger.md"), Broker::start());
    let mut guide = Guide::beside(&broker);
    guide.start();
    let metrics = guide.server.http("http", "GET", "/metrics", "").1;
    for span in spans(&parts(&page).1) {
        let known = span.starts_with("leveret_trigger_") || span == "config_reload_success";
        let name = format!("leveret_trigger_{}", span.trim_start_matches("leveret_trigger_"));
        let found = metrics.contains(&format!("# TYPE {name} "));
        assert!(!known || found, "no metric {span}");
    }
}
