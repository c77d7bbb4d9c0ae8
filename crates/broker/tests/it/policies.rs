//! Policies as clients see them: what queues and exchanges do when policies come, change and go.
//!
//! Lines beside those of the rig:
//!
//! ```text
//! policy NAME PATTERN key=value … [priority=N] [apply-to=queues]      operator NAME …
//! clear NAME | clear-operator NAME
//! obeys QUEUE                              => policy and operator policy, {what they say together}
//! governs EXCHANGE                         => policy
//! ```

mod model;

use amqp::value::Table;
use broker::AdminError;
use broker::policy::PolicySpec;
use store::Pos;

use crate::rig::{Rig, table};

/// Runs a script in which policies come and go.
#[track_caller]
pub(crate) fn check(rig: &mut Rig, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, want) = line.split_once("=>").unwrap_or((line, "ok"));
        let words: Vec<&str> = command.split_whitespace().collect();
        let got = match words[0] {
            "policy" | "operator" | "clear" | "clear-operator" => match change(rig, &words) {
                Ok(_) => {
                    rig.store().submit();
                    "ok".to_owned()
                }
                Err(error) => error.to_string().replace('\n', " ").trim().to_owned(),
            },
            "obeys" => obeys(rig, words[1]),
            "governs" => {
                let vhost = rig.broker.vhosts().next().expect("there is one");
                let name = words[1].trim_matches('\'');
                let exchange = vhost.exchange(name).expect("an exchange");
                exchange.policy.as_deref().unwrap_or("none").to_owned()
            }
            _ => rig.run(command),
        };
        assert_eq!(got, want.trim(), "\nat `{}` of:{script}", command.trim());
    }
}

fn change(rig: &mut Rig, words: &[&str]) -> Result<Pos, AdminError> {
    let (broker, mut cx) = rig.parts();
    let operator = words[0].ends_with("operator");
    if words[0].starts_with("clear") {
        return broker.clear_policy(&mut cx, operator, "/", words[1]);
    }
    let mut definition = table(&words[3..]);
    let priority = definition.remove("priority").and_then(|value| value.as_i64()).unwrap_or(0);
    let apply_to = definition.remove("apply-to");
    let spec = PolicySpec {
        vhost: "/",
        name: words[1],
        pattern: words[2],
        apply_to: apply_to.as_ref().and_then(|value| value.as_str()).unwrap_or("all"),
        priority,
        definition: &definition,
    };
    broker.set_policy(&mut cx, operator, spec)
}

fn obeys(rig: &Rig, queue: &str) -> String {
    let queue = rig.broker.queue_named("/", queue).expect("a queue");
    let name = |name: &Option<_>| {
        name.as_ref().map_or("none".to_owned(), |name: &std::rc::Rc<str>| name.to_string())
    };
    let shown = show(&rig.broker.effective_policy(queue));
    format!("{} {} {{{shown}}}", name(&queue.policy), name(&queue.operator_policy))
}

