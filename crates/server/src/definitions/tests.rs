//! Definitions that come and go. A file is given as JSON; what it did is asked of the broker by exporting it.

use std::rc::Rc;
use std::sync::Arc;

use broker::Broker;
use serde_json::{Value as Json, json};
use store::{Options, Store};

use super::{DefinitionsError, Report, export, import};
use crate::config::ServeConfig;
use crate::settings::Settings;
use crate::shard::Shard;

/// A broker as a new data directory has it, and the directory.
struct World {
    shard: Shard,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        World::open(tempfile::tempdir().unwrap())
    }

    fn open(dir: tempfile::TempDir) -> World {
        let disk = Arc::new(store::vfs::disk::Disk);
        let (mut store, recovered) = Store::open(disk, dir.path(), Options::default()).unwrap();
        let broker = Broker::recover(&recovered, &mut store, [7; 32], 0).unwrap();
        let settings = Rc::new(Settings::new(&ServeConfig::default()));
        World { shard: Shard::new(broker, store, settings, 7), dir }
    }

    /// A clean stop and the next start.
    fn restart(self) -> World {
        let World { shard, dir } = self;
        let Shard { broker, store, .. } = shard;
        store.close(broker.topology()).unwrap();
        World::open(dir)
    }

    fn import(&mut self, json: Json) -> Result<Report, DefinitionsError> {
        import(&mut self.shard, &json, None)
    }

    fn export(&self) -> Json {
        export(&self.shard.broker, None, &self.shard.settings)
    }

    /// What the list `key` of an export holds, one field of each.
    fn names(&self, key: &str, field: &str) -> Vec<String> {
        let all = self.export();
        let list = all[key].as_array().unwrap();
        list.iter().map(|object| object[field].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn refuses(&mut self, json: Json, expected: &str) {
        let before = self.export();
        let error = self.import(json).expect_err("it was imported");
        assert_eq!(error.to_string(), expected);
        assert_eq!(self.export(), before, "something was imported all the same");
    }
}

/// A file with one of everything that needs nothing else.
fn small() -> Json {
    json!({
        "rabbit_version": "3.10.8",
        "users": [{"name": "bob", "password_hash": "K9v8ljekc1ATQYEgNWN2PB1vrSLVZ7BjD2RVSIuzwHOzHA0x",
                   "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["monitoring"], "limits": {}}],
        "vhosts": [{"name": "/"}, {"name": "v1", "limits": [], "metadata": {"description": "", "tags": []}}],
        "permissions": [{"user": "bob", "vhost": "v1", "configure": "^a", "write": ".*", "read": ""}],
        "exchanges": [{"name": "x", "vhost": "v1", "type": "topic", "durable": true, "auto_delete": false,
                       "internal": false, "arguments": {"alternate-exchange": "amq.fanout"}}],
        "queues": [{"name": "q", "vhost": "v1", "type": "classic", "durable": true, "auto_delete": false,
                    "arguments": {"x-message-ttl": 60000, "x-max-priority": 3}}],
        "bindings": [
            {"source": "x", "vhost": "v1", "destination": "q", "destination_type": "queue",
             "routing_key": "a.#", "arguments": {"n": [1, {"s": "t"}]}},
            {"source": "amq.direct", "vhost": "v1", "destination": "x", "destination_type": "exchange",
             "routing_key": "k", "arguments": {}}]
    })
}

#[test]
fn what_was_imported_is_exported() {
    let mut world = World::new();
    let report = world.import(small()).unwrap();
    assert_eq!(report.counts(), [7, 1, 0], "{report}");
    let all = world.export();
    for list in ["exchanges", "queues"] {
        assert_eq!(all[list], small()[list]);
    }
    assert_eq!(world.names("bindings", "source"), ["amq.direct", "x"]);
    assert_eq!(all["bindings"][1], small()["bindings"][0]);
    assert_eq!(all["users"][0], small()["users"][0]);
    assert_eq!(all["permissions"][0], small()["permissions"][0]);
    assert_eq!(world.names("vhosts", "name"), ["/", "v1"]);
    let exported = world.export();
    let mut world = world.restart();
    assert_eq!(world.export(), exported, "after a restart");
    let report = world.import(exported.clone()).unwrap();
    assert_eq!(world.export(), exported, "imported again: {report}");
}

#[test]
fn what_is_there_stays() {
    let mut world = World::new();
    world.import(small()).unwrap();
    let mut other = small();
    other["queues"][0]["arguments"] = json!({});
    other["exchanges"][0]["type"] = json!("fanout");
    world.import(other).unwrap();
    let all = world.export();
    assert_eq!(all["queues"], small()["queues"]);
    assert_eq!(all["exchanges"], small()["exchanges"]);
}

#[test]
fn odd_forms_are_taken() {
    let mut world = World::new();
    let report = world.import(json!({
        "users": [{"name": "a", "password": "secret", "tags": "monitoring, policymaker"}, {"name": "b"}],
        "vhosts": [{"name": "v", "limits": [["max-queues", 5]], "metadata": {"tags": "eu,prod"}}],
        "queues": [{"name": "q", "vhost": "v", "durable": "true", "auto_delete": "false", "arguments": []},
                   {"name": "amq.gen-JzTY20BRgKO-HjmUJj0wLg", "vhost": "/", "more": 1}],
        "bindings": [{"source": "gone", "vhost": "/", "destination": "q", "arguments": {}}],
        "exchanges": null,
        "future": {}
    }));
    let report = report.unwrap();
    assert_eq!(world.names("queues", "name"), ["amq.gen-JzTY20BRgKO-HjmUJj0wLg", "q"]);
    assert_eq!(world.export()["users"][0]["tags"], json!(["monitoring", "policymaker"]));
    let ignored: Vec<String> = report.warnings().collect();
    assert_eq!(ignored, ["bindings: gone -> q (): one of its ends is not there", "keys: future"]);
}

#[test]
fn a_half_valid_file_changes_nothing() {
    let mut world = World::new();
    let rows = [
        (
            "queues",
            json!({"name": 5, "vhost": "/"}),
            "queues[1]: field 'name': expected a text, got 5",
        ),
        ("queues", json!({"vhost": "/"}), "queues[1]: field 'name': missing"),
        (
            "queues",
            json!({"name": "", "vhost": "/"}),
            "queues[1] '': field 'name': must not be empty",
        ),
        (
            "queues",
            json!({"name": "p", "vhost": "/", "durable": "yes"}),
            "queues[1] 'p': field 'durable': expected true or false, got \"yes\"",
        ),
        (
            "queues",
            json!({"name": "p", "vhost": "w"}),
            "queues[1] 'p': field 'vhost': there is no virtual host 'w'",
        ),
        (
            "queues",
            json!({"name": "p"}),
            "queues[1] 'p': field 'vhost': missing: to import the export of one virtual host, say which \
             it goes to (--vhost)",
        ),
        (
            "exchanges",
            json!({"name": "y", "vhost": "/", "type": "x-what"}),
            "exchanges[1] 'y': field 'type': unknown exchange type 'x-what'",
        ),
        (
            "permissions",
            json!({"user": "nobody", "vhost": "/", "configure": "", "write": "", "read": ""}),
            "permissions[1] 'nobody': field 'user': there is no user 'nobody'",
        ),
        (
            "bindings",
            json!({"source": "x", "vhost": "/", "destination": "q", "destination_type": "star"}),
            "bindings[2] 'x': field 'destination_type': expected queue or exchange, got 'star'",
        ),
        (
            "users",
            json!({"name": "u", "password_hash": "", "hashing_algorithm": "rot13"}),
            "users[1] 'u': field 'hashing_algorithm': unknown algorithm 'rot13'",
        ),
        // What is refused is logged, and a password must not be.
        (
            "users",
            json!({"name": "u", "password": 12345}),
            "users[1] 'u': field 'password': expected a text",
        ),
        (
            "users",
            json!({"name": "u", "password_hash": ["K9v8"]}),
            "users[1] 'u': field 'password_hash': expected a text",
        ),
        ("users", json!("u"), "users[1]: expected an object, got \"u\""),
    ];
    for (list, object, expected) in rows {
        let mut file = small();
        file[list].as_array_mut().unwrap().push(object);
        world.refuses(file, &format!("{expected}; nothing was imported"));
    }
    world.refuses(json!({"users": 5}), "users: expected a list, got 5; nothing was imported");
    world.refuses(json!([]), "definitions are one JSON object, this is something else");
}

#[test]
fn arguments_that_no_peer_could_read_are_refused() {
    let mut world = World::new();
    let mut deep = json!(1);
    for _ in 0..60 {
        deep = json!([deep]);
    }
    let long = "k".repeat(256);
    let rows = [
        (json!({"a": deep}), "61 levels are too deep: at most 32".to_owned()),
        (json!({&*long: 1}), format!("the key '{}…' is too long", &long[..60])),
        (json!({"a": [{&*long: 1}]}), format!("the key '{}…' is too long", &long[..60])),
    ];
    for (arguments, reason) in rows {
        let file = json!({"queues": [{"name": "q", "vhost": "/", "arguments": arguments}]});
        let expected = format!("queues[0] 'q': field 'arguments': {reason}; nothing was imported");
        world.refuses(file, &expected);
    }
}

#[test]
fn one_virtual_host_goes_into_another() {
    let mut world = World::new();
    world.import(small()).unwrap();
    let one = export(&world.shard.broker, Some("v1"), &world.shard.settings);
    assert_eq!(one["rabbitmq_definition_format"], json!("single_virtual_host"));
    assert_eq!(one["queues"][0].get("vhost"), None);
    assert_eq!(one.get("users"), None);
    import(&mut world.shard, &one, Some("/")).unwrap();
    let copy = export(&world.shard.broker, Some("/"), &world.shard.settings);
    for list in ["exchanges", "queues", "bindings"] {
        assert_eq!(copy[list], one[list]);
    }
    let error = import(&mut world.shard, &one, Some("gone")).expect_err("no such virtual host");
    assert!(error.to_string().contains("there is no virtual host 'gone'"), "{error}");
}

/// Everything that is said of users and virtual hosts, as different versions write it.
#[test]
fn users_and_virtual_hosts_get_what_the_file_says() {
    let mut world = World::new();
    let file = |description: &str, max: Json| {
        json!({
            "rabbitmq_version": "3.5.7",
            "users": [{"name": "old", "password_hash": "AQIDBA==", "tags": "", "limits": {"max-channels": "7"}}],
            "vhosts": [{"name": "v", "metadata":
                {"description": description, "tags": "b,a", "default_queue_type": "rabbit_quorum_queue"}}],
            "topic_permissions":
                [{"user": "old", "vhost": "v", "exchange": "x", "write": "^{username}", "read": ""}],
            "parameters": [
                {"vhost": "v", "component": "vhost-limits", "name": "limits", "value": [["max-queues", max]]},
                {"vhost": "v", "component": "shovel", "name": "s", "value": {"uri": "amqp://"}}],
            "global_parameters": [
                {"name": "internal_cluster_id", "value": "rabbitmq-cluster-id-x"}, {"name": "g", "value": [1]}],
            "queues": [
                {"name": "plain", "vhost": "v"},
                {"name": "typed", "vhost": "v", "type": "classic"},
                {"name": "known", "vhost": "v", "arguments": {"x-queue-type": "quorum"}},
                {"name": "stream", "vhost": "v", "type": "stream"}]
        })
    };
    let report = world.import(file("one", json!(3))).unwrap();
    let all = world.export();
    let old = &all["users"][1];
    assert_eq!(old["hashing_algorithm"], json!("rabbit_password_hashing_md5"));
    assert_eq!(old["limits"], json!({"max-channels": 7}));
    let metadata =
        json!({"description": "one", "tags": ["b", "a"], "default_queue_type": "quorum"});
    assert_eq!(all["vhosts"][1]["metadata"], metadata);
    assert_eq!(all["vhosts"][1]["limits"], json!([["max-queues", 3]]));
    assert_eq!(all["topic_permissions"][0]["write"], json!("^{username}"));
    assert_eq!(all["global_parameters"], json!([{"name": "g", "value": [1]}]));
    let components: Vec<&Json> =
        all["parameters"].as_array().unwrap().iter().map(|p| &p["component"]).collect();
    assert_eq!(components, ["vhost-limits", "shovel"]);
    let types: Vec<&Json> = all["queues"].as_array().unwrap().iter().map(|q| &q["type"]).collect();
    assert_eq!(types, ["quorum", "quorum", "classic"], "known, plain, typed");
    let ignored: Vec<String> = report.warnings().collect();
    let expected = [
        "global parameters: internal_cluster_id",
        "queues: stream in v: streams are not there yet",
    ];
    assert_eq!(ignored, expected);
    // A second file says something else of the virtual host.
    world.import(file("two", json!(-1))).unwrap();
    let world = world.restart();
    assert_eq!(world.export()["vhosts"][1]["metadata"]["description"], json!("two"));
    assert_eq!(world.export()["vhosts"][1]["limits"], json!([["max-queues", -1]]));
}

#[test]
fn policies_are_checked_before_anything_is_made() {
    let mut world = World::new();
    let operator = |definition: Json| {
        let value = json!({"pattern": ".*", "apply-to": "queues", "definition": definition});
        json!([{"vhost": "/", "component": "operator_policy", "name": "op", "value": value}])
    };
    let policy = |apply_to: &str, pattern: &str| {
        let definition = json!({"max-length": 5});
        json!([{"vhost": "/", "name": "p", "pattern": pattern, "apply-to": apply_to, "definition": definition}])
    };
    let rows = [
        json!({"users": [{"name": "u"}], "policies": policy("bees", ".*")}),
        json!({"users": [{"name": "u"}], "policies": policy("queues", "(")}),
        json!({"users": [{"name": "u"}], "parameters": operator(json!({"max-length": -5}))}),
        json!({"users": [{"name": "u"}], "parameters": operator(json!({"alternate-exchange": "x"}))}),
        json!({"users": [{"name": "u"}], "parameters": operator(json!(5))}),
    ];
    for file in rows {
        let before = world.export();
        let error = world.import(file).expect_err("it was imported").to_string();
        assert!(error.ends_with("; nothing was imported"), "{error}");
        assert_eq!(world.export(), before);
    }
    world.import(json!({"policies": policy("queues", "^q"), "parameters": operator(json!([["max-length", 9]]))})).unwrap();
    world.import(json!({"queues": [{"name": "q1", "vhost": "/"}]})).unwrap();
    let queue = world.shard.broker.queue_named("/", "q1").unwrap();
    assert_eq!(
        (queue.policy.as_deref(), queue.operator_policy.as_deref()),
        (Some("p"), Some("op"))
    );
}

/// What a program could put anywhere: no panic, and no half of it.
#[test]
fn random_json_is_imported_or_refused() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut world = World::new();
    let whole = small();
    for _ in 0..300 {
        let mut file = whole.clone();
        let lists: Vec<String> = file.as_object().unwrap().keys().cloned().collect();
        let list = &lists[random(lists.len() as u64) as usize];
        let odd = [
            json!(null),
            json!(-1),
            json!(""),
            json!([]),
            json!({"a": [{}]}),
            json!(1e300),
            json!("x".repeat(300)),
        ];
        let odd = odd[random(odd.len() as u64) as usize].clone();
        match file[list].get_mut(0).and_then(Json::as_object_mut) {
            Some(object) => {
                let fields: Vec<String> = object.keys().cloned().collect();
                object.insert(fields[random(fields.len() as u64) as usize].clone(), odd);
            }
            None => file[list] = odd,
        }
        let before = world.export();
        if let Err(error) = world.import(file) {
            assert_eq!(world.export(), before, "{error}");
        }
    }
    let world = world.restart();
    assert!(world.export().is_object());
}
