//! Runtime parameters: what plugins and tools of RabbitMQ keep in the broker. Opaque JSON texts, kept and given back.

use std::rc::Rc;

use store::{Pos, Store};

use crate::event::Event;
use crate::topology::Record;
use crate::{AdminError, Broker};

/// Bytes of the longest value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Virtual host (none for a global parameter), component (empty for a global parameter) and name.
pub(crate) type ParameterKey = (Option<Rc<str>>, Rc<str>, Rc<str>);

/// One parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter<'a> {
    /// Where it counts; none for a global one.
    pub vhost: Option<&'a str>,
    /// Whose it is, such as `shovel`; empty for a global one.
    pub component: &'a str,
    /// Its name.
    pub name: &'a str,
    /// JSON.
    pub value: &'a str,
}

impl Broker {
    /// Sets a parameter of a virtual host, or a global one. The value is kept as it is: whether it is JSON was decided by
    /// the caller.
    pub fn set_parameter(
        &mut self,
        store: &mut Store,
        vhost: Option<&str>,
        component: &str,
        name: &str,
        value: &str,
    ) -> Result<Pos, AdminError> {
        if value.len() > VALUE_BYTES_MAX {
            let text = format!("parameter '{name}' is longer than {VALUE_BYTES_MAX} bytes");
            return Err(AdminError::Validation(vec![text]));
        }
        if let Some(vhost) = vhost {
            self.vhost_named_mut(vhost)?;
        }
        self.parameters.insert(key(vhost, component, name), value.into());
        self.emit(|_| Event::parameter(vhost, component, name, Some(value)));
        Ok(Record::parameter(Parameter { vhost, component, name, value }).log(store))
    }

    /// Removes a parameter.
    pub fn clear_parameter(
        &mut self,
        store: &mut Store,
        vhost: Option<&str>,
        component: &str,
        name: &str,
    ) -> Result<Pos, AdminError> {
        if self.parameters.remove(&key(vhost, component, name)).is_none() {
            return Err(AdminError::NoParameter);
        }
        self.emit(|_| Event::parameter(vhost, component, name, None));
        Ok(Record::parameter_deleted(vhost, component, name).log(store))
    }

    /// All parameters: the global ones, then by virtual host, component and name.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter<'_>> {
        self.parameters.iter().map(|((vhost, component, name), value)| Parameter {
            vhost: vhost.as_deref(),
            component,
            name,
            value,
        })
    }

    /// Those of a virtual host that is gone.
    pub(crate) fn forget_parameters(&mut self, vhost: &str) {
        self.parameters.retain(|(of, ..), _| of.as_deref() != Some(vhost));
    }
}

pub(crate) fn key(vhost: Option<&str>, component: &str, name: &str) -> ParameterKey {
    (vhost.map(Rc::from), component.into(), name.into())
}
