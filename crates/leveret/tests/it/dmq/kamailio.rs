//! A real Kamailio node for a test, on an address of its own.
//!
//! `TEST_KAMAILIO=PATH` puts another program in the place of Debian's `kamailio`, such as a script that
//! becomes that of another release (`exec chroot DIR /usr/sbin/kamailio "$@"`, with a `/tmp` that is
//! this one).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::address;
use super::node::{Node, uri};
use super::packet::Over;
use super::process::within;
use crate::server::DEADLINE;
use crate::tls::Authority;

/// How often Kamailio 5.6.3 pings; it knows no shorter interval.
pub(crate) const PING: Duration = Duration::from_secs(5);

/// How long it waits for an answer here.
pub(crate) const ANSWER: Duration = Duration::from_secs(2);

/// Modules, in the order in which they work together.
const MODULES: &[&str] = &[
    "sl", "tm", "tmx", "pv", "xlog", "textops", "siputils", "maxfwd", "kex", "corex", "ctl",
    "cfg_rpc", "dmq", "htable",
];

/// Takes `KDMQ`; `chat` is a peer of the script. An OPTIONS for `bcast` or `send` has it send
/// the body to the peer of the header `P-Peer`, and a REGISTER is replicated.
const ROUTE: &str = r#"
request_route {
    if (is_method("KDMQ")) {
        if ($rU == "chat") {
            xlog("L_WARN", "TAKEN $fu $cT [$rb]\n");
            sl_send_reply("200", "OK");
            exit;
        }
        dmq_handle_message();
        exit;
    }
    if (is_method("OPTIONS") && $rU == "bcast") {
        if (dmq_bcast_message("$hdr(P-Peer)", "$rb", "text/plain")) {
            sl_send_reply("200", "sent");
        } else {
            sl_send_reply("500", "not sent");
        }
        exit;
    }
    if (is_method("OPTIONS") && $rU == "send") {
        if (dmq_send_message("$hdr(P-Peer)", "$hdr(P-Node)", "$rb", "text/plain")) {
            sl_send_reply("200", "sent");
        } else {
            sl_send_reply("500", "not sent");
        }
        exit;
    }
    if (is_method("REGISTER")) {
        if (dmq_is_from_node()) {
            xlog("L_WARN", "REPLICATED [$hdr(Via)]\n");
            sl_send_reply("200", "copy");
        } else {
            sl_send_reply("200", "original");
            dmq_t_replicate();
        }
        exit;
    }
    sl_send_reply("405", "no");
}
"#;

/// Kills the process group that it was last told of, and removes the directory, when its standard
/// input ends: so nothing stays behind a test that was killed.
const JANITOR: &str = r#"while read pid; do last=$pid; done
[ "${last:-0}" -gt 0 ] && kill -9 -- "-$last"
rm -rf "$0""#;

/// A directory with its configuration, and the processes that obey it.
pub(crate) struct Kamailio {
    dir: PathBuf,
    ip: Ipv4Addr,
    over: Over,
    janitor: Child,
    main: Option<Child>,
    wrapper: Vec<String>,
}

impl Kamailio {
    /// A node that does not run yet, at this address; its `notification_address` is that of the
    /// other node, if any.
    pub(crate) fn at(ip: Ipv4Addr, over: Over, other: Option<&str>) -> Kamailio {
        let dir = tempfile::tempdir().expect("a temporary directory").keep();
        let janitor = Command::new("sh")
            .args(["-c", JANITOR])
            .arg(&dir)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        let kamailio = Kamailio { dir, ip, over, janitor, main: None, wrapper: Vec::new() };
        std::fs::write(kamailio.dir.join("kamailio.cfg"), kamailio.config(other)).unwrap();
        kamailio
    }

    /// The same over TLS, with a certificate that this authority has signed, as all need.
    pub(crate) fn secure(ip: Ipv4Addr, other: Option<&str>, authority: &Authority) -> Kamailio {
        let kamailio = Kamailio::at(ip, Over::Tls, other);
        let identity = authority.node(&ip.to_string());
        let key = identity.key.serialize_pem();
        for (name, text) in [("ca", &authority.pem), ("cert", &identity.pem), ("key", &key)] {
            std::fs::write(kamailio.dir.join(format!("{name}.pem")), text).unwrap();
        }
        kamailio
    }

    /// Two that run and know each other.
    #[track_caller]
    pub(crate) fn pair(over: Over) -> [Kamailio; 2] {
        let [a, b] = [address::take(), address::take()];
        // By a stream the first would call one that does not listen yet, and hold that against it
        // when its time to answer is over.
        let known = [(over == Over::Udp).then(|| uri(b, over)), Some(uri(a, over))];
        let mut pair = [(a, &known[0]), (b, &known[1])]
            .map(|(ip, known)| Kamailio::at(ip, over, known.as_deref()));
        pair.iter_mut().for_each(Kamailio::launch);
        let uris = pair.each_ref().map(Kamailio::uri);
        for (one, other) in [(0, 1), (1, 0)] {
            pair[one].expect_state(&uris[other], "active");
        }
        pair
    }

