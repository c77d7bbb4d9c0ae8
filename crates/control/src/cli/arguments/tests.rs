//! What command lines mean, and how wrong ones are refused.

use super::read;
use crate::cli::Tool;

/// The command, its words, and the value of some flags.
#[track_caller]
fn check(line: &str, command: &str, words: &[&str], flags: &[(&str, &str)]) {
    let line: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let given = read(Tool::Ctl, &line).unwrap_or_else(|refused| panic!("{}", refused.text));
    assert_eq!(given.command.map(|command| command.name), Some(command));
    assert_eq!(given.words, words);
    for (flag, value) in flags {
        assert_eq!(given.options.get(flag), Some(*value), "--{flag}");
    }
}

#[track_caller]
fn refused(tool: Tool, line: &str, expected: &str) {
    let line: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let Err(refused) = read(tool, &line) else { panic!("{line:?} was not refused") };
    assert_eq!(refused.exit, 64);
    assert!(refused.text.contains(expected), "{}", refused.text);
}

#[test]
fn flags_stand_anywhere() {
    check("-q list_queues name -p v", "list_queues", &["name"], &[("quiet", ""), ("vhost", "v")]);
    check("-n rabbit@host add_user a b", "add_user", &["a", "b"], &[("node", "rabbit@host")]);
    check("--vhost=v list_queues", "list_queues", &[], &[("vhost", "v")]);
    check("list_queues -pv -t5", "list_queues", &[], &[("vhost", "v"), ("timeout", "5")]);
    check(
        "set_policy a .* {} --apply-to queues --priority -1",
        "set_policy",
        &["a", ".*", "{}"],
        &[("apply-to", "queues"), ("priority", "-1")],
    );
    check(
        "set_policy a .* {} --apply_to all",
        "set_policy",
        &["a", ".*", "{}"],
        &[("apply-to", "all")],
    );
    check("add_user -- -a -b", "add_user", &["-a", "-b"], &[]);
    check("list_users --erlang-cookie x --longnames", "list_users", &[], &[]);
}

#[test]
fn no_word_is_no_command() {
    assert!(read(Tool::Ctl, &[]).is_ok_and(|given| given.command.is_none()));
    assert!(read(Tool::Ctl, &["--help".to_owned()]).is_ok_and(|given| given.options.has("help")));
}

#[test]
fn what_cannot_be_is_refused() {
    refused(Tool::Ctl, "add_user", "not enough arguments.");
    refused(Tool::Ctl, "list_users x", "too many arguments.");
    refused(Tool::Ctl, "list_users --bogus", "Invalid options for this command:\n--bogus : ");
    refused(Tool::Ctl, "set_policy a b c --priority x", "--priority : x");
    refused(Tool::Ctl, "list_user", "Did you mean 'list_users'?");
    refused(Tool::Ctl, "zzzzzz", "Command 'zzzzzz' not found.");
    refused(Tool::Plugins, "add_user a b", "Command 'add_user' not found.");
    refused(Tool::Queues, "list_queues", "Command 'list_queues' not found.");
}