fn show(table: &Table) -> String {
    let fields = table.iter().map(|(key, value)| {
        let value = value.as_i64().map_or_else(
            || String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned(),
            |n| n.to_string(),
        );
        format!("{}={value}", String::from_utf8_lossy(key))
    });
    fields.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_highest_priority_that_matches_counts() {
    check(
        &mut Rig::new(),
        "policy all .* max-length=10
         policy q ^q max-length=20 priority=5
         policy q1 ^q1$ max-length=30 priority=9
         queue q1               => q1 0 0
         queue q2               => q2 0 0
         queue x                => x 0 0
         obeys q1               => q1 none {max-length=30}
         obeys q2               => q none {max-length=20}
         obeys x                => all none {max-length=10}
         clear q1
         obeys q1               => q none {max-length=20}
         policy q ^x max-length=20 priority=5
         obeys q1               => all none {max-length=10}
         obeys x                => q none {max-length=20}
         operator o x max-length=15 expires=100
         obeys x                => q o {expires=100 max-length=15}
         clear all
         obeys q1               => none none {}
         clear all              => Parameter does not exist
         clear-operator q       => Parameter does not exist",
    );
}

#[test]
fn a_policy_is_for_the_objects_that_it_names() {
    check(
        &mut Rig::new(),
        "policy c .* max-length=1 apply-to=classic_queues priority=3
         policy n .* max-length=2 apply-to=quorum_queues priority=2
         policy x .* alternate-exchange=ae apply-to=exchanges priority=1
         policy s .* max-age=1D apply-to=streams priority=9
         queue classic                                  => classic 0 0
         queue quorum durable x-queue-type=quorum       => quorum 0 0
         exchange e fanout
         obeys classic                                  => c none {max-length=1}
         obeys quorum                                   => n none {max-length=2}
         governs e                                      => x
         governs amq.fanout                             => x
         governs ''                                     => x",
    );
}

#[test]
fn a_policy_with_a_key_of_another_type_of_queue_is_passed_over() {
    check(
        &mut Rig::new(),
        "policy limit .* delivery-limit=3 max-length=5 priority=1
         policy rest .* max-length=7
         queue classic                                  => classic 0 0
         queue quorum durable x-queue-type=quorum       => quorum 0 0
         obeys classic                                  => rest none {max-length=7}
         obeys quorum                                   => limit none {delivery-limit=3 max-length=5}",
    );
}

#[test]
fn a_length_limit_acts_on_messages_that_wait_and_goes_with_the_policy() {
    check(
        &mut Rig::new(),
        "queue q            => q 0 0
         publish '' q a     => q
         publish '' q b     => q
         publish '' q c     => q
         policy p ^q$ max-length=2
         at 1000000
         queue q            => q 2 0
         publish '' q d     => q
         get q              => c /q
         requeue c
         policy p ^q$ max-length=1 overflow=reject-publish
         publish '' q e     => refused
         clear p
         publish '' q f     => q
         queue q            => q 3 0",
    );
}

#[test]
fn a_ttl_acts_on_messages_that_wait() {
    check(
        &mut Rig::new(),
        "queue dead         => dead 0 0
         queue q            => q 0 0
         publish '' q a     => q
         at 1000500
         policy p ^q$ message-ttl=1000 dead-letter-exchange= dead-letter-routing-key=dead
         publish '' q b     => q
         at 1000999
         queue q            => q 2 0
         at 1001000
         queue q            => q 1 0
         clear p
         at 1009999
         queue q            => q 1 0
         policy p ^q$ message-ttl=1
         at 1010000
         queue q            => q 0 0
         queue dead         => dead 1 0",
    );
}

#[test]
fn an_idle_queue_goes_by_policy_counted_from_when_it_was_set() {
    check(
        &mut Rig::new(),
        "queue q            => q 0 0
         at 1005000
         policy p ^q$ expires=1000
         at 1005999
         queues             => q
         at 1006000
         queues             =>",
    );
}

#[test]
fn an_alternate_exchange_comes_and_goes_with_a_policy() {
    check(
        &mut Rig::new(),
        "exchange ae fanout
         exchange other fanout
         exchange x direct
         exchange own direct alternate-exchange=other
         queue q            => q 0 0
         queue o            => o 0 0
         bind q ae k
         bind o other k
         publish x k a      => nowhere
         policy p . alternate-exchange=ae
         publish x k a      => q
         publish own k a    => o
         clear p
         publish x k a      => nowhere
         publish own k a    => o
         policy p ^late alternate-exchange=ae
         exchange late direct
         publish late k a   => q",
    );
}

#[test]
fn policies_survive_a_restart_and_a_crash() {
    let mut rig = Rig::new();
    check(
        &mut rig,
        "exchange x direct durable
         exchange ae fanout durable
         queue q durable                    => q 0 0
         bind q ae k
         publish '' q a persistent          => q
         publish '' q b persistent          => q
         policy p ^q$ max-length=1 priority=3
         policy gone ^q$ max-length=1 priority=9
         policy x ^x$ alternate-exchange=ae apply-to=exchanges
         operator o q expires=50000
         clear gone",
    );
    for how in ["restart", "crash"] {
        rig.check(how);
        check(
            &mut rig,
            "obeys q                            => p o {expires=50000 max-length=1}
             governs x                          => x
             at 1000001
             queue q durable                    => q 1 0
             publish x k c persistent           => q
             queue q durable                    => q 1 0
             at 1000002",
        );
    }
}

#[test]
fn a_refused_policy_changes_nothing() {
    check(
        &mut Rig::new(),
        "policy p ^q max-length=1
         queue q                => q 0 0
         policy p ^q length=2   => Validation failed  [{<<\"length\">>,2}] are not recognised policy settings
         obeys q                => p none {max-length=1}",
    );
}

#[test]
fn a_policy_is_set_on_many_queues_at_once() {
    let mut rig = Rig::new();
    for n in 0..20_000 {
        assert_eq!(rig.run(&format!("queue q{n}")), format!("q{n} 0 0"));
    }
    check(
        &mut rig,
        "policy p ^(?!q1$).*9$ max-length=3
         obeys q1       => none none {}
         obeys q19      => p none {max-length=3}
         clear p
         obeys q19      => none none {}",
    );
}