    fn config(&self, other: Option<&str>) -> String {
        let Kamailio { ip, dir, .. } = self;
        let dir = dir.display();
        let mut text = format!("#!KAMAILIO\nlisten=udp:{ip}:5060\n");
        match self.over {
            Over::Udp => text.push_str("disable_tcp=yes\n"),
            Over::Tcp => write!(text, "listen=tcp:{ip}:5060\ntcp_children=1\n").unwrap(),
            Over::Tls => write!(
                text,
                "enable_tls=yes\nlisten=tls:{ip}:5061\ntcp_children=1\nloadmodule \"tls.so\"\n"
            )
            .unwrap(),
        }
        text.push_str(
            "debug=1\nlog_stderror=yes\nfork=yes\nchildren=1\nauto_aliases=no\ndns=no\nrev_dns=no\n",
        );
        for module in MODULES {
            writeln!(text, "loadmodule \"{module}.so\"").unwrap();
        }
        let (own, ping, answer) = (self.uri(), PING.as_secs(), ANSWER.as_millis());
        // Cells of a table without `autoexpire` never expire, whatever they are told.
        let table = "size=4;autoexpire=3600;dmqreplicate=1;";
        for (module, name, value) in [
            ("tm", "fr_timer", answer.to_string()),
            ("ctl", "binrpc", format!("\"unix:{dir}/ctl\"")),
            ("dmq", "server_address", format!("{own:?}")),
            ("dmq", "num_workers", "2".to_owned()),
            ("dmq", "ping_interval", ping.to_string()),
            ("htable", "enable_dmq", "1".to_owned()),
            ("htable", "dmq_init_sync", "1".to_owned()),
            ("htable", "htable", format!("\"shared=>{table}\"")),
        ] {
            writeln!(text, "modparam(\"{module}\", \"{name}\", {value})").unwrap();
        }
        if let Some(other) = other {
            writeln!(text, "modparam(\"dmq\", \"notification_address\", {other:?})").unwrap();
        }
        if self.over == Over::Tls {
            for (name, file) in [("ca_list", "ca"), ("certificate", "cert"), ("private_key", "key")]
            {
                writeln!(text, "modparam(\"tls\", \"{name}\", \"{dir}/{file}.pem\")").unwrap();
            }
            // Its default is TLS 1.0 alone.
            text.push_str("modparam(\"tls\", \"tls_method\", \"TLSv1.2+\")\n");
            for name in ["verify_certificate", "require_certificate"] {
                writeln!(text, "modparam(\"tls\", \"{name}\", 1)").unwrap();
            }
        }
        text + ROUTE
    }

