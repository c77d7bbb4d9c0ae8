//! Which expressions are known.

use super::meaning;
use crate::request::{Request, Resource};

#[test]
fn known_expressions_have_a_meaning_whatever_their_blanks() {
    let alarm = |resource, on| Some(Request::SetAlarm { resource, on });
    let users = |users: &[&str]| {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        Some(Request::RestrictToLoopback { users })
    };
    for (expression, expected) in [
        (
            "rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []}).",
            alarm(Resource::Memory, true),
        ),
        ("rabbit_alarm:set_alarm({{resource_limit,disk,node()},[]}).", alarm(Resource::Disk, true)),
        (
            " rabbit_alarm:clear_alarm({resource_limit, memory, node()}). ",
            alarm(Resource::Memory, false),
        ),
        (
            "application:set_env(rabbit, channel_max, 2048).",
            Some(Request::SetChannelMax { channel_max: 2048 }),
        ),
        ("application:set_env(rabbit, loopback_users, []).", users(&[])),
        ("application:set_env(rabbit, loopback_users, [<<\"guest\">>]).", users(&["guest"])),
        (
            "application:set_env(rabbit, loopback_users, [<<\"a\">>, <<\"b\">>]).",
            users(&["a", "b"]),
        ),
        ("application:set_env(rabbit, channel_max, many).", None),
        ("rabbit_alarm:set_alarm({{resource_limit, patience, node()}, []}).", None),
        ("1 + 1.", None),
        ("", None),
    ] {
        assert_eq!(meaning(expression), expected, "{expression}");
    }
}
