//! A node as Kamailio 5.6.3 behaves on the bus, its weaknesses included: whatever would hang or stop
//! a real one fails the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::address::{NodeUri, Transport};
use crate::sip::headers::Name;
use crate::sip::write::{Kdmq, Reply};
use crate::sip::{Message, Request};

const PING_INTERVAL: Duration = Duration::from_secs(60);
const FR_TIMER: Duration = Duration::from_secs(30);
/// The buffer into which it writes its list.
const LIST_BYTES_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Pending,
    Disabled,
}

pub(super) struct Kamailio {
    me: NodeUri,
    notified: Vec<NodeUri>,
    /// The list, the newest last; without itself.
    pub(super) nodes: Vec<(NodeUri, Status)>,
    /// Requests under way: branch, to whom, until when.
    under_way: BTreeMap<String, (NodeUri, Duration)>,
    next_ping: Duration,
    started: bool,
    serial: u64,
    pub(super) out: Vec<(SocketAddr, Arc<[u8]>)>,
}

impl Kamailio {
    pub(super) fn new(me: NodeUri, notified: Vec<NodeUri>, now: Duration) -> Kamailio {
        Kamailio {
            me,
            notified,
            nodes: Vec::new(),
            under_way: BTreeMap::new(),
            next_ping: now,
            started: false,
            serial: 0,
            out: Vec::new(),
        }
    }

    pub(super) fn status(&self, node: &NodeUri) -> Option<Status> {
        self.nodes.iter().find(|(other, _)| other == node).map(|(_, status)| *status)
    }

    pub(super) fn next_deadline(&self) -> Duration {
        self.under_way.values().map(|(_, until)| *until).chain([self.next_ping]).min().unwrap()
    }

    pub(super) fn tick(&mut self, now: Duration) {
        let over: Vec<String> = self
            .under_way
            .iter()
            .filter(|(_, (_, until))| *until <= now)
            .map(|(b, _)| b.clone())
            .collect();
        for branch in over {
            let (node, _) = self.under_way.remove(&branch).unwrap();
            self.missed(&node);
        }
        if self.next_ping > now {
            return;
        }
        self.next_ping = now + PING_INTERVAL;
        if self.nodes.is_empty() {
            let pending = self.notified.iter().map(|node| (node.clone(), Status::Pending));
            self.nodes.extend(pending);
        }
        let hops = if std::mem::replace(&mut self.started, true) { 1 } else { 2 };
        for (node, _) in self.nodes.clone() {
            self.notify(&node, hops, now);
        }
    }

    fn missed(&mut self, node: &NodeUri) {
        let configured = self.notified.contains(node);
        self.nodes.retain_mut(|(other, status)| {
            if other != node {
                return true;
            }
            if configured {
                *status = Status::Pending;
            } else if *status == Status::Disabled {
                return false;
            } else {
                *status = Status::Disabled;
            }
            true
        });
    }

    fn body(&self) -> Vec<u8> {
        let active = self.nodes.iter().rev().filter(|(_, status)| *status == Status::Active);
        let mut body: String =
            active.map(|(node, _)| format!("{node};status=active\r\n")).collect();
        body += &format!("{};status=active\r\n", self.me);
        assert!(
            body.len() <= LIST_BYTES_MAX,
            "{} is stopped by a list of {} bytes",
            self.me,
            body.len()
        );
        body.into_bytes()
    }

    fn notify(&mut self, to: &NodeUri, max_forwards: u8, now: Duration) {
        self.serial += 1;
        let branch = format!("z9hG4bKkam{}-{}", self.me.host, self.serial);
        let body = self.body();
        let mut packet = Vec::new();
        let call_id = format!("{}@{}", self.serial, self.me.host);
        let request = Kdmq {
            peer: "notification_peer",
            to,
            from: &self.me,
            branch: &branch,
            tag: "k",
            call_id: &call_id,
            max_forwards,
            content_type: "text/plain",
            body: &body,
        };
        request.write(&mut packet);
        let packet = as_kamailio(packet);
        self.under_way.insert(branch, (to.clone(), now + FR_TIMER));
        let to = SocketAddr::new(to.ip().unwrap(), to.port);
        self.out.push((to, packet));
    }

    pub(super) fn received(&mut self, from: SocketAddr, packet: &[u8], now: Duration) {
        match Message::parse(packet).expect("what we send is SIP") {
            Message::Request(request) => self.request(&request, from, now),
            Message::Response(response) => {
                let branch = response.headers.via().branch.unwrap();
                let Some((node, _)) = self.under_way.remove(branch) else { return };
                if response.code == 200 {
                    self.set(&node, Status::Active);
                    self.merge(response.body);
                }
            }
        }
    }

    fn request(&mut self, request: &Request<'_>, from: SocketAddr, now: Duration) {
        let mut reply = Reply { code: 200, reason: "OK", tag: "t", ..Reply::default() };
        let body;
        if request.peer() == Some("notification_peer") {
            let news = self.merge(request.body);
            let hops: u8 = request.headers.get(Name::MaxForwards).unwrap().parse().unwrap();
            if news && hops > 1 {
                let active: Vec<_> =
                    self.nodes.iter().filter(|(_, s)| *s == Status::Active).cloned().collect();
                active.iter().for_each(|(node, _)| self.notify(node, hops - 1, now));
            }
            body = self.body();
            reply.content_type = "text/plain";
            reply.body = &body;
        }
        let mut packet = Vec::new();
        reply.write(request, from, &mut packet);
        self.out.push((request.reply_address(from), as_kamailio(packet)));
    }

    fn set(&mut self, node: &NodeUri, status: Status) {
        if let Some((_, old)) = self.nodes.iter_mut().find(|(other, _)| other == node) {
            *old = status;
        }
    }

    /// Takes a list as `extract_node_list` does; whether there was something new.
    fn merge(&mut self, body: &[u8]) -> bool {
        let text = std::str::from_utf8(body).unwrap();
        assert!(text.is_empty() || text.ends_with("\r\n"), "the last line is cut: {text:?}");
        let mut news = false;
        for line in text.split_terminator("\r\n") {
            let (uri, status) = line.split_once(";status=").expect("a status");
            let status = match status {
                "active" => Status::Active,
                "disabled" => Status::Disabled,
                other => panic!("{other} hangs old Kamailios"),
            };
            assert!(uri.starts_with("sip:") && uri.matches(':').count() == 2, "{uri}");
            let node: NodeUri = uri.parse().unwrap();
            assert!(node.ip().is_some() && node.transport == Transport::Udp, "{uri}");
            if node == self.me {
                continue;
            }
            match self.nodes.iter_mut().find(|(other, _)| *other == node) {
                None => {
                    self.nodes.push((node, status));
                    news = true;
                }
                Some((_, old)) if *old != status && *old != Status::Disabled => {
                    *old = status;
                    news = true;
                }
                Some(_) => {}
            }
        }
        let _ = self.body();
        news
    }
}

/// A packet that does not say that it is one of ours.
fn as_kamailio(packet: Vec<u8>) -> Arc<[u8]> {
    let text = String::from_utf8(packet).unwrap();
    text.replace(crate::sip::AGENT, "kamailio (5.6.3)").into_bytes().into()
}