    /// Started by a command that ends by becoming what is appended to it.
    pub(crate) fn under(mut self, wrapper: Vec<String>) -> Kamailio {
        self.wrapper = wrapper;
        self
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    pub(crate) fn launch(&mut self) {
        assert!(self.main.is_none(), "it runs already");
        let program = std::env::var("TEST_KAMAILIO").unwrap_or_else(|_| "kamailio".to_owned());
        let mut words = self.wrapper.iter().chain([&program]);
        let log = File::options().create(true).append(true).open(self.dir.join("log")).unwrap();
        let mut command = Command::new(words.next().expect("it has a name"));
        command.args(words).args(["-DD", "-E", "-m", "32", "-M", "4"]).arg("-w").arg(&self.dir);
        // Whole paths: the program may be one that changes its directory.
        for (flag, file) in [("-f", "kamailio.cfg"), ("-P", "pid")] {
            command.arg(flag).arg(self.dir.join(file));
        }
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("Debian's package kamailio; see `cargo xtask peers`");
        let pid = format!("{}\n", child.id());
        self.janitor.stdin.as_mut().unwrap().write_all(pid.as_bytes()).unwrap();
        self.main = Some(child);
        within(DEADLINE, "Kamailio answers", || {
            let main = self.main.as_mut().expect("it was just started");
            assert!(main.try_wait().unwrap().is_none(), "Kamailio ends:\n{}", self.log());
            self.try_rpc(&["core.uptime"]).is_ok()
        });
    }

    fn pid(&self) -> Pid {
        let main = self.main.as_ref().expect("it runs");
        Pid::from_raw(main.id() as i32).unwrap()
    }

    /// Kills all of its processes at once.
    pub(crate) fn kill9(&mut self) {
        kill_process_group(self.pid(), Signal::KILL).unwrap();
        self.main.take().expect("it runs").wait().unwrap();
        let _ = std::fs::remove_file(self.dir.join("ctl"));
    }

    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Its URI, as it stands in lists.
    pub(crate) fn uri(&self) -> String {
        uri(self.ip, self.over)
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(self.dir.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// An answer of kamcmd. A node that holds its own lock for ever gives none.
    fn try_rpc(&self, words: &[&str]) -> Result<String, String> {
        let socket = format!("unix:{}/ctl", self.dir.display());
        let mut command = Command::new("timeout");
        let output = command.args(["5", "kamcmd", "-s", &socket]).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() && !said.starts_with("error:") {
            true => Ok(said),
            false => Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// What kamcmd says, which must be no error for long.
    #[track_caller]
    pub(crate) fn rpc(&self, words: &[&str]) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.try_rpc(words) {
                Ok(said) => return said,
                Err(error) => assert!(Instant::now() < end, "{words:?}: {error}\n{}", self.log()),
            }
        }
    }

    /// Its list of nodes: states by URI, itself included.
    #[track_caller]
    pub(crate) fn nodes(&self) -> BTreeMap<String, String> {
        let said = self.rpc(&["dmq.list_nodes"]);
        let node = |row: &str| {
            let field = |name: &str| {
                let mut lines = row.lines().map(str::trim);
                let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                value.unwrap_or_else(|| panic!("no {name}: {said}")).to_owned()
            };
            let transport = match field("proto").as_str() {
                "tcp" => ";transport=tcp",
                "tls" => ";transport=tls",
                _ => "",
            };
            let uri = format!("sip:{}:{}{transport}", field("host"), field("port"));
            (uri, field("status"))
        };
        said.split('{').skip(1).map(node).collect()
    }

    /// A node is this to it, or gets to be; empty when it is not on the list.
    #[track_caller]
    pub(crate) fn expect_state(&self, uri: &str, state: &str) {
        self.expect_state_within(DEADLINE, uri, state);
    }

    #[track_caller]
    pub(crate) fn expect_state_within(&self, limit: Duration, uri: &str, state: &str) {
        let what = format!("{uri} is {state:?} to Kamailio {}", self.ip);
        within(limit, &what, || self.nodes().remove(uri).unwrap_or_default() == state);
    }

    /// Its release, such as 5.6.
    #[track_caller]
    pub(crate) fn release(&self) -> (u32, u32) {
        let said = self.rpc(&["core.version"]);
        let numbers = said.split_once("kamailio ").and_then(|(_, version)| {
            let mut numbers = version.split('.').map(|number| number.parse().ok());
            Some((numbers.next()??, numbers.next()??))
        });
        numbers.unwrap_or_else(|| panic!("which version is {said:?}?"))
    }

    /// Its `notification_address` does not answer it any more, which is `pending` up to 6.0 and
    /// `not_active` from 6.1 on.
    #[track_caller]
    pub(crate) fn expect_unanswered(&self, uri: &str) {
        let state = if self.release() < (6, 1) { "pending" } else { "not_active" };
        self.expect_state(uri, state);
    }

    /// A value of the table `shared`.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let said = self.try_rpc(&["htable.get", "shared", key]).ok()?;
        let value = said.lines().find_map(|line| line.trim().strip_prefix("value: "))?;
        Some(value.to_owned())
    }

    /// A cell of the table `shared` has this value, or gets it; `None` when it is not there.
    #[track_caller]
    pub(crate) fn expect_cell(&self, key: &str, value: Option<&str>) {
        let what = format!("{key} is {value:?} in Kamailio {}", self.ip);
        within(DEADLINE, &what, || self.get(key).as_deref() == value);
    }

    /// Sets a cell of the table `shared`, on all nodes.
    #[track_caller]
    pub(crate) fn set(&self, key: &str, value: &str) {
        self.rpc(&["htable.sets", "shared", key, value]);
    }

    /// Has its script broadcast; whether it says that it did.
    #[track_caller]
    pub(crate) fn broadcast(&self, by: &Node, peer: &str, body: &str) -> bool {
        self.script(by, "bcast", &[("P-Peer", peer)], body)
    }

    /// Has its script send to one node; whether it says that it did.
    #[track_caller]
    pub(crate) fn send(&self, by: &Node, peer: &str, to: &str, body: &str) -> bool {
        self.script(by, "send", &[("P-Peer", peer), ("P-Node", to)], body)
    }

    fn script(&self, by: &Node, user: &str, headers: &[(&str, &str)], body: &str) -> bool {
        let mut request = by.request(self.ip, user, body);
        request.method = "OPTIONS".to_owned();
        request.headers =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        request.ask().code() == 200
    }

    /// Its script has taken, or takes, this message for the peer `chat`.
    #[track_caller]
    pub(crate) fn expect_taken(&self, from: &str, content_type: &str, body: &str) {
        let from = from.replacen("sip:", "sip:chat@", 1);
        let line = format!("TAKEN {from} {content_type} [{body}]");
        within(DEADLINE, &line, || {
            self.rpc(&["core.uptime"]);
            self.log().contains(&line)
        });
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if self.main.is_some() {
            self.kill9();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(3000).map_or(0, |(at, _)| at);
            eprintln!("--- Kamailio {} said ---\n{}", self.ip, &log[tail..]);
        }
        if let Some(mut stdin) = self.janitor.stdin.take() {
            let _ = stdin.write_all(b"0\n");
        }
        let _ = self.janitor.wait();
    }
}
