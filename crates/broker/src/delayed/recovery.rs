//! Rooms after a restart.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use store::{LaneId, RecoveredLane, Store};

use crate::Broker;
use crate::exchange::Kind;
use crate::topology::RecoverError;

use super::room::Room;

/// Lanes of rooms whose records were read: by virtual host and exchange.
pub(crate) type PendingRooms = BTreeMap<(String, String), (u64, u64)>;

impl Broker {
    /// Opens the rooms of all delayed exchanges again; their lanes are taken out of `lanes`.
    pub(crate) fn recover_rooms(
        &mut self,
        pending: &PendingRooms,
        lanes: &mut HashMap<LaneId, &RecoveredLane>,
        store: &mut Store,
    ) -> Result<(), RecoverError> {
        let delayed: Vec<_> = self
            .vhosts
            .values()
            .flat_map(|vhost| vhost.exchanges().map(move |exchange| (vhost, &exchange.spec)))
            .filter(|(_, spec)| spec.kind == Kind::Delayed)
            .filter_map(|(vhost, spec)| {
                let id = vhost.exchange_id(&spec.name)?;
                Some((vhost.name.clone(), spec.name.clone(), id))
            })
            .collect();
        for (vhost, name, id) in delayed {
            let Some(&(lane, index)) = pending.get(&(vhost.to_string(), name.to_string())) else {
                // The exchange's record reached the disk and the room's did not: nothing waits.
                self.open_room(store, &vhost, id);
                continue;
            };
            for lane in [lane, index] {
                if lanes.remove(&LaneId(lane)).is_none() {
                    let (exchange, vhost) = (name.to_string(), vhost.to_string());
                    return Err(RecoverError::NoDelayedLane { exchange, vhost, lane });
                }
            }
            let place: (Rc<str>, Rc<str>, _) = (vhost.clone(), name, id);
            let room = Room::recover(place, (LaneId(lane), LaneId(index)), store);
            let room = self.delayed.insert(room);
            if let Some(exchange) = self.vhosts.get_mut(&vhost).and_then(|v| v.exchange_mut(id)) {
                exchange.room = Some(room);
            }
        }
        Ok(())
    }
}
