//! Which nodes a list names, so that the one who gets it can use it.
//!
//! Kamailio stops pinging and answering when the nodes that it holds active do not fit into a buffer
//! of 1024 bytes, and stumbles over names that it cannot resolve and over transports that it has no
//! socket for. So it is told only of IPv4 nodes of its own transport, of no more than fit together
//! with those that it has, and of none of our kind: they come to it themselves, each when it has seen
//! that there is room for it. Ours tell each other of all, in turns.

use std::collections::BTreeSet;

use super::{Member, Members};
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
            return self.body_within(node, &[]);
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
    pub(super) fn body_for_stranger(&mut self, listed: &[NodeUri]) -> Vec<u8> {
        let me = self.rules.me.clone();
        self.body_within(&me, listed)
    }

    /// The list for a Kamailio, `node`, whose own list is `listed`. What it is told it tells all other
    /// Kamailios, so that all of them count as one.
    fn body_within(&mut self, node: &NodeUri, listed: &[NodeUri]) -> Vec<u8> {
        let nodes = &self.nodes;
        let is_up = |node: &NodeUri| nodes.get(node).is_some_and(|m| m.state == NodeState::Active);
        self.told_of.retain(is_up);
        let mut draft = Draft::of(&self.rules.me, true);
        let mut known: BTreeSet<&NodeUri> = self.listed_by_kamailios().chain(listed).collect();
        known.insert(&self.rules.me);
        known.insert(node);
        let mut size = bytes(known.iter().copied());
        let mut told = Vec::new();
        let fit = |other: &NodeUri| {
            other.transport == node.transport && other.ip().is_some_and(|ip| ip.is_ipv4())
        };
        for (other, member) in &self.nodes {
            let is_told = member.state == NodeState::Active && !member.native && other != node;
            if !is_told || !fit(other) {
                continue;
            }
            let is_new = !known.contains(other);
            if is_new && size + line_bytes(other) > ROOM_BYTES {
                continue;
            }
            if !draft.push(other) {
                break;
            }
            if is_new {
                size += line_bytes(other);
                told.push(other.clone());
            }
        }
        self.told_of.extend(told);
        draft.into_body()
    }

    /// Everybody who stands in the list of a Kamailio but its own line, or soon does because we said
    /// so.
    fn listed_by_kamailios(&self) -> impl Iterator<Item = &NodeUri> {
        let listed = self.kamailios().flat_map(|(node, member)| {
            member.listed.iter().flatten().filter(move |listed| *listed != node)
        });
        listed.chain(&self.told_of)
    }

    /// Whether our line fits into the lists of all Kamailios: what one of them knows, it tells the
    /// others.
    pub(super) fn has_room(&self) -> bool {
        let known = self.known_to_kamailios();
        known.contains(&self.rules.me)
            || bytes(known.iter().copied()) + line_bytes(&self.rules.me) <= ROOM_BYTES
    }

    /// How likely it is to be good that we ask a Kamailio to let us in, whose list we have just
    /// seen: of all who may want the same at this moment, so many are to do it as take a third of
    /// the room. When not all of us fit, we all come in by the same door, where each sees how many
    /// are in.
    pub(super) fn chance_at(&self, node: &NodeUri) -> f64 {
        let known = self.known_to_kamailios();
        if known.contains(&self.rules.me) {
            return 1.0;
        }
        let is_open = |m: &Member| m.is_kamailio() && m.state == NodeState::Active;
        let door = self.nodes.iter().find(|(_, member)| is_open(member));
        if !self.has_room() || !self.fits_whole() && door.is_some_and(|(door, _)| door != node) {
            return 0.0;
        }
        let is_rival = |(other, rival): &(&NodeUri, &Member)| {
            let may_be_ours = rival.listed.is_none() && rival.state != NodeState::Disabled;
            may_be_ours && !known.contains(*other)
        };
        let rivals = self.nodes.iter().filter(is_rival).count();
        let line = line_bytes(&self.rules.me);
        let room = ROOM_BYTES.saturating_sub(bytes(known.iter().copied())) / line;
        (room as f64 / (3 * rivals) as f64).min(1.0)
    }

    /// Whether all nodes that we know would fit into the list of a Kamailio.
    pub(super) fn fits_whole(&self) -> bool {
        // Of many nodes no more are looked at than it takes to see that they do not.
        let mut nodes = self.nodes.keys().chain([&self.rules.me]);
        let fit = nodes
            .try_fold(0, |size, node| Some(size + line_bytes(node)).filter(|s| *s <= ROOM_BYTES));
        fit.is_some()
    }

    /// The Kamailios, and everybody on their lists.
    fn known_to_kamailios(&self) -> BTreeSet<&NodeUri> {
        self.kamailios().map(|(node, _)| node).chain(self.listed_by_kamailios()).collect()
    }

    fn kamailios(&self) -> impl Iterator<Item = (&NodeUri, &Member)> {
        self.nodes.iter().filter(|(_, member)| member.is_kamailio())
    }
}

/// The size of a list of these nodes.
fn bytes<'a>(nodes: impl IntoIterator<Item = &'a NodeUri>) -> usize {
    nodes.into_iter().map(line_bytes).sum()
}
