//! Policies: what an administrator says of queues and exchanges by their names, beside what they were declared with.
//!
//! An object obeys one policy, of those that match it the one of the highest priority, and one operator policy, chosen the
//! same way. The two are merged key by key, and the result with the object's arguments ([`keys`] says how). A change
//! takes effect at once, on queues with waiting messages too: it walks the objects of one virtual host once.

mod apply;
pub mod keys;

use std::borrow::Cow;
use std::rc::Rc;

use amqp::value::Table;

use crate::AdminError;
use crate::binding::sorted;
use crate::expression::Expression;
use crate::queue::args::QueueKind;

/// What a policy is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApplyTo {
    /// Queues of every type and exchanges.
    All,
    /// Queues of every type.
    Queues,
    /// Classic queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Streams.
    Streams,
    /// Exchanges.
    Exchanges,
}

impl ApplyTo {
    /// All of them.
    pub const ALL: [ApplyTo; 6] = [
        ApplyTo::All,
        ApplyTo::Queues,
        ApplyTo::ClassicQueues,
        ApplyTo::QuorumQueues,
        ApplyTo::Streams,
        ApplyTo::Exchanges,
    ];

    /// As in `--apply-to`.
    pub fn name(self) -> &'static str {
        match self {
            ApplyTo::All => "all",
            ApplyTo::Queues => "queues",
            ApplyTo::ClassicQueues => "classic_queues",
            ApplyTo::QuorumQueues => "quorum_queues",
            ApplyTo::Streams => "streams",
            ApplyTo::Exchanges => "exchanges",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<ApplyTo> {
        ApplyTo::ALL.into_iter().find(|apply_to| apply_to.name() == name)
    }

    fn takes(self, object: Object<'_>) -> bool {
        match (self, object) {
            (ApplyTo::All, _) => true,
            (ApplyTo::Exchanges, Object::Exchange(_)) => true,
            (ApplyTo::Queues, Object::Queue(..)) => true,
            (ApplyTo::ClassicQueues, Object::Queue(_, kind)) => kind == QueueKind::Classic,
            (ApplyTo::QuorumQueues, Object::Queue(_, kind)) => kind == QueueKind::Quorum,
            _ => false,
        }
    }
}

/// What a policy may match: its name, and the type of a queue.
#[derive(Clone, Copy)]
pub(crate) enum Object<'a> {
    Queue(&'a str, QueueKind),
    Exchange(&'a str),
}

/// A policy as it is set.
#[derive(Clone, Copy, Debug)]
pub struct PolicySpec<'a> {
    /// Where it counts.
    pub vhost: &'a str,
    /// Its name; one of the same name is replaced.
    pub name: &'a str,
    /// A regular expression for the names of objects; it matches anywhere unless it anchors itself.
    pub pattern: &'a str,
    /// A name of [`ApplyTo`].
    pub apply_to: &'a str,
    /// The highest one that matches an object counts.
    pub priority: i64,
    /// What it says: see [`keys::KEYS`].
    pub definition: &'a Table,
}

/// One policy or operator policy.
pub struct Policy {
    /// Where it counts.
    pub vhost: Rc<str>,
    /// Its name.
    pub name: Rc<str>,
    /// Which names it matches.
    pub pattern: Expression,
    /// Which objects.
    pub apply_to: ApplyTo,
    /// Of those that match, the highest counts; of two that are as high, the first by name.
    pub priority: i64,
    /// What it says, sorted by key.
    pub definition: Table,
    /// Whether the definition has a meaning for classic queues, for quorum queues.
    suits: [bool; 2],
}

impl Policy {
    /// Checks a policy as RabbitMQ does; the error has a line for everything that is wrong with it.
    pub(crate) fn new(
        vhost: Rc<str>,
        operator: bool,
        spec: &PolicySpec<'_>,
    ) -> Result<Policy, AdminError> {
        let mut wrong = Vec::new();
        let pattern = Expression::new(spec.pattern)
            .map_err(|why| {
                wrong.push(format!("pattern should be regular expression but is invalid: {why}"));
            })
            .ok();
        let apply_to = ApplyTo::parse(spec.apply_to);
        if apply_to.is_none() {
            wrong.push(format!(
                "apply-to '{}' unrecognised; should be one of: {}",
                spec.apply_to,
                ApplyTo::ALL.map(ApplyTo::name).join(", ")
            ));
        }
        let definition = sorted(spec.definition);
        wrong.extend(keys::check(&definition, operator).err());
        let (Some(pattern), Some(apply_to), true) = (pattern, apply_to, wrong.is_empty()) else {
            return Err(AdminError::Validation(wrong));
        };
        let suits = QueueKind::ALL.map(|kind| keys::suits(&definition, kind));
        let name = spec.name.into();
        Ok(Policy { vhost, name, pattern, apply_to, priority: spec.priority, definition, suits })
    }

