//! Which nodes a list names, so that the one who gets it can use it.
//!
//! Kamailio stops pinging and answering when the nodes that it holds active do not fit into a buffer
//! of 1024 bytes, and stumbles over names that it cannot resolve and over transports that it has no
//! socket for. So it is told only of IPv4 nodes of its own transport, of no more than fit together
//! with those that it has, and of none of our kind: they come to it themselves, each when it has seen
//! that there is room for it. Ours tell each other of all, in turns.

use super::Members;
use crate::address::NodeUri;
use crate::desk::NodeState;
use crate::list::{Draft, line_bytes};

/// How large the list of a Kamailio may become by what we tell it: its 1024 bytes, less a line or
/// two that others may tell it at the same time.
const ROOM_BYTES: usize = 950;

/// Other nodes of which one of ours is told at a time. On a bus of a hundred each hears of ten times
/// as many in every interval.
pub(super) const OTHERS_MAX: usize = 10;

impl Members {
    /// The list for a node: ourselves, then `first`, then others.
    pub(super) fn body_for(&mut self, node: &NodeUri, first: &[NodeUri]) -> Vec<u8> {
        let Some(member) = self.nodes.get(node) else { return self.body_for_stranger(&[]) };
        if !member.native {
            return self.body_within(node, member.listed.as_deref().unwrap_or_default());
        }
        let mut draft = Draft::of(&self.rules.me, true);
        let active: Vec<&NodeUri> = self.active().collect();
        let start = self.turn % active.len().max(1);
        let others = active[start..].iter().chain(&active[..start]).copied();
        let others = others.filter(|other| !first.contains(other));
        let told = first.iter().chain(others).filter(|other| *other != node).take(OTHERS_MAX);
        let told = told.take_while(|other| draft.push(other)).count();
        self.turn = self.turn.wrapping_add(told.max(1));
        draft.into_body()
    }

    /// The list for whoever has had an answer and did not get it.
    pub(crate) fn body_again(&mut self, from: Option<&NodeUri>) -> Vec<u8> {
        match from {
            Some(from) => self.body_for(from, &[]),
            None => self.body_for_stranger(&[]),
        }
    }

    /// The list for somebody who is not on ours and showed these nodes.
    pub(super) fn body_for_stranger(&self, listed: &[NodeUri]) -> Vec<u8> {
        let me = self.rules.me.clone();
        self.body_within(&me, listed)
    }

    /// The list for a Kamailio, `node`, whose own list is `listed`.
    fn body_within(&self, node: &NodeUri, listed: &[NodeUri]) -> Vec<u8> {
        let mut draft = Draft::of(&self.rules.me, true);
        let mut theirs = self.bytes_with_us(listed);
        let fit = |other: &NodeUri| {
            other.transport == node.transport && other.ip().is_some_and(|ip| ip.is_ipv4())
        };
        for (other, member) in &self.nodes {
            let is_told = member.state == NodeState::Active && !member.native && other != node;
            if !is_told || !fit(other) {
                continue;
            }
            if !listed.contains(other) {
                if theirs + line_bytes(other) > ROOM_BYTES {
                    continue;
                }
                theirs += line_bytes(other);
            }
            if !draft.push(other) {
                break;
            }
        }
        draft.into_body()
    }

    /// Whether our line fits into the list of a node that does not have it.
    pub(super) fn has_room(&self, node: &NodeUri) -> bool {
        let Some(member) = self.nodes.get(node) else { return false };
        let listed = member.listed.as_deref().unwrap_or_default();
        // The node's own line is on every list that it writes.
        let own = if listed.contains(node) { 0 } else { line_bytes(node) };
        member.native || self.bytes_with_us(listed) + own <= ROOM_BYTES
    }

    /// How large a list becomes with us on it.
    fn bytes_with_us(&self, listed: &[NodeUri]) -> usize {
        let me = &self.rules.me;
        let own = if listed.contains(me) { 0 } else { line_bytes(me) };
        listed.iter().map(line_bytes).sum::<usize>() + own
    }
}
