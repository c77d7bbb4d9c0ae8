//! What nodes say of themselves and of others, and how news are passed on.

use std::net::IpAddr;
use std::time::Duration;

use super::bodies::OTHERS_MAX;
use super::{Act, Members, NEWS_PAUSE, Notice};
use crate::address::NodeUri;
use crate::desk::NodeState;
use crate::list::{List, Status};
use crate::message::Millis;

/// A notification that arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    /// Who says that he sent it.
    pub(crate) from: Option<&'a NodeUri>,
    /// Where it came from.
    pub(crate) source: IpAddr,
    /// The `User-Agent`.
    pub(crate) agent: &'a str,
    /// Its `Max-Forwards`; what is new is passed on when it is above one.
    pub(crate) max_forwards: u8,
    /// The list.
    pub(crate) body: &'a [u8],
    /// The wall clock.
    pub(crate) wall_ms: Millis,
}

impl Members {
    /// Takes a notification, and gives the list that answers it.
    pub(crate) fn heard(&mut self, heard: Heard<'_>, now: Duration) -> Vec<u8> {
        let list = List::parse(heard.body);
        self.bad_lines += list.bad;
        let Some(from) = heard.from.filter(|from| !self.is_me(from)) else {
            self.merge(&list, None, now);
            return self.body_for_stranger(&[]);
        };
        let own = list.lines.iter().find(|line| line.node == *from).map(|line| line.status);
        // Only he himself may say that he leaves, from where he is.
        let himself = from.ip().or_else(|| self.nodes.get(from)?.ip) == Some(heard.source);
        match own {
            Some(Status::Disabled) if himself => self.left(from, now),
            Some(_) => {
                if himself {
                    self.buried.remove(from);
                }
                self.add(from, now);
            }
            None => {}
        }
        if let Some(member) = self.nodes.get_mut(from).filter(|_| himself) {
            member.heard(heard.agent, heard.wall_ms);
            if own.is_some_and(|status| status != Status::Disabled) {
                member.remember(&list);
                // It learns of us by the answer.
                member.told = true;
                if let Some(listed) = &mut member.listed {
                    listed.push(self.rules.me.clone());
                }
                if member.state != NodeState::Active && !member.probing {
                    // What it says is not believed before it has answered.
                    member.announce |= heard.max_forwards > 1;
                    member.next = now;
                    self.wake = now;
                }
            }
        }
        self.merge(&list, Some(from), now);
        match self.nodes.contains_key(from) {
            true => self.body_for(from, &[]),
            false => {
                let listed: Vec<_> = list.lines.into_iter().map(|line| line.node).collect();
                self.body_for_stranger(&listed)
            }
        }
    }

    /// A node has said itself that it leaves.
    fn left(&mut self, node: &NodeUri, now: Duration) {
        let until = now + self.rules.tombstone;
        let Some(member) = self.nodes.get_mut(node) else { return };
        if member.state == NodeState::Disabled {
            return;
        }
        member.state = NodeState::Disabled;
        member.forget_at = Some(until);
        member.next = now + self.rules.ping_interval;
        member.lose_touch();
        self.wake = self.wake.min(member.next);
        self.acts.extend([Act::Down(node.clone()), Act::Event(node.clone(), "left")]);
    }

    /// Takes what is said of nodes by another one, `by`: reasons to ask them, and no more.
    pub(super) fn merge(&mut self, list: &List, by: Option<&NodeUri>, now: Duration) {
        for line in &list.lines {
            if Some(&line.node) == by || self.is_me(&line.node) {
                continue;
            }
            match (self.nodes.get_mut(&line.node), line.status) {
                (None, Status::Active | Status::Unsure) => self.add(&line.node, now),
                (Some(member), Status::Disabled)
                    if member.state == NodeState::Active && !member.probing =>
                {
                    // He may be right.
                    let soon = now + NEWS_PAUSE;
                    member.next = member.next.min(soon);
                    self.wake = self.wake.min(soon);
                }
                _ => {}
            }
        }
    }

    /// Tells the others of a node, soon.
    pub(super) fn announce(&mut self, node: &NodeUri, now: Duration) {
        self.news.push(node.clone());
        let at = self.told_at.map_or(now, |told| (told + NEWS_PAUSE).max(now));
        let at = *self.news_at.get_or_insert(at);
        self.wake = self.wake.min(at);
    }

    /// Tells all who are active of the news.
    pub(super) fn tell(&mut self, now: Duration) {
        self.news_at = None;
        self.told_at = Some(now);
        let news = std::mem::take(&mut self.news);
        let strangers = news.iter().any(|node| self.nodes.get(node).is_some_and(|m| !m.native));
        let to: Vec<(NodeUri, bool)> = self
            .nodes
            .iter()
            .filter(|(_, member)| member.state == NodeState::Active)
            .map(|(node, member)| (node.clone(), member.native))
            .collect();
        for (node, native) in to {
            // A Kamailio is not told of our kind, and gets all others in one list.
            let size = if native { OTHERS_MAX } else { news.len() };
            for part in news.chunks(size).filter(|_| native || strangers) {
                if part == std::slice::from_ref(&node) {
                    continue;
                }
                let body = self.body_for(&node, part);
                self.acts.push(Act::Notify { to: node.clone(), notice: Notice::News, body });
            }
        }
    }
}