    /// Whether it could be set, without setting it; if not, a line for everything that is wrong with it.
    pub fn check(operator: bool, spec: &PolicySpec<'_>) -> Result<(), Vec<String>> {
        match Policy::new(spec.vhost.into(), operator, spec) {
            Err(AdminError::Validation(wrong)) => Err(wrong),
            Err(other) => Err(vec![other.to_string()]),
            Ok(_) => Ok(()),
        }
    }

    /// Keys that are kept and mean nothing here.
    pub fn ignored(&self) -> impl Iterator<Item = &'static str> {
        let keys = self.definition.0.iter().filter_map(|(name, _)| keys::find(name));
        keys.filter(|key| key.ignored).map(|key| key.name)
    }

    fn matches(&self, object: Object<'_>) -> bool {
        let (name, suits) = match object {
            Object::Queue(name, kind) => (name, self.suits[kind as usize]),
            Object::Exchange(name) => (name, true),
        };
        suits && self.apply_to.takes(object) && self.pattern.is_match(name)
    }
}

/// The policies of a virtual host, those that count first in front.
#[derive(Default)]
pub(crate) struct Policies {
    user: Vec<Policy>,
    operator: Vec<Policy>,
}

impl Policies {
    pub(crate) fn list(&self, operator: bool) -> &[Policy] {
        if operator { &self.operator } else { &self.user }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.user.is_empty() && self.operator.is_empty()
    }

    fn list_mut(&mut self, operator: bool) -> &mut Vec<Policy> {
        if operator { &mut self.operator } else { &mut self.user }
    }

    /// Puts a policy in its place, instead of one of the same name.
    pub(crate) fn insert(&mut self, operator: bool, policy: Policy) {
        self.remove(operator, &policy.name);
        let list = self.list_mut(operator);
        let at = list.partition_point(|other| {
            (-i128::from(other.priority), &other.name)
                < (-i128::from(policy.priority), &policy.name)
        });
        list.insert(at, policy);
    }

    /// Answers whether it was there.
    pub(crate) fn remove(&mut self, operator: bool, name: &str) -> bool {
        let list = self.list_mut(operator);
        let at = list.iter().position(|policy| &*policy.name == name);
        at.map(|at| list.remove(at)).is_some()
    }

    /// The policy and the operator policy that an object obeys.
    fn of(&self, object: Object<'_>) -> Applied<'_> {
        Applied {
            user: self.user.iter().find(|policy| policy.matches(object)),
            operator: self.operator.iter().find(|policy| policy.matches(object)),
        }
    }

    fn named(&self, user: Option<&str>, operator: Option<&str>) -> Applied<'_> {
        fn find<'a>(list: &'a [Policy], name: Option<&str>) -> Option<&'a Policy> {
            name.and_then(|name| list.iter().find(|policy| &*policy.name == name))
        }
        Applied { user: find(&self.user, user), operator: find(&self.operator, operator) }
    }
}

/// What applies to one object.
#[derive(Clone, Copy)]
struct Applied<'a> {
    user: Option<&'a Policy>,
    operator: Option<&'a Policy>,
}

impl<'a> Applied<'a> {
    /// What both say together.
    fn definition(self) -> Option<Cow<'a, Table>> {
        match (self.user, self.operator) {
            (None, None) => None,
            (Some(only), None) | (None, Some(only)) => Some(Cow::Borrowed(&only.definition)),
            (Some(user), Some(operator)) => {
                Some(Cow::Owned(keys::merge(&user.definition, &operator.definition)))
            }
        }
    }

    fn names(self) -> (Option<Rc<str>>, Option<Rc<str>>) {
        let name = |policy: Option<&Policy>| policy.map(|policy| policy.name.clone());
        (name(self.user), name(self.operator))
    }
}

#[cfg(test)]
mod tests;
