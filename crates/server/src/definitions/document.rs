//! A definitions file as it was read: every object and field checked for its form, none for what it means.
//!
//! The form is taken as loosely as RabbitMQ takes it: tags are a list or one text with commas, `"true"` and
//! `"5"` are what they say, unknown fields mean nothing, and what is missing has the default of a declare.

use amqp::value::{Table, Value};
use serde_json::{Map, Value as Json};

use super::fields::Fields;
use super::{DefinitionsError, QUEUE_TYPE};

/// The lists of a whole broker's file, by key.
const LISTS: [&str; 10] = [
    "users",
    "vhosts",
    "permissions",
    "topic_permissions",
    "parameters",
    "global_parameters",
    "policies",
    "queues",
    "exchanges",
    "bindings",
];

/// Keys that say where a file comes from, or (the last three) belong to the export of one virtual host.
const ABOUT: [&str; 10] = [
    "rabbit_version",
    "rabbitmq_version",
    "product_name",
    "product_version",
    "rabbitmq_definition_format",
    "original_cluster_name",
    "explanation",
    "metadata",
    "description",
    "limits",
];

/// Everything that a file says.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// The version of RabbitMQ that wrote it; empty when it does not say.
    pub(super) version: String,
    pub(super) users: Vec<User>,
    pub(super) vhosts: Vec<Vhost>,
    pub(super) permissions: Vec<Permission>,
    pub(super) topic_permissions: Vec<TopicPermission>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) global_parameters: Vec<Parameter>,
    pub(super) policies: Vec<Policy>,
    pub(super) queues: Vec<Queue>,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) bindings: Vec<Binding>,
    /// Keys that mean nothing.
    pub(super) unknown: Vec<String>,
}

/// A user.
#[derive(Debug)]
pub(super) struct User {
    /// Where it stands in the file, for messages.
    pub(super) place: String,
    pub(super) name: String,
    pub(super) secret: Secret,
    pub(super) tags: Vec<String>,
    pub(super) limits: Map<String, Json>,
}

/// How a user's password is given.
#[derive(Debug)]
pub(super) enum Secret {
    /// As it is.
    Password(String),
    /// As base64, with the name of the algorithm if it is there. Empty for no password.
    Hash(String, Option<String>),
}

/// A virtual host.
#[derive(Debug)]
pub(super) struct Vhost {
    pub(super) place: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) tags: Vec<String>,
    pub(super) default_queue_type: Option<String>,
    pub(super) limits: Map<String, Json>,
}

/// What a user may do in a virtual host: configure, write, read.
#[derive(Debug)]
pub(super) struct Permission {
    pub(super) place: String,
    pub(super) user: String,
    pub(super) vhost: String,
    pub(super) patterns: [String; 3],
}

/// Which routing keys a user may use with an exchange: write, read.
#[derive(Debug)]
pub(super) struct TopicPermission {
    pub(super) place: String,
    pub(super) user: String,
    pub(super) vhost: String,
    pub(super) exchange: String,
    pub(super) patterns: [String; 2],
}

/// A parameter of a virtual host, or a global one, which has neither `vhost` nor `component`.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) place: String,
    pub(super) vhost: String,
    pub(super) component: String,
    pub(super) name: String,
    pub(super) value: Json,
}

/// A policy.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) place: String,
    pub(super) vhost: String,
    pub(super) name: String,
    pub(super) pattern: String,
    pub(super) apply_to: String,
    pub(super) priority: i64,
    pub(super) definition: Map<String, Json>,
}

/// A queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) place: String,
    pub(super) vhost: String,
    pub(super) name: String,
    /// `type`, which newer exports have beside the arguments.
    pub(super) kind: Option<String>,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) arguments: Table,
}

/// An exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) place: String,
    pub(super) vhost: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) internal: bool,
    pub(super) arguments: Table,
}

/// A binding.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) place: String,
    pub(super) vhost: String,
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) to_queue: bool,
    pub(super) key: String,
    pub(super) arguments: Table,
}

