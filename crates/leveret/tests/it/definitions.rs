//! Definitions from outside: `leveret definitions`, and files that are loaded at the start.

mod peer_definitions;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value as Json, json};

use crate::broker::Broker;
use crate::cli::{leveret, output, stderr, stdout};

/// Users, virtual hosts and what is in them, in the order and form of RabbitMQ 3.10.8's `rabbitmqctl
/// export_definitions`.
const RICH: &str = include_str!("definitions/rich.json");

/// Runs `leveret definitions` for a broker.
fn definitions(broker: &Broker, words: &[&str]) -> Output {
    let data_dir = broker.data_dir();
    let data_dir = data_dir.to_str().unwrap();
    let mut command = leveret(broker.dir());
    output(command.arg("definitions").args(words).args(["--data-dir", data_dir]))
}

/// What the broker exports.
#[track_caller]
fn export(broker: &Broker) -> Json {
    let done = definitions(broker, &["export", "-"]);
    assert!(done.status.success(), "{}", stderr(&done));
    serde_json::from_str(&stdout(&done)).unwrap()
}

/// Imports a file, and gives what was said about it.
#[track_caller]
fn import(broker: &Broker, file: &Path) -> String {
    let done = definitions(broker, &["import", file.to_str().unwrap()]);
    assert!(done.status.success(), "{}", stderr(&done));
    stdout(&done)
}

fn names(list: &Json) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap()).collect()
}

