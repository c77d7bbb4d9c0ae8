//! What is shown for made-up messages. Messages of queues are in the black-box tests.
use super::*;
use crate::config::{Definition, Sections};

fn definition(section: &str) -> Definition {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("trigger.toml");
    std::fs::write(&file, format!("[trigger.t]\nqueue = \"q\"\n{section}")).unwrap();
    let sources = service::config::Sources { config: Some(file), ..Default::default() };
    Sections::alone(&sources).unwrap().resolve(None).unwrap().triggers.remove(0)
}

fn rendered(section: &str, sample: &Sample) -> String {
    let shown = render(&definition(section), sample).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    let varies = |line: &&str| {
        let line = line.to_ascii_lowercase().replace('_', "-");
        !line.contains("execution-id") && !line.contains("deadline-ms")
    };
    shown.lines().filter(varies).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_request_is_shown_without_secrets() {
    let section = "http = { url = \"http://h/x\", auth = { basic = { username = \"u\", \
                   password_file = \"/proc/self/comm\" } }, pass_headers = [\"region\"] }\n\
                   profile = \"raw\"";
    let sample = Sample {
        body: b"{}".to_vec(),
        headers: vec!["region=eu=1".into()],
        properties: vec!["content-type=application/json".into(), "priority=3".into()],
        ..Sample::default()
    };
    let shown = rendered(section, &sample);
    assert!(shown.starts_with("POST http://h/x\n"), "{shown}");
    for expected in [
        "authorization: ***\n",
        "content-type: application/json\n",
        "region: eu=1\n",
        "x-amqp-priority: 3\n",
        "x-amqp-routing-key: q\n",
        "x-trigger-attempt: 1\n",
        "x-trigger-name: t\n",
    ] {
        assert!(shown.contains(expected), "no {expected}\n{shown}");
    }
    assert!(shown.ends_with("\n\n{}\n"), "{shown}");
}

#[test]
fn a_command_is_shown_with_its_variables_and_input() {
    let section = "command = { argv = [\"/bin/cat\", \"-\"], environment = [\"KEY=hidden\"] }";
    let sample = Sample { body: b"hello".to_vec(), ..Sample::default() };
    let shown = rendered(section, &sample);
    assert!(shown.starts_with("/bin/cat -\n"), "{shown}");
    for expected in ["\nTRIGGER_ATTEMPT=1\n", "\nTRIGGER_NAME=t\n", "\nTRIGGER_QUEUE=q\n"] {
        assert!(shown.contains(expected), "no {expected}\n{shown}");
    }
    assert!(shown.contains("\n\n{\"body\":\"hello\","), "{shown}");
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn what_is_no_message_is_refused() {
    let definition = definition("http = { url = \"http://h/\" }\nmax_message_bytes = 9");
    for (sample, expected) in [
        (
            Sample { body: vec![b'x'; 10], ..Sample::default() },
            "the message has 10 bytes, more than max_message_bytes: the trigger refuses it",
        ),
        (
            Sample { headers: vec!["x".into()], ..Sample::default() },
            "--header: expected NAME=VALUE, got \"x\"",
        ),
        (
            Sample { properties: vec!["message_id=1".into()], ..Sample::default() },
            "--property: unknown property message_id; did you mean message-id?",
        ),
        (
            Sample { properties: vec!["priority=high".into()], ..Sample::default() },
            "--property priority: expected a number from 0 to 255, got \"high\"",
        ),
        (
            Sample { routing_key: Some("k".repeat(256)), ..Sample::default() },
            "the routing key is longer than 255 bytes",
        ),
    ] {
        assert_eq!(render(&definition, &sample).unwrap_err().to_string(), expected);
    }
}
