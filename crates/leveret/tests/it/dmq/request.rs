//! A request that a scripted node sends.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::node::{Node, uri};
use super::packet::{NOTIFICATION, Over, Packet};

/// What is not said is as Kamailio has it.
pub(crate) struct Request<'a> {
    node: &'a Node,
    pub(crate) to: Ipv4Addr,
    pub(crate) peer: String,
    pub(crate) content_type: String,
    pub(crate) max_forwards: u8,
    /// The URI of the sender, whose user is the peer.
    pub(crate) from: String,
    pub(crate) branch: String,
    pub(crate) method: String,
    /// More lines of the head.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(super) fn of(node: &'a Node, to: Ipv4Addr, peer: &str, body: &[u8]) -> Request<'a> {
        let of_lists = peer == NOTIFICATION;
        Request {
            node,
            to,
            peer: peer.to_owned(),
            content_type: if of_lists { "text/plain" } else { "application/json" }.to_owned(),
            max_forwards: 1,
            from: node.uri(),
            branch: unique(),
            method: "KDMQ".to_owned(),
            headers: String::new(),
            body: body.to_vec(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Request { peer, content_type, max_forwards, branch, method, .. } = self;
        let (ip, token) = match self.node.transport() {
            Over::Udp => (self.node.ip(), "UDP"),
            Over::Tcp | Over::Tls => (self.node.ip(), "TCP"),
        };
        let with_user = |uri: &str| uri.replacen("sip:", &format!("sip:{peer}@"), 1);
        let (to, from) = (with_user(&uri(self.to, self.node.transport())), with_user(&self.from));
        let head = format!(
            "{method} {to} SIP/2.0\r\nVia: SIP/2.0/{token} {ip};branch={branch}\r\nTo: <{to}>\r\n\
             From: <{from}>;tag=scripted\r\nCSeq: 10 {method}\r\nCall-ID: {branch}@{ip}\r\n\
             Content-Length: {}\r\nUser-Agent: scripted\r\nMax-Forwards: {max_forwards}\r\n\
             Content-Type: {content_type}\r\n{}\r\n",
            self.body.len(),
            self.headers
        );
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends it once.
    pub(crate) fn send(&self) {
        match self.node.transport() {
            Over::Udp => self.node.send_raw(self.to, &self.bytes()),
            Over::Tcp | Over::Tls => self.node.stream_raw(self.to, &self.bytes()),
        }
    }

    /// Sends it; the reply to it.
    #[track_caller]
    pub(crate) fn ask(&self) -> Packet {
        self.send();
        self.node.reply(&self.branch)
    }
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("z9hG4bKtest-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
