//! Setting and clearing policies, and what that does to the objects of a virtual host.

use std::rc::Rc;

use amqp::value::{Table, Value};
use store::Pos;

use crate::event::Event;
use crate::exchange::{ALTERNATE_EXCHANGE, Exchange};
use crate::queue::Queue;
use crate::topology::Record;
use crate::vhost::Vhost;
use crate::{AdminError, Broker, Cx, Millis, Sink};

use super::{Object, Policies, Policy, PolicySpec, keys};

impl Broker {
    /// Sets a policy or an operator policy, instead of one of the same name. It is obeyed when this returns; waiting
    /// messages that it makes too old or too many go with the next ticks.
    pub fn set_policy<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        operator: bool,
        spec: PolicySpec<'_>,
    ) -> Result<Pos, AdminError> {
        let vhost = self.vhost_named_mut(spec.vhost)?;
        let policy = Policy::new(vhost.name.clone(), operator, &spec)?;
        let record = Record::policy(operator, &policy);
        self.emit(|_| Event::policy_set(&policy));
        let vhost = self.vhost_named_mut(spec.vhost)?;
        vhost.policies.insert(operator, policy);
        self.policies_changed(spec.vhost, cx.now);
        Ok(record.log(cx.store))
    }

    /// Removes a policy or an operator policy; what it restricted is as it was before.
    pub fn clear_policy<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        operator: bool,
        vhost: &str,
        name: &str,
    ) -> Result<Pos, AdminError> {
        if !self.vhost_named_mut(vhost)?.policies.remove(operator, name) {
            return Err(AdminError::NoParameter);
        }
        self.policies_changed(vhost, cx.now);
        self.emit(|_| Event::policy_cleared(operator, vhost, name));
        Ok(Record::policy_deleted(operator, vhost, name).log(cx.store))
    }

    /// All policies, or all operator policies: by virtual host, in each those that count first in front.
    pub fn policies(&self, operator: bool) -> impl Iterator<Item = &Policy> {
        self.vhosts.values().flat_map(move |vhost| vhost.policies.list(operator))
    }

    /// What a queue's policy and operator policy say together; empty when it has neither.
    pub fn effective_policy(&self, queue: &Queue) -> Table {
        let vhost = self.vhosts.get(&queue.vhost);
        let applied = vhost.map(|vhost| {
            let (user, operator) = (queue.policy.as_deref(), queue.operator_policy.as_deref());
            vhost.policies.named(user, operator)
        });
        applied.and_then(|applied| Some(applied.definition()?.into_owned())).unwrap_or_default()
    }

    /// All objects of a virtual host obey the policies that are there now.
    fn policies_changed(&mut self, vhost: &str, now: Millis) {
        let Some(vhost) = self.vhosts.get_mut(vhost) else { return };
        let Vhost { policies, exchanges, queue_names, .. } = vhost;
        exchanges.iter_mut().for_each(|(_, exchange)| policies.govern_exchange(exchange));
        for &id in queue_names.values() {
            if let Some(queue) = self.queues.get_mut(id) {
                policies.govern_queue(queue, now);
                let timed = queue.args.consumer_timeout.is_some();
                self.queues.timed |= timed;
                self.queues.note(id);
            }
        }
        self.changed();
    }

    /// Exchanges that were just recovered obey the policies that were recovered with them.
    pub(crate) fn apply_policies_to_exchanges(&mut self) {
        for vhost in self.vhosts.values_mut().filter(|vhost| !vhost.policies.is_empty()) {
            let Vhost { policies, exchanges, .. } = vhost;
            exchanges.iter_mut().for_each(|(_, exchange)| policies.govern_exchange(exchange));
        }
    }
}

impl Policies {
    /// Gives an exchange the policy that matches it.
    pub(crate) fn govern_exchange(&self, exchange: &mut Exchange) {
        let applied = self.of(Object::Exchange(&exchange.spec.name));
        exchange.policy = applied.names().0;
        let argument = exchange.spec.arguments.get(ALTERNATE_EXCHANGE).cloned();
        let alternate = argument.or_else(|| applied.definition()?.get(ALTERNATE_EXCHANGE).cloned());
        exchange.alternate = alternate.as_ref().and_then(Value::as_str).map(Rc::from);
    }

    /// Gives a queue the policies that match it. For one that is new and no policy matches this costs nothing.
    pub(crate) fn govern_queue(&self, queue: &mut Queue, now: Millis) {
        let applied = self.of(Object::Queue(&queue.name, queue.declared.kind));
        let definition = applied.definition();
        if definition.is_none() && queue.policy.is_none() && queue.operator_policy.is_none() {
            return;
        }
        let args = match definition {
            Some(definition) => keys::obey(&queue.declared, &queue.arguments, &definition),
            None => queue.declared.clone(),
        };
        (queue.policy, queue.operator_policy) = applied.names();
        queue.configure(args, now);
    }
}
