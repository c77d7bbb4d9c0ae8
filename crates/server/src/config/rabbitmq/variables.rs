//! The variables `RABBITMQ_…` that images, units and entry points of RabbitMQ set.

use service::config::{Assignment, ConfigError, Foreign, Origin, Sources};

use super::value;

const PREFIX: &str = "RABBITMQ_";
/// Where AMQP is spoken; each has its default where only the other is set.
const NODE_PORT: &str = "RABBITMQ_NODE_PORT";
const NODE_IP_ADDRESS: &str = "RABBITMQ_NODE_IP_ADDRESS";

/// Variables that are read elsewhere: where a file is, and the first user (rows of the settings).
const READ_ELSEWHERE: [&str; 8] = [
    "RABBITMQ_CONFIG_FILE",
    "RABBITMQ_CONFIG_FILES",
    "RABBITMQ_DEFAULT_USER",
    "RABBITMQ_DEFAULT_PASS",
    "RABBITMQ_DEFAULT_VHOST",
    "RABBITMQ_DEFAULT_USER_FILE",
    "RABBITMQ_DEFAULT_PASS_FILE",
    "RABBITMQ_DEFAULT_VHOST_FILE",
];

/// What the variables say.
pub(super) fn read(
    sources: &Sources,
    a_file_is_named: bool,
    foreign: &mut Foreign,
) -> Result<(), ConfigError> {
    let find = |wanted: &str| {
        let (_, value) = sources.environment.iter().find(|(name, _)| name == wanted)?;
        value.to_str().filter(|value| !value.is_empty())
    };
    let (address, port) = (find(NODE_IP_ADDRESS), find(NODE_PORT));
    if let Some(variable) = port.map(|_| NODE_PORT).or(address.map(|_| NODE_IP_ADDRESS)) {
        let origin = Origin::Environment(variable.to_owned());
        let bad = |reason| ConfigError::Bad {
            name: "amqp_listen".to_owned(),
            origin: origin.clone(),
            reason,
        };
        let host = value::host(address.unwrap_or("*")).map_err(bad)?;
        let port = value::port(port.unwrap_or("5672")).map_err(bad)?;
        let values = vec![format!("{host}:{port}")];
        foreign.variables.push(Assignment { name: "amqp_listen".to_owned(), values, origin });
    }
    let mut ignored: Vec<&str> = Vec::new();
    for (name, value) in &sources.environment {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
        let is_read = READ_ELSEWHERE.contains(&name)
            || matches!(name, NODE_PORT | NODE_IP_ADDRESS)
            || (name == "RABBITMQ_LOGS" && value == "-");
        if name.starts_with(PREFIX) && !value.is_empty() && !is_read && !is_service_link(name) {
            ignored.push(name);
        }
        if a_file_is_named && name.starts_with("RABBITMQ_CONFIG_FILE") {
            ignored.push(name);
        }
    }
    ignored.sort_unstable();
    if !ignored.is_empty() {
        let note = format!("environment: {} have no effect here", ignored.join(", "));
        foreign.notes.push(note);
    }
    Ok(())
}

/// What Kubernetes sets for a service called `rabbitmq…`.
fn is_service_link(name: &str) -> bool {
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
        || name.ends_with("_PORT")
}
