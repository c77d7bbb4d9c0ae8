//! All queues of a broker by id, and when each next needs a tick.

use crate::deadlines::{Deadlines, NEVER};
use crate::queue::Queue;
use crate::{Millis, QueueId};

/// Queues of one tick. A policy for a hundred thousand queues with waiting messages makes them all due at once, and each
/// reads its head.
const DUE_MAX: usize = 1024;

/// Slots of queues.
#[derive(Default)]
pub(crate) struct Queues {
    slots: Vec<Slot>,
    free: Vec<u32>,
    due: Deadlines<QueueId>,
    len: usize,
    /// Some queue has, or had, a consumer timeout of its own.
    pub(crate) timed: bool,
}

struct Slot {
    generation: u32,
    /// Its time in `due`.
    noted: Millis,
    queue: Option<Box<Queue>>,
}

impl Queues {
    /// An id for a queue that is about to be made.
    pub(crate) fn reserve(&mut self) -> QueueId {
        match self.free.pop() {
            Some(index) => QueueId(index, self.slots[index as usize].generation),
            None => {
                self.slots.push(Slot { generation: 0, noted: NEVER, queue: None });
                QueueId(self.slots.len() as u32 - 1, 0)
            }
        }
    }

    /// Gives back an id that was reserved and never used.
    pub(crate) fn unreserve(&mut self, id: QueueId) {
        self.slots[id.0 as usize].generation += 1;
        self.free.push(id.0);
    }

    /// Puts a queue under the id that was reserved for it.
    pub(crate) fn insert(&mut self, queue: Queue) {
        let id = queue.id;
        self.timed |= queue.args.consumer_timeout.is_some();
        self.slots[id.0 as usize].queue = Some(Box::new(queue));
        self.len += 1;
        self.note(id);
    }

    /// Takes a queue out; its id never names another one.
    pub(crate) fn remove(&mut self, id: QueueId) -> Option<Box<Queue>> {
        let slot = self.slots.get_mut(id.0 as usize).filter(|slot| slot.generation == id.1)?;
        let queue = slot.queue.take()?;
        slot.generation += 1;
        self.due.forget(id, std::mem::replace(&mut slot.noted, NEVER));
        self.free.push(id.0);
        self.len -= 1;
        Some(queue)
    }

    /// The queue, if it is still there.
    #[inline]
    pub(crate) fn get(&self, id: QueueId) -> Option<&Queue> {
        self.slots.get(id.0 as usize).filter(|slot| slot.generation == id.1)?.queue.as_deref()
    }

    /// The queue, if it is still there.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: QueueId) -> Option<&mut Queue> {
        let slot = self.slots.get_mut(id.0 as usize).filter(|slot| slot.generation == id.1)?;
        slot.queue.as_deref_mut()
    }

    /// All queues.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.slots.iter().filter_map(|slot| slot.queue.as_deref())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Looks at the deadline of a queue that was just commanded.
    #[inline]
    pub(crate) fn note(&mut self, id: QueueId) {
        let Some(slot) = self.slots.get_mut(id.0 as usize) else { return };
        if slot.generation != id.1 {
            return;
        }
        let Some(deadline) = slot.queue.as_ref().and_then(|queue| queue.deadline()) else { return };
        self.due.note(id, &mut slot.noted, deadline);
    }

    /// When a queue next needs a tick; 0 is at once. May be earlier than needed, never later.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.due.first()
    }

    /// Takes queues whose time has come, at most [`DUE_MAX`]: the others stay due. The caller ticks them and notes them
    /// again.
    pub(crate) fn take_due(&mut self, now: Millis) -> Vec<QueueId> {
        let mut ids = Vec::new();
        while ids.len() < DUE_MAX
            && let Some(id) = self.due.take(now)
        {
            self.slots[id.0 as usize].noted = NEVER;
            ids.push(id);
        }
        ids
    }
}
