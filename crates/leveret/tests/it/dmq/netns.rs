//! Network namespaces, joined by a switch that can be taken out.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// One namespace; it ends with the test.
pub(crate) struct Namespace {
    /// A shell that waits for the end of its input.
    holder: Child,
}

impl Namespace {
    #[track_caller]
    fn new() -> Namespace {
        let script = "ip link set lo up && echo up && read end";
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n", "a network namespace is needed for this test");
        Namespace { holder }
    }

    /// Two, with an address each, and the switch between them.
    #[track_caller]
    pub(crate) fn pair(addresses: [&str; 2]) -> ([Namespace; 2], Switch) {
        let pair = [Namespace::new(), Namespace::new()];
        let switch = Switch(Namespace::new());
        switch.0.ip(&["link", "add", "switch", "type", "bridge"]);
        switch.0.ip(&["link", "set", "switch", "up"]);
        for ((namespace, address), port) in pair.iter().zip(addresses).zip(PORTS) {
            let there = namespace.holder.id().to_string();
            let peer = ["type", "veth", "peer", "name", "cable", "netns", &there];
            switch.0.ip(&[&["link", "add", port], &peer[..]].concat());
            switch.0.ip(&["link", "set", port, "up"]);
            namespace.address(address);
            namespace.ip(&["link", "set", "cable", "up"]);
        }
        switch.connect(true);
        (pair, switch)
    }

    /// One more address at its end of the cable.
    #[track_caller]
    pub(crate) fn address(&self, address: &str) {
        self.ip(&["address", "add", address, "dev", "cable"]);
    }

    #[track_caller]
    fn ip(&self, words: &[&str]) {
        let enter = self.enter();
        let output =
            Command::new(&enter[0]).args(&enter[1..]).arg("ip").args(words).output().unwrap();
        let erred = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {words:?}: {erred}(it takes root)");
    }

    /// The command that becomes the one that is appended to it, inside.
    pub(crate) fn enter(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.holder.id())]
    }

    /// Does something inside, on a thread of its own.
    #[track_caller]
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// What the cables of two namespaces end in.
pub(crate) struct Switch(Namespace);

/// Its ports.
const PORTS: [&str; 2] = ["left", "right"];

impl Switch {
    /// Lets frames through, or loses them; neither side can see that.
    #[track_caller]
    pub(crate) fn connect(&self, connected: bool) {
        for port in PORTS {
            let words = if connected { &["master", "switch"][..] } else { &["nomaster"] };
            self.0.ip(&[&["link", "set", port], words].concat());
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
