//! What arrives: requests and their replies, and what the bridge says of them.

use std::sync::Arc;

use super::{Bus, Clock, Effect, Parked, Way};
use crate::config::HTABLE_PEER;
use crate::desk::Handled;
use crate::htable::Taken;
use crate::members::Heard;
use crate::message::Received;
use crate::sip::parse::ParseError;
use crate::sip::write::Reply;
use crate::sip::{self, KDMQ, Message, Request};
use crate::transaction::Seen;
use crate::transport::{Route, Source};

/// The methods that we answer, for `Allow`.
const ALLOWED: &str = "KDMQ, OPTIONS";

/// What a request is answered.
struct Answer {
    code: u16,
    /// Instead of the usual words for the code.
    reason: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    fn of(code: u16) -> Answer {
        Answer { code, reason: None, body: Vec::new() }
    }

    fn because(code: u16, reason: String) -> Answer {
        Answer { code, reason: Some(reason), body: Vec::new() }
    }
}

impl Bus {
    /// Takes a packet.
    pub(crate) fn received(&mut self, source: &Source, packet: &[u8], clock: Clock) {
        match Message::parse(packet) {
            Ok(Message::Request(request)) => {
                let route = match source.flow {
                    Some(flow) => Route::Flow(flow),
                    None => Route::Udp(request.reply_address(source.address)),
                };
                self.request(&request, packet, source, Way::Wire(route), clock);
            }
            Ok(Message::Response(response)) => self.response(&response, clock),
            // What keeps a way through a firewall open.
            Err(ParseError::KeepAlive) => {}
            Err(error) => {
                self.counters.malformed += 1;
                tracing::debug!("from {}: {error}", source.address);
            }
        }
        self.act(clock);
    }

