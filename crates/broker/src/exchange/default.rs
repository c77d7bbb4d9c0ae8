//! The default exchange: every queue is reached by its name, without a binding.

use std::rc::Rc;

use crate::binding::Destination;
use crate::{Map, QueueId};

/// The queues of a virtual host by name.
pub type QueueNames = Map<Rc<str>, QueueId>;

/// Adds the queue with this name.
pub fn route(queues: &QueueNames, key: &[u8], found: &mut Vec<Destination>) {
    // A queue's name is a short string of a method and so UTF-8; another key names none.
    if let Ok(name) = str::from_utf8(key)
        && let Some(queue) = queues.get(name)
    {
        found.push(Destination::Queue(*queue));
    }
}
