//! Definitions go from RabbitMQ 3.10.8 to Leveret and back: both have the same topology then.

use std::fs;

use serde_json::{Map, Value as Json};

use super::{RICH, export, import};
use crate::broker::Broker;
use crate::peers::rabbitmqctl;

/// Lists whose objects say which virtual host they belong to.
const LISTS: [&str; 7] = [
    "permissions",
    "topic_permissions",
    "parameters",
    "policies",
    "queues",
    "exchanges",
    "bindings",
];

/// What all names of the test begin with: the RabbitMQ is shared.
const PREFIX: &str = "pd";

/// Pairs, as Erlang writes some objects, as an object.
fn plain(json: &Json) -> Json {
    let pair = |item: &Json| match item.as_array().map(Vec::as_slice) {
        Some([Json::String(key), value]) => Some((key.clone(), plain(value))),
        _ => None,
    };
    match json {
        Json::Array(items)
            if !items.is_empty() && items.iter().all(|item| pair(item).is_some()) =>
        {
            Json::Object(items.iter().filter_map(pair).collect())
        }
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), plain(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// What an export says of the test's objects, in an order that means nothing. Streams are left out, and
/// what only one of the two says of an object: `internal`, which is never true in an export.
fn normal(export: &Json) -> Vec<String> {
    let is_ours = |object: &Json, key: &str| {
        object[key].as_str().is_some_and(|name| name.starts_with(PREFIX))
    };
    let mut lines = Vec::new();
    let mut list = |name: &str, key: &str| {
        for object in export[name].as_array().unwrap() {
            if !is_ours(object, key) || object["type"] == "stream" {
                continue;
            }
            let mut object = plain(object);
            object.as_object_mut().unwrap().remove("internal");
            if object["limits"] == Json::Array(Vec::new()) {
                object["limits"] = Map::new().into();
            }
            lines.push(format!("{name}: {object}"));
        }
    };
    list("users", "name");
    list("vhosts", "name");
    list("global_parameters", "name");
    LISTS.iter().for_each(|name| list(name, "vhost"));
    lines.sort();
    lines
}

fn of_rabbitmq() -> Json {
    serde_json::from_str(&rabbitmqctl(&["-q", "export_definitions", "-"])).unwrap()
}

fn forget_in_rabbitmq() {
    for vhost in ["pd-a", "pd/b c"] {
        rabbitmqctl(&["delete_vhost", vhost]);
    }
    for user in ["pd-alice", "pd-bob", "pd-old"] {
        rabbitmqctl(&["delete_user", user]);
    }
    rabbitmqctl(&["clear_global_parameter", "pd-mine"]);
}

#[test]
fn a_topology_goes_there_and_back() {
    let broker = Broker::start();
    let file = |name: &str, json: &str| {
        let path = broker.dir().join(name);
        fs::write(&path, json).unwrap();
        path
    };
    let rich = file("rich.json", RICH);
    rabbitmqctl(&["import_definitions", rich.to_str().unwrap()]);
    let theirs = of_rabbitmq();
    // All of the file but the stream, which we leave out, and the server-named queue with its binding,
    // which RabbitMQ does not import.
    assert_eq!(normal(&theirs).len(), 27, "{theirs}");
    forget_in_rabbitmq();

    import(&broker, &file("theirs.json", &theirs.to_string()));
    let ours = export(&broker);
    assert_eq!(normal(&ours), normal(&theirs), "from RabbitMQ");

    let ours_file = file("ours.json", &ours.to_string());
    rabbitmqctl(&["import_definitions", ours_file.to_str().unwrap()]);
    let again = of_rabbitmq();
    forget_in_rabbitmq();
    assert_eq!(normal(&again), normal(&ours), "to RabbitMQ");
}
