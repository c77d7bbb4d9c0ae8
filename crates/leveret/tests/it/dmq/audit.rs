//! What may never be on the wire: Kamailio hangs on some of it, and wrongs itself on the rest.
//!
//! A scripted node holds all that it got to these rules when its story ends well.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use super::packet::{NOTIFICATION, Over, Packet};

/// Kamailio 5.6.3 cannot write, and so cannot ping with, a list above 1024 bytes.
const LIST_BYTES_MAX: usize = 1000;

/// Kamailio has room for so large a message on a stream (its `tcp_rd_buf_size` less one), and closes a
/// connection that brings a larger one.
const STREAM_BYTES_MAX: usize = 16_383;

/// A larger datagram is broken up on its way.
const WHOLE_DATAGRAM_MAX: usize = 1300;

/// A message of ours, and what is to be said if it breaks a rule.
struct Case<'a> {
    packet: &'a Packet,
    /// The URI of the node that got it.
    to: &'a str,
}

/// Breaking a rule is shown with the message that did.
macro_rules! hold {
    ($case:expr, $held:expr, $($what:tt)+) => {
        assert!($held, "{}: {:?}", format!($($what)+), $case.packet)
    };
}

/// Panics over the first message of a Leveret node that breaks a rule; those of other programs are
/// left alone.
#[track_caller]
pub(crate) fn audit(packets: &[Packet], to: &str) {
    for packet in packets {
        let case = Case { packet, to };
        case.form();
        let agent = packet.get("User-Agent").or_else(|| packet.get("Server")).unwrap_or_default();
        if !agent.starts_with("Leveret/") {
            continue;
        }
        match (packet.is_reply(), packet.method()) {
            (true, _) => case.reply(),
            (false, "KDMQ") => case.request(),
            // A request of someone else's, replicated.
            (false, _) => hold!(case, packet.all("Via").len() >= 2, "not replicated"),
        }
    }
}