    /// Takes a request that came by other ways; its reply is the effect with this number.
    ///
    /// # Errors
    /// It is not a request.
    pub(crate) fn handle(
        &mut self,
        packet: &[u8],
        source: &Source,
        number: u64,
        clock: Clock,
    ) -> Result<(), String> {
        match Message::parse(packet) {
            Ok(Message::Request(request)) => {
                self.request(&request, packet, source, Way::Hand(number), clock);
                self.act(clock);
                Ok(())
            }
            Ok(Message::Response(_)) => Err("this is a response, not a request".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn request(
        &mut self,
        request: &Request<'_>,
        packet: &[u8],
        source: &Source,
        way: Way,
        clock: Clock,
    ) {
        let ip = source.address.ip().to_canonical();
        if !source.verified && !self.plan.allow.iter().any(|network| network.contains(&ip)) {
            self.counters.forbidden += 1;
            tracing::debug!("{ip} is not allowed to send to us (allow)");
            let key = self.servers.key(request, source.address);
            return self.reply(request, source, &way, key, &Answer::of(403));
        }
        if request.method == "ACK" {
            // Of a transaction that is no business of ours; it is never answered.
            return;
        }
        let key = self.servers.key(request, source.address);
        match self.servers.seen(key, clock.now) {
            Seen::New => self.counters.requests += 1,
            Seen::Running => {
                self.counters.retransmitted_to_us += 1;
                return;
            }
            Seen::Answered(code) => {
                self.counters.retransmitted_to_us += 1;
                let mut answer = Answer::of(code);
                if code == 200 && request.peer() == Some(&self.plan.channel) {
                    answer.body = self.members.body_again(request.from_node().as_ref());
                }
                return self.reply(request, source, &way, key, &answer);
            }
        }
        if let Some(answer) = self.done(request, packet, source, &way, key, clock) {
            if answer.code >= 400 {
                self.refused(request, source, &answer);
            }
            self.servers.answered(key, answer.code);
            self.reply(request, source, &way, key, &answer);
        }
    }

    fn refused(&mut self, request: &Request<'_>, source: &Source, answer: &Answer) {
        match answer.code {
            404 => self.counters.unknown_peer += 1,
            _ => self.counters.refused += 1,
        }
        let reason = answer.reason.as_deref().unwrap_or(sip::reason(answer.code));
        let (method, uri, from) = (request.method, request.uri, source.address);
        tracing::debug!("{method} {uri} from {from}: {} {reason}", answer.code);
    }

    /// Does what a request asks for. Without an answer it comes later.
    fn done(
        &mut self,
        request: &Request<'_>,
        packet: &[u8],
        source: &Source,
        way: &Way,
        key: u64,
        clock: Clock,
    ) -> Option<Answer> {
        if let Some(fault) = &request.fault {
            return Some(Answer::because(400, format!("Bad Request: {fault}")));
        }
        if request.body.len() > self.plan.body_bytes_max {
            return Some(Answer::of(413));
        }
        let ip = source.address.ip().to_canonical();
        match request.method {
            KDMQ => {}
            "OPTIONS" => return Some(Answer::of(200)),
            _ if !self.plan.replicated_peer.is_empty() && self.members.is_from_node(ip) => {
                let peer = Arc::clone(&self.plan.replicated_peer);
                let mut message = received(peer, request, source, clock);
                message.content_type = "message/sip".into();
                message.body = packet.trim_ascii_start().to_vec();
                return self.deliver(message, packet, source, way, key);
            }
            _ => return Some(Answer::of(405)),
        }
        let Some(peer) = request.peer() else {
            let why = "Bad Request: the request URI has no user, so no peer is named";
            return Some(Answer::because(400, why.into()));
        };
        if *peer == *self.plan.channel {
            if self.leaving.is_some() {
                // A list would make us active again in Kamailio's eyes, whatever it says.
                let why = "Service Unavailable: leaving the bus";
                return Some(Answer::because(503, why.into()));
            }
            let from = request.from_node();
            let agent = request.agent();
            let body = self.members.heard(
                Heard {
                    from: from.as_ref(),
                    source: ip,
                    agent: &agent,
                    max_forwards: request.max_forwards().unwrap_or(0),
                    body: request.body,
                    wall_ms: clock.wall_ms,
                },
                clock.now,
            );
            return Some(Answer { code: 200, reason: None, body });
        }
        if peer == HTABLE_PEER && self.tables.is_some() {
            let answer = self.take_cells(request, clock);
            if answer.code != 200 || !self.wants(peer) {
                return Some(answer);
            }
        } else if !self.peers.knows(peer) {
            return Some(Answer::of(404));
        }
        if !self.wants(peer) {
            self.counters.delivered += 1;
            return Some(Answer::of(200));
        }
        let message = received(peer.into(), request, source, clock);
        self.deliver(message, packet, source, way, key)
    }

    /// Whether a message is copied for somebody.
    fn wants(&self, peer: &str) -> bool {
        self.peers.is_bridged(peer) || self.peers.is_heard(peer)
    }

    fn take_cells(&mut self, request: &Request<'_>, clock: Clock) -> Answer {
        let Some(tables) = &mut self.tables else { return Answer::of(404) };
        match tables.take(request.body, clock.wall_ms) {
            Ok(Taken::Applied) => Answer::of(200),
            Ok(Taken::SyncWanted(table)) => {
                // Only to a node of the list: Kamailio sends all that it has to everybody when it
                // does not know who asks.
                if let Some(from) = request.from_node() {
                    self.give_tables(&from, table, clock);
                }
                Answer::of(200)
            }
            Err(refused) => {
                let code = refused.code();
                Answer::because(code, format!("{}: {refused}", sip::reason(code)))
            }
        }
    }

    /// Gives a message to those who listen and to the bridge.
    fn deliver(
        &mut self,
        message: Received,
        packet: &[u8],
        source: &Source,
        way: &Way,
        key: u64,
    ) -> Option<Answer> {
        let message = Arc::new(message);
        let bridged = self.peers.is_bridged(&message.peer);
        let waits = bridged && self.peers.confirm;
        if waits && self.parked.len() >= self.plan.parked_max {
            let why = "Service Unavailable: too many messages wait for the broker";
            return Some(Answer::because(503, why.into()));
        }
        self.counters.delivered += 1;
        self.counters.missed += self.peers.tell(&message);
        if !bridged {
            return Some(Answer::of(200));
        }
        let ticket = waits.then(|| self.next_serial());
        self.effects.push(Effect::Publish(ticket, message));
        let Some(ticket) = ticket else { return Some(Answer::of(200)) };
        let (packet, source, way) = (packet.to_vec(), source.clone(), way.clone());
        self.parked.insert(ticket, Parked { packet, source, way, key });
        None
    }

    /// The bridge has published a message, or not.
    pub(crate) fn published(&mut self, ticket: Option<u64>, taken: bool) {
        match taken {
            true => self.counters.bridged_in += 1,
            false => self.counters.unbridged += 1,
        }
        let Some(parked) = ticket.and_then(|ticket| self.parked.remove(&ticket)) else { return };
        let Parked { packet, source, way, key } = parked;
        let Ok(Message::Request(request)) = Message::parse(&packet) else { return };
        let answer = match taken {
            true => Answer::of(200),
            false => Answer::because(503, "Service Unavailable: no confirm of the broker".into()),
        };
        if !taken {
            self.counters.refused += 1;
        }
        self.servers.answered(key, answer.code);
        self.reply(&request, &source, &way, key, &answer);
    }

    fn reply(
        &mut self,
        request: &Request<'_>,
        source: &Source,
        way: &Way,
        key: u64,
        answer: &Answer,
    ) {
        let reason = answer.reason.as_deref().unwrap_or(sip::reason(answer.code));
        let route = match way {
            Way::Wire(route) => route.clone(),
            Way::Hand(number) => {
                let (code, reason) = (answer.code, reason.to_owned());
                let handled = Handled { code, reason, body: answer.body.clone() };
                return self.effects.push(Effect::Handled(*number, handled));
            }
        };
        self.scratch.clear();
        let is_options = request.method == "OPTIONS";
        let reply = Reply {
            code: answer.code,
            reason,
            tag: &format!("{key:016x}"),
            allow: if is_options || answer.code == 405 { ALLOWED } else { "" },
            content_type: if answer.body.is_empty() { "" } else { "text/plain" },
            body: &answer.body,
        };
        reply.write(request, source.address, &mut self.scratch);
        self.effects.push(Effect::Send(route, self.scratch.as_slice().into()));
    }
}

fn received(peer: Arc<str>, request: &Request<'_>, source: &Source, clock: Clock) -> Received {
    Received {
        peer,
        from: request.from_node(),
        source: source.address,
        call_id: request.headers.call_id().to_owned(),
        content_type: request.content_type().into_owned(),
        body: request.body.to_vec(),
        at_ms: clock.wall_ms,
    }
}