impl Document {
    /// Reads a whole broker's file or, with `vhost`, what a file says of one virtual host: wherever it came
    /// from, it goes there.
    pub(super) fn read(json: &Json, vhost: Option<&str>) -> Result<Document, DefinitionsError> {
        let Json::Object(file) = json else { return Err(DefinitionsError::NotAnObject) };
        let mut document = Document::default();
        let version = file.get("rabbitmq_version").or_else(|| file.get("rabbit_version"));
        document.version = version.and_then(Json::as_str).unwrap_or_default().to_owned();
        let known = |key: &str| LISTS.contains(&key) || ABOUT.contains(&key);
        document.unknown = file.keys().filter(|key| !known(key)).cloned().collect();
        let of = |key| Fields::list(file, key);
        if vhost.is_none() {
            document.users = each(of("users")?, user)?;
            document.vhosts = each(of("vhosts")?, self::vhost)?;
            document.permissions = each(of("permissions")?, permission)?;
            document.topic_permissions = each(of("topic_permissions")?, topic_permission)?;
            document.global_parameters = each(of("global_parameters")?, global_parameter)?;
        }
        document.parameters = each(of("parameters")?, |f| parameter(f, vhost))?;
        document.policies = each(of("policies")?, |f| policy(f, vhost))?;
        document.queues = each(of("queues")?, |f| queue(f, vhost))?;
        document.exchanges = each(of("exchanges")?, |f| exchange(f, vhost))?;
        document.bindings = each(of("bindings")?, |f| binding(f, vhost))?;
        Ok(document)
    }
}

fn each<'a, T>(
    items: Vec<Fields<'a>>,
    read: impl Fn(Fields<'a>) -> Result<T, DefinitionsError>,
) -> Result<Vec<T>, DefinitionsError> {
    items.into_iter().map(read).collect()
}

/// The virtual host that an object goes to.
fn home(fields: &Fields<'_>, vhost: Option<&str>) -> Result<String, DefinitionsError> {
    match vhost {
        Some(vhost) => Ok(vhost.to_owned()),
        None if !fields.has("vhost") => Err(fields.refused(
            "vhost",
            "missing: to import the export of one virtual host, say which it goes to (--vhost)",
        )),
        None => fields.text("vhost"),
    }
}

fn user(fields: Fields<'_>) -> Result<User, DefinitionsError> {
    let secret = match fields.text_or("password", "")? {
        password if !password.is_empty() => Secret::Password(password),
        _ => {
            let algorithm = fields.text_or("hashing_algorithm", "")?;
            let hash = fields.text_or("password_hash", "")?;
            Secret::Hash(hash, Some(algorithm).filter(|name| !name.is_empty()))
        }
    };
    Ok(User {
        name: fields.name("name")?,
        secret,
        tags: fields.words("tags")?,
        limits: fields.object("limits")?,
        place: fields.place,
    })
}

fn vhost(fields: Fields<'_>) -> Result<Vhost, DefinitionsError> {
    // 3.8 and later keep these in `metadata`; the API shows them beside it as well.
    let metadata = fields.inner("metadata")?;
    let text = |key: &'static str| match metadata.text_or(key, "")? {
        text if text.is_empty() => fields.text_or(key, ""),
        text => Ok(text),
    };
    let tags = match metadata.words("tags")? {
        tags if tags.is_empty() => fields.words("tags")?,
        tags => tags,
    };
    let default_queue_type = text("default_queue_type")?;
    Ok(Vhost {
        name: fields.name("name")?,
        description: text("description")?,
        tags,
        default_queue_type: Some(default_queue_type)
            .filter(|kind| !kind.is_empty() && kind != "undefined"),
        limits: fields.object("limits")?,
        place: fields.place,
    })
}

fn permission(fields: Fields<'_>) -> Result<Permission, DefinitionsError> {
    Ok(Permission {
        user: fields.name("user")?,
        vhost: fields.name("vhost")?,
        patterns: [fields.text("configure")?, fields.text("write")?, fields.text("read")?],
        place: fields.place,
    })
}

