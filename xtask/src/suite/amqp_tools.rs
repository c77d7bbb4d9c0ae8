//! The command line tools of rabbitmq-c, as scripts with the output they must have.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Outcome, Place, Results};
use crate::process;

/// One script.
struct Script {
    name: &'static str,
    /// Run by `sh`; standard output and error are compared together.
    text: &'static str,
    expected: &'static str,
}

const LIMIT: Duration = Duration::from_secs(20);

const SCRIPTS: &[Script] = &[
    Script {
        name: "declare_prints_the_queue's_name",
        text: "amqp-declare-queue -q plain; amqp-declare-queue -d -q lasting; amqp-delete-queue -q plain; amqp-delete-queue -q lasting",
        expected: "plain\nlasting\n0\n0\n",
    },
    Script {
        name: "server_named_queue",
        text: "amqp-declare-queue -q '' | sed 's/^amq\\.gen-.*/named/'",
        expected: "named\n",
    },
    Script {
        name: "publish_then_get",
        text: "amqp-declare-queue -q a; amqp-publish -r a -b hello; amqp-get -q a; echo; amqp-get -q a; echo exit $?; amqp-delete-queue -q a",
        expected: "a\nhello\nexit 2\n0\n",
    },
    Script {
        name: "messages_keep_their_order",
        text: "amqp-declare-queue -d -q b >/dev/null; seq 200 | amqp-publish -l -p -r b; amqp-consume -q b -c 200 cat | md5sum; seq 200 | md5sum; amqp-delete-queue -q b",
        expected: "304f7b9574921ad21a2bc72f200483d7  -\n304f7b9574921ad21a2bc72f200483d7  -\n0\n",
    },
    Script {
        name: "a_large_body_comes_back_whole",
        text: "amqp-declare-queue -q c >/dev/null; head -c 3000000 /dev/zero | tr '\\0' x > body; amqp-publish -p -r c < body; amqp-get -q c | cmp - body && echo same; amqp-delete-queue -q c; rm body",
        expected: "same\n0\n",
    },
    Script {
        name: "delete_counts_what_waited",
        text: "amqp-declare-queue -q d; for i in 1 2 3; do amqp-publish -r d -b $i; done; amqp-delete-queue -q d",
        expected: "d\n3\n",
    },
    Script {
        name: "delete_if_empty_refuses",
        text: "amqp-declare-queue -q e; amqp-publish -r e -b x; amqp-delete-queue -e -q e 2>&1 | grep -o 'PRECONDITION_FAILED.*'; amqp-delete-queue -q e",
        expected: "e\nPRECONDITION_FAILED - queue 'e' in vhost '/' not empty\n1\n",
    },
    Script {
        name: "get_from_a_missing_queue",
        text: "amqp-get -q nowhere 2>&1 | grep -o 'NOT_FOUND.*'",
        expected: "NOT_FOUND - no queue 'nowhere' in vhost '/'\n",
    },
    Script {
        name: "publish_to_a_missing_exchange_closes_the_channel",
        text: "amqp-publish -e nowhere -r x -b x 2>&1; echo exit $?",
        expected: "closing channel: server channel error 404, message: NOT_FOUND - no exchange 'nowhere' in vhost '/'\nexit 1\n",
    },
    Script {
        name: "wrong_password_is_refused",
        text: "amqp-declare-queue --username guest --password wrong -q x 2>&1 | grep -o 'ACCESS_REFUSED.*'",
        expected: "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.\n",
    },
    Script {
        name: "unknown_vhost_is_refused",
        text: "amqp-declare-queue --vhost nowhere -q x 2>&1 | grep -o 'NOT_ALLOWED.*'",
        expected: "NOT_ALLOWED - vhost nowhere not found\n",
    },
    Script {
        name: "consume_binds_to_an_exchange",
        text: "amqp-consume -q '' -e amq.topic -r 'a.#' -x -c 1 cat > got 2>/dev/null & until amqp-publish -e amq.topic -r b.a -b y && amqp-publish -e amq.topic -r a.b -b x && [ -s got ]; do sleep 0.1; done; wait; cat got; rm got",
        expected: "x",
    },
    Script {
        name: "prefetch_one_at_a_time",
        text: "amqp-declare-queue -q f >/dev/null; seq 20 | amqp-publish -l -r f; amqp-consume -q f -p 1 -c 20 cat | tail -n 1; amqp-delete-queue -q f",
        expected: "20\n0\n",
    },
    Script {
        name: "consume_without_acks",
        text: "amqp-declare-queue -q g >/dev/null; seq 20 | amqp-publish -l -r g; amqp-consume -q g -A -c 20 cat | tail -n 1; amqp-delete-queue -q g",
        expected: "20\n0\n",
    },
    Script {
        name: "a_failing_command_puts_the_message_back",
        text: "amqp-declare-queue -q h >/dev/null; amqp-publish -r h -b once; amqp-consume -q h -p 1 -c 1 false; amqp-get -q h; echo; amqp-delete-queue -q h",
        expected: "once\n0\n",
    },
    Script {
        name: "headers_and_properties_are_taken",
        text: "amqp-declare-queue -q i >/dev/null; amqp-publish -r i -C text/plain -E utf-8 -t there -H 'one: 1' -H 'two: 2' -b x; amqp-get -q i; echo; amqp-delete-queue -q i",
        expected: "x\n0\n",
    },
    Script {
        name: "redeclare_with_other_durability",
        text: "amqp-declare-queue -q j; amqp-declare-queue -d -q j 2>&1 | grep -o 'PRECONDITION_FAILED.*'; amqp-delete-queue -q j",
        expected: "j\nPRECONDITION_FAILED - inequivalent arg 'durable' for queue 'j' in vhost '/': received 'true' but current is 'false'\n0\n",
    },
    Script {
        name: "reserved_names_are_refused",
        text: "amqp-declare-queue -q amq.mine 2>&1 | grep -o 'ACCESS_REFUSED.*'",
        expected: "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'\n",
    },
];

pub(super) fn run(place: &Place) -> Result<Results> {
    let mut results = Results::default();
    let mut report = String::new();
    for script in SCRIPTS {
        let log = place.dir.join("script.log");
        let _ = std::fs::remove_file(&log);
        let mut command = Command::new("sh");
        command.args(["-c", script.text]).current_dir(&place.dir);
        let ended = process::logged(&mut command, &log, LIMIT);
        let got = std::fs::read(&log).context("output of a script")?;
        let got = String::from_utf8_lossy(&got);
        let pass = ended.is_ok() && got == script.expected;
        if !pass {
            report.push_str(&format!(
                "{}: {}\nexpected: {}\ngot: {got}\n",
                script.name, script.text, script.expected
            ));
        }
        let outcome = if pass { Outcome::Pass } else { Outcome::Fail };
        results.0.insert(script.name.to_owned(), outcome);
    }
    std::fs::write(&place.log, report)?;
    Ok(results)
}
