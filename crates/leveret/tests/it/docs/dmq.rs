//! The page about the DMQ node: its commands against a node that runs beside a scripted one, its
//! file of settings, its metrics.

use super::*;
use crate::dmq::node::Node;
use crate::dmq::process::Dmq;

/// How the page starts a node, and who the others are there.
const START: &str = "leveret dmq --server-address ";
const OURS: &str = "192.0.2.3";
const OTHER: &str = "192.0.2.1";

/// The node that the page starts, and the one that it joins.
pub(super) struct Guide {
    other: Node,
    node: Dmq,
}

impl Guide {
    fn start(line: &str, broker: &Broker) -> Guide {
        let other = Node::start();
        // The line is read, then the same is started where nobody else is.
        let said = shell(&format!("{line} --print-config"));
        let settings = stdout(&said);
        for uri in [OURS, OTHER].map(|host| format!("sip:{host}:5060")) {
            assert!(
                said.status.success() && settings.contains(&uri),
                "{settings}{}",
                stderr(&said)
            );
        }
        let url = format!("\"amqp://guest:guest@{}/\"", broker.amqp());
        let node = Dmq::beside(&[&other]).set("bridge_peers", "[\"events\"]");
        let node = node.set("bridge_broker", url).start();
        node.expect_state(&other, "active");
        node.expect_metric("bridge_up", 1.0);
        Guide { other, node }
    }

    /// The line with the addresses of this test.
    fn here(&self, line: &str) -> String {
        line.replace(OURS, &self.node.ip().to_string()).replace(OTHER, &self.other.ip().to_string())
    }
}

impl Reader {
    pub(super) fn dmq(&mut self, line: &str) {
        if line == "leveret dmq" {
            // The name of the command.
            return;
        }
        if line.starts_with(START) {
            self.dmq = Some(Guide::start(line, &self.broker));
            return;
        }
        let settings = ["--print-config", "check"].iter().any(|word| line.contains(word));
        let Some(guide) = self.dmq.as_ref().filter(|_| !settings) else {
            let done = shell(&line.replace(" FILE", " dmq.toml"));
            assert!(done.status.success(), "{}", stderr(&done));
            return;
        };
        let api = guide.node.server().address("http");
        // What goes on until Ctrl-C is ended when there was time for a mistake to show.
        let endless = line.starts_with("leveret dmq messages");
        let limit = if endless { "timeout --preserve-status --signal=INT 1 " } else { "" };
        let done = shell(&format!("{limit}{} --api http://{api}", guide.here(line)));
        let code = done.status.code();
        assert!(
            done.status.success() || endless && code == Some(130),
            "{code:?} {}",
            stderr(&done)
        );
    }

    pub(super) fn dmq_http(&mut self, line: &str) {
        let guide = self.dmq.as_ref().expect("the page starts a node first");
        let (_, path) = line.split_once("http://127.0.0.1:15694").expect("the node's port");
        let (status, answer) = guide.node.http("GET", path, "");
        assert_eq!(status, 200, "{path}: {answer}");
    }
}

#[test]
fn metrics_that_the_page_mentions_exist() {
    let node = Dmq::beside(&[]).start();
    let metrics = node.http("GET", "/metrics", "").1;
    for span in spans(&parts(&read("docs/dmq.md")).1) {
        let optional = span.starts_with("leveret_dmq_bridge_up");
        let found = metrics.contains(&format!("# TYPE {span} "));
        assert!(!span.starts_with("leveret_dmq_") || optional || found, "no metric {span}");
    }
}