fn topic_permission(fields: Fields<'_>) -> Result<TopicPermission, DefinitionsError> {
    Ok(TopicPermission {
        user: fields.name("user")?,
        vhost: fields.name("vhost")?,
        exchange: fields.text("exchange")?,
        patterns: [fields.text("write")?, fields.text("read")?],
        place: fields.place,
    })
}

fn parameter(fields: Fields<'_>, vhost: Option<&str>) -> Result<Parameter, DefinitionsError> {
    Ok(Parameter {
        vhost: home(&fields, vhost)?,
        component: fields.name("component")?,
        name: fields.name("name")?,
        value: fields.value("value")?.clone(),
        place: fields.place,
    })
}

fn global_parameter(fields: Fields<'_>) -> Result<Parameter, DefinitionsError> {
    Ok(Parameter {
        vhost: String::new(),
        component: String::new(),
        name: fields.name("name")?,
        value: fields.value("value")?.clone(),
        place: fields.place,
    })
}

fn policy(fields: Fields<'_>, vhost: Option<&str>) -> Result<Policy, DefinitionsError> {
    Ok(Policy {
        vhost: home(&fields, vhost)?,
        name: fields.name("name")?,
        pattern: fields.text("pattern")?,
        apply_to: fields.text_or("apply-to", "all")?,
        priority: fields.whole_or("priority", 0)?,
        definition: fields.object("definition")?,
        place: fields.place,
    })
}

impl Policy {
    /// An operator policy, which files keep as a parameter.
    pub(super) fn of_operator(
        place: &str,
        vhost: &str,
        name: &str,
        value: &Json,
    ) -> Result<Policy, DefinitionsError> {
        let fields = Fields::of(place, value)?;
        Ok(Policy {
            place: place.to_owned(),
            vhost: vhost.to_owned(),
            name: name.to_owned(),
            pattern: fields.text("pattern")?,
            apply_to: fields.text_or("apply-to", "all")?,
            priority: fields.whole_or("priority", 0)?,
            definition: fields.object("definition")?,
        })
    }
}

impl Queue {
    /// Whether it is a stream, by its arguments or by what the file says of it.
    pub(super) fn is_stream(&self) -> bool {
        let argument = self.arguments.get(QUEUE_TYPE).and_then(Value::as_str);
        argument.or(self.kind.as_deref()) == Some("stream")
    }
}

fn queue(fields: Fields<'_>, vhost: Option<&str>) -> Result<Queue, DefinitionsError> {
    let kind = fields.text_or("type", "")?;
    Ok(Queue {
        vhost: home(&fields, vhost)?,
        name: fields.name("name")?,
        kind: Some(kind).filter(|kind| !kind.is_empty()),
        durable: fields.flag_or("durable", true)?,
        auto_delete: fields.flag_or("auto_delete", false)?,
        arguments: fields.table("arguments")?,
        place: fields.place,
    })
}

fn exchange(fields: Fields<'_>, vhost: Option<&str>) -> Result<Exchange, DefinitionsError> {
    Ok(Exchange {
        vhost: home(&fields, vhost)?,
        name: fields.text("name")?,
        kind: fields.text("type")?,
        durable: fields.flag_or("durable", true)?,
        auto_delete: fields.flag_or("auto_delete", false)?,
        internal: fields.flag_or("internal", false)?,
        arguments: fields.table("arguments")?,
        place: fields.place,
    })
}

fn binding(fields: Fields<'_>, vhost: Option<&str>) -> Result<Binding, DefinitionsError> {
    let to_queue = match &*fields.text_or("destination_type", "queue")? {
        "queue" | "q" => true,
        "exchange" | "e" => false,
        other => {
            let reason = format!("expected queue or exchange, got '{other}'");
            return Err(fields.refused("destination_type", &reason));
        }
    };
    Ok(Binding {
        vhost: home(&fields, vhost)?,
        source: fields.text("source")?,
        destination: fields.name("destination")?,
        to_queue,
        key: fields.short("routing_key")?,
        arguments: fields.table("arguments")?,
        place: fields.place,
    })
}
