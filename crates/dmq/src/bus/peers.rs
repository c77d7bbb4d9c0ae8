//! Which peers are known, and who listens to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;

use crate::config::ANY;
use crate::desk::{SubscribeError, Subscription};
use crate::message::Received;
use crate::sip::grammar::is_peer;

/// Streams that may be open at a time.
const SUBSCRIPTIONS_MAX: usize = 64;

/// The generic peers. The notification channel and the hash tables are not among them.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// Those that are always known.
    configured: BTreeSet<String>,
    /// Those whose messages are published; [`ANY`] is all.
    bridged: Vec<String>,
    /// Whether a message is answered when the broker has confirmed it.
    pub(crate) confirm: bool,
    subscriptions: Vec<Subscription>,
}

impl Peers {
    pub(crate) fn new(configured: &[String], bridged: &[String], confirm: bool) -> Peers {
        Peers {
            configured: configured.iter().cloned().collect(),
            bridged: bridged.to_vec(),
            confirm,
            subscriptions: Vec::new(),
        }
    }

    /// Whether its messages are published.
    pub(crate) fn is_bridged(&self, peer: &str) -> bool {
        self.bridged.iter().any(|name| name == peer || name == ANY && is_peer(peer))
    }

    /// Whether anybody wants its messages.
    pub(crate) fn knows(&mut self, peer: &str) -> bool {
        if self.configured.contains(peer) || self.is_bridged(peer) {
            return true;
        }
        self.subscriptions.retain(|one| !one.to.is_closed());
        self.subscriptions.iter().any(|one| one.peer.as_deref() == Some(peer))
    }

    /// The names of all that are known.
    pub(crate) fn names(&self) -> Vec<String> {
        let open = self.subscriptions.iter().filter(|one| !one.to.is_closed());
        let mut names = self.configured.clone();
        names.extend(self.bridged.iter().filter(|name| *name != ANY).cloned());
        names.extend(open.filter_map(|one| one.peer.clone()));
        names.into_iter().collect()
    }

    /// Takes a listener. Its peer is known as long as it listens.
    pub(crate) fn subscribe(&mut self, subscription: Subscription) -> Result<(), SubscribeError> {
        if let Some(peer) = subscription.peer.as_ref().filter(|peer| !is_peer(peer)) {
            return Err(SubscribeError::BadPeer(peer.clone()));
        }
        self.subscriptions.retain(|one| !one.to.is_closed());
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return Err(SubscribeError::TooMany(SUBSCRIPTIONS_MAX));
        }
        self.subscriptions.push(subscription);
        Ok(())
    }

    /// Whether anybody listens at all, so that a message need not be copied for nobody.
    pub(crate) fn is_heard(&self, peer: &str) -> bool {
        self.subscriptions.iter().any(|one| one.peer.as_deref().is_none_or(|own| own == peer))
    }

    /// Gives copies to those who listen; returns how many missed theirs.
    pub(crate) fn tell(&mut self, message: &Arc<Received>) -> u64 {
        let mut missed = 0;
        for one in &self.subscriptions {
            if one.peer.as_deref().is_some_and(|peer| *peer != *message.peer) {
                continue;
            }
            if let Err(TrySendError::Full(_)) = one.to.try_send(Arc::clone(message)) {
                one.missed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                missed += 1;
            }
        }
        missed
    }
}