impl Case<'_> {
    /// Head and length of any message.
    fn form(&self) {
        let packet = self.packet;
        for line in packet.head().split("\r\n") {
            hold!(self, !line.is_empty() && !line.contains(['\r', '\n', '\0']), "line {line:?}");
        }
        for line in packet.head().split("\r\n").skip(1) {
            let is_header = line.contains(": ") || line.ends_with(':');
            // What is replicated is as its author wrote it.
            let is_ours = packet.is_reply() || packet.method() == "KDMQ";
            hold!(self, is_header || !is_ours, "header {line:?}");
        }
        let lengths = packet.all("Content-Length");
        hold!(self, lengths == [packet.body().len().to_string()], "Content-Length {lengths:?}");
        if packet.over == Over::Udp {
            hold!(self, packet.bytes.len() <= 65_507, "it is too large");
        }
    }

    fn request(&self) {
        let Packet { from, over, .. } = self.packet;
        let packet = self.packet;
        let with_user = |uri: &str| uri.replacen("sip:", &format!("sip:{}@", packet.peer()), 1);
        let uri = with_user(self.to);
        hold!(self, packet.uri() == uri, "the URI is not that of its node, {uri}");
        hold!(self, packet.header("To") == format!("<{uri}>"), "To is not the URI");
        let (whose, tag) = packet.header("From").split_once(">;tag=").expect("From has a tag");
        let sender = self.sender();
        hold!(self, whose == format!("<{}", with_user(&sender)), "From is not {sender}");
        hold!(self, !tag.is_empty(), "no tag");
        hold!(self, packet.header("CSeq") == "10 KDMQ", "CSeq");
        hold!(self, packet.all("Via").len() == 1, "one Via");
        self.via(packet.header("Via"), *from, *over);
        for name in ["Contact", "Route", "Record-Route"] {
            hold!(self, packet.get(name).is_none(), "there is a {name}");
        }
        match packet.peer() {
            NOTIFICATION => self.notification(),
            "htable" => self.table(),
            _ => hold!(self, packet.header("Max-Forwards") == "1", "Max-Forwards"),
        }
    }

    /// The one way to write the sender's URI.
    fn sender(&self) -> String {
        // A stream comes from any port; a node is known by where it listens.
        let via = self.packet.header("Via").split([' ', ';']).nth(1).expect("it has a host");
        let via = if via.contains(':') { via.to_owned() } else { format!("{via}:5060") };
        match self.packet.over {
            Over::Udp => format!("sip:{via}"),
            Over::Tcp | Over::Tls => format!("sip:{via};transport=tcp"),
        }
    }

    fn via(&self, via: &str, from: SocketAddr, over: Over) {
        let (start, parameters) = via.split_once(';').expect("a Via has a branch");
        let token = if over == Over::Udp { "UDP" } else { "TCP" };
        let sent_by = start.strip_prefix(&format!("SIP/2.0/{token} "));
        let sent_by = sent_by.unwrap_or_else(|| panic!("not by {token}: {:?}", self.packet));
        let (host, port) = sent_by.split_once(':').unwrap_or((sent_by, "5060"));
        hold!(self, host == from.ip().to_string(), "the Via is not the source's");
        if over == Over::Udp {
            // Kamailio answers to the port of the Via.
            hold!(self, port == from.port().to_string(), "the Via has another port");
        }
        hold!(self, !parameters.contains("rport"), "an rport");
        hold!(self, self.packet.branch().starts_with("z9hG4bK"), "the branch");
    }

    fn notification(&self) {
        let packet = self.packet;
        if packet.body().is_empty() {
            // A question that tells nothing, which Kamailio answers like any other.
            return hold!(self, packet.header("Max-Forwards") == "1", "Max-Forwards");
        }
        hold!(self, packet.header("Content-Type") == "text/plain", "the type of a list");
        self.list();
        match packet.header("Max-Forwards") {
            "1" => {}
            "2" => hold!(self, packet.lines().len() == 1, "who joins tells of itself alone"),
            _ => hold!(self, false, "Max-Forwards"),
        }
        let own = format!("{};status=", self.sender());
        hold!(self, packet.lines().iter().any(|line| line.starts_with(&own)), "no own line");
    }

    /// The body as Kamailio 5.6.3 can read it without hanging itself up.
    fn list(&self) {
        let text = self.packet.text();
        hold!(self, text.len() <= LIST_BYTES_MAX, "a list of {} bytes", text.len());
        hold!(self, !text.is_empty() && text.ends_with("\r\n"), "a line without an end");
        for line in text.split_terminator("\r\n") {
            let (uri, status) = line.split_once(";status=").unwrap_or((line, ""));
            hold!(self, ["active", "disabled"].contains(&status), "status of {line:?}");
            let (address, transport) = match uri.split_once(';') {
                Some((address, transport)) => (address, transport),
                None => (uri, ""),
            };
            let foreign = match self.packet.over {
                Over::Udp => !transport.is_empty(),
                Over::Tcp | Over::Tls => transport != "transport=tcp",
            };
            hold!(self, !foreign, "a transport that the bus does not have: {line:?}");
            let address = address.strip_prefix("sip:").unwrap_or_default();
            hold!(self, address.parse::<std::net::SocketAddrV4>().is_ok(), "address of {line:?}");
        }
        let mut lines: Vec<&str> = self.packet.lines();
        lines.sort_unstable();
        let all = lines.len();
        lines.dedup_by_key(|line| line.split(";status=").next());
        hold!(self, lines.len() == all, "a node twice");
    }

    /// Kamailio refuses JSON that has a field which it does not know.
    fn table(&self) {
        let packet = self.packet;
        hold!(self, packet.header("Max-Forwards") == "1", "Max-Forwards");
        hold!(self, packet.header("Content-Type") == "application/json", "the type of JSON");
        let body: Map<String, Value> = serde_json::from_slice(packet.body()).expect("JSON");
        if let Some(cells) = body.get("cells") {
            hold!(self, body.len() == 1, "cells and more");
            let cells = cells.as_array().expect("cells are a list");
            // One cell cannot be parted.
            if cells.len() > 1 {
                let most = match packet.over {
                    Over::Udp => WHOLE_DATAGRAM_MAX,
                    Over::Tcp | Over::Tls => STREAM_BYTES_MAX,
                };
                let bytes = packet.bytes.len();
                hold!(self, bytes <= most, "a part of {bytes} bytes");
            }
            for cell in cells {
                self.fields(cell.as_object().expect("a cell"), &["expire"]);
            }
            return;
        }
        match body.get("action").and_then(Value::as_u64) {
            Some(1) => hold!(self, body.len() == 1, "more than a wish"),
            Some(2..=4) => self.fields(&body, &["action", "mode"]),
            _ => hold!(self, false, "an action that nobody knows"),
        }
    }

    fn fields(&self, object: &Map<String, Value>, more: &[&str]) {
        let known = ["htname", "cname", "type", "strval", "intval"];
        for name in object.keys() {
            let is_known = known.contains(&name.as_str()) || more.contains(&name.as_str());
            hold!(self, is_known, "a field that Kamailio refuses: {name}");
        }
    }

    fn reply(&self) {
        let packet = self.packet;
        hold!(self, packet.header("To").contains(";tag="), "no tag");
        hold!(self, packet.all("Via").len() == 1, "one Via");
        match (packet.code(), packet.peer()) {
            (200, NOTIFICATION) => {
                hold!(self, packet.header("Content-Type") == "text/plain", "the type of a list");
                self.list();
            }
            // To a script's broadcast Kamailio would read it as a list of nodes.
            _ => hold!(self, packet.body().is_empty(), "a body"),
        }
    }
}