#[test]
fn what_was_imported_is_there_after_a_crash_and_is_exported() {
    let mut broker = Broker::start();
    let file = broker.dir().join("rich.json");
    fs::write(&file, RICH).unwrap();
    let report = import(&broker, &file);
    assert!(report.contains("imported: 5 queues: "), "{report}");
    assert!(
        report.contains("ignored: 1 queues: stream in pd-a: streams are not there yet"),
        "{report}"
    );
    assert!(report.contains("ignored: 2 policy keys: ha-mode of ha in pd-a"), "{report}");
    broker.crash();
    let all = export(&broker);
    let second = broker.dir().join("again.json");
    fs::write(&second, all.to_string()).unwrap();
    import(&broker, &second);
    assert_eq!(export(&broker), all);
    assert_eq!(names(&all["users"]), ["guest", "pd-alice", "pd-bob", "pd-old"]);
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing() {
    let broker = Broker::start();
    let before = export(&broker);
    let rows = [
        ("{", "x.json: not JSON: EOF while parsing an object at line 1 column 1"),
        ("[]", "definitions are one JSON object, this is something else"),
        (
            r#"{"queues": [{"name": "q", "vhost": "/"}, {"name": "r", "vhost": "/", "durable": 7}]}"#,
            "queues[1] 'r': field 'durable': expected true or false, got 7; nothing was imported",
        ),
        (
            r#"{"policies": [{"name": "p", "vhost": "/", "pattern": "", "definition": {"what": 1}}]}"#,
            "policies[0] 'p': field 'definition': [{<<\"what\">>,1}] are not recognised policy settings; \
             nothing was imported",
        ),
    ];
    for (text, expected) in rows {
        fs::write(broker.dir().join("x.json"), text).unwrap();
        let done = definitions(&broker, &["import", "x.json"]);
        assert_eq!(stderr(&done), format!("leveret: {expected}\n"));
        assert_eq!(done.status.code(), Some(65));
    }
    let done = definitions(&broker, &["import", "gone.json"]);
    assert_eq!(done.status.code(), Some(74), "{}", stderr(&done));
    let done = definitions(&broker, &["export", "--vhost", "gone", "-"]);
    assert_eq!(stderr(&done), "leveret: Virtual host 'gone' does not exist\n");
    assert_eq!(export(&broker), before);
}

#[test]
fn definitions_are_loaded_before_clients_can_connect() {
    let dir = tempfile::tempdir().unwrap().keep();
    let file = dir.join("rich.json");
    fs::write(&file, RICH).unwrap();
    let mut broker = Broker::in_dir(dir, &["--load-definitions", file.to_str().unwrap()]);
    let all = export(&broker);
    // Users of the file come instead of the default one.
    assert_eq!(names(&all["users"]), ["pd-alice", "pd-bob", "pd-old"]);
    broker.ctl(&["authenticate_user", "pd-alice", "secret"]);
    broker.ctl(&["authenticate_user", "pd-old", "old"]);
    // What is deleted comes back with the next start.
    broker.ctl(&["delete_queue", "classic", "-p", "pd-a"]);
    broker.restart();
    let queues = export(&broker)["queues"].clone();
    assert!(names(&queues).contains(&"classic"), "{queues}");
}

#[test]
fn definitions_that_did_not_change_may_be_passed_over() {
    let dir = tempfile::tempdir().unwrap().keep();
    let file = dir.join("one.json");
    fs::write(&file, json!({"queues": [{"name": "one", "vhost": "/"}]}).to_string()).unwrap();
    let flags =
        ["--load-definitions", file.to_str().unwrap(), "--definitions-skip-if-unchanged=true"];
    let mut broker = Broker::in_dir(dir, &flags);
    broker.ctl(&["delete_queue", "one"]);
    broker.restart();
    assert_eq!(export(&broker)["queues"], json!([]));
    fs::write(&file, json!({"queues": [{"name": "two", "vhost": "/"}]}).to_string()).unwrap();
    broker.restart();
    assert_eq!(names(&export(&broker)["queues"]), ["two"]);
}

#[test]
fn a_start_with_bad_definitions_fails() {
    let dir = tempfile::tempdir().unwrap();
    let rows = [
        ("{\"queues\": 5}", "queues: expected a list, got 5; nothing was imported"),
        ("nonsense", "not JSON: expected ident at line 1 column 2"),
    ];
    for (text, expected) in rows {
        fs::write(dir.path().join("bad.json"), text).unwrap();
        let mut command = leveret(dir.path());
        let done =
            output(command.args(["serve", "--load-definitions", "bad.json", "--log-level", "off"]));
        assert_eq!(stderr(&done), format!("leveret: load_definitions: bad.json: {expected}\n"));
        assert_eq!(done.status.code(), Some(78));
    }
}

/// There are hashes of passwords in it; but a file that is there, such as a device, is as its owner wants it.
#[test]
fn an_export_is_private_unless_the_file_is_there() {
    let broker = Broker::start();
    let mode = |name| fs::metadata(broker.dir().join(name)).unwrap().permissions().mode() & 0o777;
    fs::write(broker.dir().join("there.json"), "old").unwrap();
    fs::set_permissions(broker.dir().join("there.json"), fs::Permissions::from_mode(0o664))
        .unwrap();
    for (name, expected) in [("new.json", 0o600), ("there.json", 0o664)] {
        let path = broker.dir().join(name);
        broker.ctl(&["export_definitions", path.to_str().unwrap()]);
        assert_eq!(mode(name), expected, "{name}");
        let written: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(names(&written["vhosts"]), ["/"]);
    }
}

#[test]
fn one_virtual_host_goes_into_another() {
    let broker = Broker::start();
    let file = broker.dir().join("rich.json");
    fs::write(&file, RICH).unwrap();
    import(&broker, &file);
    let done = definitions(&broker, &["export", "--vhost", "pd-a", "one.json"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let done = definitions(&broker, &["import", "--vhost", "/", "one.json"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let all = export(&broker);
    let of = |vhost: &str, list: &str| {
        let objects = all[list].as_array().unwrap().iter().filter(|o| o["vhost"] == vhost);
        let mut objects: Vec<Json> = objects.cloned().collect();
        objects.iter_mut().for_each(|object| drop(object.as_object_mut().unwrap().remove("vhost")));
        objects
    };
    for list in ["queues", "exchanges", "bindings", "policies", "parameters"] {
        assert_eq!(of("/", list), of("pd-a", list), "{list}");
    }
}
