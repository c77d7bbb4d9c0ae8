//! One list of nodes: what it is told, what it asks, and what it believes.

use proptest::prelude::*;

use super::*;
use crate::list::BYTES_MAX;

const INTERVAL: Duration = Duration::from_secs(60);
const KAMAILIO: &str = "kamailio (5.6.3)";
const OURS: &str = "Leveret/9.9.9";

fn rules() -> Rules {
    Rules {
        me: uri("sip:10.0.0.1:5060"),
        ping_interval: INTERVAL,
        ping_timeout: Duration::ZERO,
        tombstone: INTERVAL * 2,
        remove_inactive: true,
        fails_active: 0,
        fails_not_active: 1,
        nodes_max: 50,
        transports: vec![Transport::Udp],
    }
}

fn uri(text: &str) -> NodeUri {
    text.parse().unwrap()
}

struct World {
    members: Members,
    now: Duration,
}

impl World {
    fn new(rules: Rules) -> World {
        let own = vec!["10.0.0.1".parse().unwrap()];
        World { members: Members::new(rules, own, 7), now: Duration::from_secs(1) }
    }

    fn configured(mut self, node: &str) -> World {
        self.members.configured(vec![uri(node)], self.now);
        self
    }

    /// What it does by itself now.
    fn tick(&mut self) -> Vec<Act> {
        self.members.tick(self.now);
        std::mem::take(&mut self.members.acts)
    }

    /// The notifications that it sends now: to whom, which, and their bodies.
    fn notices(&mut self) -> Vec<(String, Notice, String)> {
        let notice = |act| match act {
            Act::Notify { to, notice, body } => {
                Some((to.to_string(), notice, String::from_utf8(body).unwrap()))
            }
            _ => None,
        };
        self.tick().into_iter().filter_map(notice).collect()
    }

    fn answers(&mut self, node: &str, notice: Notice, agent: &str, list: &str) {
        let took = Duration::from_millis(3);
        let answer = Answer { notice, code: 200, agent, body: list.as_bytes(), took, wall_ms: 1 };
        self.members.answered(&uri(node), answer, self.now);
    }

    /// Makes a node active that answers with this list.
    fn up(&mut self, node: &str, agent: &str, list: &str) {
        for _ in 0..5 {
            for (to, notice, _) in self.notices() {
                if to == node {
                    self.answers(node, notice, agent, list);
                }
            }
            self.now += Duration::from_secs(2);
        }
        assert_eq!(self.state(node), Some(NodeState::Active));
    }

    fn misses(&mut self, node: &str) {
        let asked = self.notices().into_iter().find(|(to, ..)| to == node);
        let (_, notice, _) = asked.expect("a question that can be missed");
        self.members.missed(&uri(node), notice, false, self.now);
    }

    fn hears(&mut self, from: &str, source: &str, max_forwards: u8, list: &str) -> String {
        let from = uri(from);
        let heard = Heard {
            from: Some(&from),
            source: source.parse().unwrap(),
            agent: OURS,
            max_forwards,
            body: list.as_bytes(),
            wall_ms: 1,
        };
        String::from_utf8(self.members.heard(heard, self.now)).unwrap()
    }

    fn state(&self, node: &str) -> Option<NodeState> {
        self.members.get(&uri(node)).map(|member| member.state)
    }
}

const OTHER: &str = "sip:10.0.0.2:5060";
const BOTH: &str = "sip:10.0.0.2:5060;status=active\r\nsip:10.0.0.1:5060;status=active\r\n";
const ALONE: &str = "sip:10.0.0.2:5060;status=active\r\n";
const ME: &str = "sip:10.0.0.1:5060;status=active\r\n";

#[test]
fn a_kamailio_is_looked_at_before_it_is_joined() {
    let mut world = World::new(rules()).configured(OTHER);
    assert_eq!(world.notices(), [(OTHER.into(), Notice::Look, String::new())]);
    world.answers(OTHER, Notice::Look, KAMAILIO, ALONE);
    // It looks once more, so that many that start together do not all find the same room.
    world.now += SPREAD_MAX;
    assert_eq!(world.notices(), [(OTHER.into(), Notice::Look, String::new())]);
    world.answers(OTHER, Notice::Look, KAMAILIO, ALONE);
    assert_eq!(world.notices(), [(OTHER.into(), Notice::Join, ME.into())]);
    world.answers(OTHER, Notice::Join, KAMAILIO, BOTH);
    assert!(world.tick().contains(&Act::Lonely(uri(OTHER))));
    world.now += INTERVAL;
    assert_eq!(world.notices(), [(OTHER.into(), Notice::Ping, ME.into())]);
}

#[test]
fn one_of_ours_is_joined_at_once_and_one_that_was_found_is_only_pinged() {
    let mut world = World::new(rules()).configured(OTHER);
    assert_eq!(world.notices()[0].1, Notice::Look);
    let third = "sip:10.0.0.3:5060";
    world.answers(OTHER, Notice::Look, OURS, &format!("{ALONE}{third};status=active\r\n"));
    let mut notices = world.notices();
    notices.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(notices[0], (OTHER.into(), Notice::Join, ME.into()));
    assert_eq!(notices[1], (third.into(), Notice::Look, String::new()));
    world.answers(third, Notice::Look, OURS, "");
    let list = format!("{ME}{ALONE}");
    assert_eq!(world.notices(), [(third.into(), Notice::Ping, list)]);
}

#[test]
fn whoever_does_not_answer_looks_is_told_without() {
    let mut world = World::new(rules()).configured(OTHER);
    world.misses(OTHER);
    assert_eq!(world.notices(), [(OTHER.into(), Notice::Join, ME.into())]);
    world.members.missed(&uri(OTHER), Notice::Join, false, world.now);
    world.now += INTERVAL;
    assert_eq!(world.notices()[0].1, Notice::Look);
}

#[test]
fn a_full_kamailio_is_not_joined() {
    let line = |number| format!("sip:10.0.1.{number}:5060;status=active\r\n");
    let mut list: String = (100..126).map(line).collect();
    list += ALONE;
    let mut world = World::new(Rules { nodes_max: 1, ..rules() }).configured(OTHER);
    for _ in 0..5 {
        assert_eq!(world.notices(), [(OTHER.into(), Notice::Look, String::new())]);
        world.answers(OTHER, Notice::Look, KAMAILIO, &list);
        world.now += INTERVAL;
    }
    assert_eq!(world.state(OTHER), Some(NodeState::Active), "it answers");
    // When somebody has left there is room.
    let less: String = (100..120).map(line).chain([ALONE.into()]).collect();
    for _ in 0..2 {
        assert_eq!(world.notices()[0].1, Notice::Look);
        world.answers(OTHER, Notice::Look, KAMAILIO, &less);
        world.now += SPREAD_MAX;
    }
    assert_eq!(world.notices()[0].1, Notice::Join);
}

#[test]
fn a_kamailio_that_does_not_say_what_it_is_counts_as_one() {
    let line = |number| format!("sip:10.0.1.{number}:5060;status=active\r\n");
    let list: String = (100..126).map(line).chain([ALONE.into()]).collect();
    let mut world = World::new(Rules { nodes_max: 1, ..rules() }).configured(OTHER);
    for _ in 0..5 {
        assert_eq!(world.notices()[0].1, Notice::Look);
        world.answers(OTHER, Notice::Look, "", &list);
        world.now += INTERVAL;
    }
}

#[test]
fn what_fails_at_once_is_tried_again_after_the_time_of_an_answer() {
    let ping_timeout = Duration::from_secs(4);
    let mut world = World::new(Rules { ping_timeout, ..rules() }).configured(OTHER);
    world.up(OTHER, OURS, BOTH);
    world.now += INTERVAL;
    world.misses(OTHER);
    assert_eq!(world.state(OTHER), Some(NodeState::NotActive));
    world.now += ping_timeout - Duration::from_millis(1);
    assert!(world.notices().is_empty(), "the network is away for a moment");
    world.now += Duration::from_millis(1);
    assert_eq!(world.notices().len(), 1);
}

#[test]
fn missed_pings_count_as_the_thresholds_say() {
    use NodeState::{Active, Disabled, NotActive};
    let cases = [
        // fail_count_threshold_not_active, _disabled, notification_address?, states by misses
        (0, 1, false, vec![NotActive, Disabled, Disabled]),
        (0, 0, false, vec![Disabled]),
        (1, 3, false, vec![Active, NotActive, NotActive, Disabled]),
        (5, 1, false, vec![Active, Disabled]),
        (0, 1, true, vec![NotActive, NotActive, NotActive]),
        (0, 0, true, vec![NotActive, NotActive]),
    ];
    for (fails_active, fails_not_active, configured, states) in cases {
        let mut world = World::new(Rules { fails_active, fails_not_active, ..rules() });
        match configured {
            true => world = world.configured(OTHER),
            false => drop(world.hears(OTHER, "10.0.0.2", 1, BOTH)),
        }
        world.up(OTHER, OURS, BOTH);
        world.now += INTERVAL;
        let mut seen = Vec::new();
        for _ in &states {
            world.misses(OTHER);
            seen.push(world.state(OTHER).unwrap());
            let undecided = seen.len() as u32 <= fails_not_active;
            if !undecided {
                assert!(world.notices().is_empty(), "it is asked again after the interval only");
                world.now += INTERVAL;
            }
        }
        assert_eq!(seen, states, "{fails_active} {fails_not_active} {configured}");
    }
}

#[test]
fn the_dead_are_forgotten_unless_they_are_to_be_kept() {
    for (remove_inactive, configured) in [(true, false), (false, false), (true, true)] {
        let mut world = World::new(Rules { remove_inactive, ..rules() });
        match configured {
            true => world = world.configured(OTHER),
            false => drop(world.hears(OTHER, "10.0.0.2", 1, BOTH)),
        }
        world.up(OTHER, OURS, BOTH);
        for _ in 0..8 {
            world.now += INTERVAL;
            for (_, notice, _) in world.notices() {
                world.members.missed(&uri(OTHER), notice, false, world.now);
            }
        }
        let kept = !remove_inactive || configured;
        assert_eq!(world.state(OTHER).is_some(), kept, "{remove_inactive} {configured}");
    }
}

#[test]
fn what_cannot_be_sent_to_is_not_kept() {
    let mut world = World::new(Rules { nodes_max: 2, ..rules() });
    let list = "sip:10.0.0.2:5060;transport=tcp;status=active\r\n\
                sip:10.0.0.1;status=disabled\r\nsip:10.0.0.1:5060;status=active\r\n\
                sip:10.0.0.4:5060;status=active\r\nsip:10.0.0.5:5060;status=active\r\n\
                sip:10.0.0.6:5060;status=active\r\nnonsense\r\n";
    world.hears("sip:10.0.0.9:5060", "10.0.0.9", 1, list);
    let known: Vec<String> = world.members.all().map(|(node, _)| node.to_string()).collect();
    assert_eq!(known, ["sip:10.0.0.4:5060", "sip:10.0.0.5:5060"]);
    assert_eq!(world.members.bad_lines, 3, "a transport, one too many, and nonsense");
}

#[test]
fn a_name_is_asked_for_before_its_node_is() {
    let mut world = World::new(rules()).configured("sip:node.example:5060");
    assert_eq!(world.members.acts[0], Act::Resolve("node.example".into()));
    world.members.acts.clear();
    assert!(world.notices().is_empty());
    world.members.resolved("node.example", None, world.now);
    world.now += INTERVAL;
    assert!(world.tick().contains(&Act::Resolve("node.example".into())));
    world.members.resolved("node.example", Some("10.0.0.7".parse().unwrap()), world.now);
    assert!(world.members.is_from_node("10.0.0.7".parse().unwrap()));
    assert_eq!(world.notices()[0].1, Notice::Look);
}

#[test]
fn we_are_ourselves_by_address_as_well() {
    let mut rules = rules();
    rules.me = uri("sip:me.example:5060");
    let mut world = World::new(rules);
    let list = "sip:10.0.0.1:5060;status=active\r\nsip:me.example;status=active\r\n\
                sip:10.0.0.1:5070;status=active\r\n";
    world.hears(OTHER, "10.0.0.2", 1, list);
    let known: Vec<String> = world.members.all().map(|(node, _)| node.to_string()).collect();
    assert_eq!(known, ["sip:10.0.0.1:5070"], "another port is another node");
}

#[test]
fn a_removed_node_comes_back_only_by_itself() {
    let mut world = World::new(rules()).configured(OTHER);
    world.up(OTHER, OURS, BOTH);
    let third = "sip:10.0.0.3:5060";
    let lists = format!("{third};status=active\r\n");
    world.hears(OTHER, "10.0.0.2", 1, &lists);
    assert!(world.members.remove(&uri(third), world.now));
    assert!(!world.members.remove(&uri(third), world.now));
    world.hears(OTHER, "10.0.0.2", 1, &lists);
    assert_eq!(world.state(third), None, "what others say does not count");
    world.hears(third, "10.9.9.9", 1, &lists);
    assert_eq!(world.state(third), None, "nor what comes from somewhere else");
    world.hears(third, "10.0.0.3", 1, &lists);
    assert_eq!(world.state(third), Some(NodeState::Pending));
}

#[test]
fn only_a_node_itself_says_that_it_leaves() {
    let mut world = World::new(rules()).configured(OTHER);
    world.up(OTHER, OURS, BOTH);
    let gone = "sip:10.0.0.2:5060;status=disabled\r\n";
    world.hears("sip:10.0.0.3:5060", "10.0.0.3", 1, gone);
    assert_eq!(world.state(OTHER), Some(NodeState::Active));
    world.hears(OTHER, "10.0.0.3", 1, gone);
    assert_eq!(world.state(OTHER), Some(NodeState::Active));
    world.hears(OTHER, "10.0.0.2", 1, gone);
    assert_eq!(world.state(OTHER), Some(NodeState::Disabled));
}

/// Whether whoever gets it can use a list that we wrote: a Kamailio of any release, or one of ours.
fn check(world: &World, to: &str, body: &[u8]) -> Result<(), TestCaseError> {
    let native = world.members.get(&uri(to)).is_some_and(|member| member.native);
    let text = std::str::from_utf8(body).unwrap();
    prop_assert!(body.len() <= BYTES_MAX);
    prop_assert!(text.is_empty() || text.ends_with("\r\n"));
    for line in text.split_terminator("\r\n") {
        let (node, status) = line.split_once(";status=").expect("a status");
        prop_assert!(["active", "disabled"].contains(&status), "{line}");
        if native {
            prop_assert_eq!(&uri(node).to_string(), node);
            continue;
        }
        let node = node.strip_prefix("sip:").expect("a scheme");
        let (host, port) = node.split_once(':').expect("a port");
        prop_assert!(host.parse::<std::net::Ipv4Addr>().is_ok(), "{line}");
        prop_assert!(port.parse::<u16>().is_ok(), "{line}");
    }
    Ok(())
}

fn line() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        (0..60_u8).prop_map(|last| format!("10.0.0.{last}")),
        Just("name.example".to_owned()),
        Just("[::1]".to_owned()),
        Just("<x>".to_owned()),
    ];
    let tail = prop::sample::select(vec![
        ";status=active\r\n",
        ";status=disabled\r\n",
        ";status=not_active\r\n",
        ";status=activ",
        ";transport=tcp;status=active\r\n",
        "\r\n\r\n",
    ]);
    let port = prop::sample::select(vec!["", ":5060", ":5070", ":99999"]);
    (host, port, tail).prop_map(|(host, port, tail)| format!("sip:{host}{port}{tail}"))
}

proptest! {
    #[test]
    fn whatever_we_are_told_we_write_lists_that_hang_nobody(
        steps in prop::collection::vec(
            (0..60_u8, prop::collection::vec(line(), 0..40), any::<bool>(), any::<bool>()),
            1..60,
        )
    ) {
        let mut world = World::new(rules());
        for (last, lines, ours, answer) in steps {
            let from = format!("sip:10.0.0.{last}:5060");
            let list = lines.concat();
            let body = world.hears(&from, &format!("10.0.0.{last}"), 2, &list);
            check(&world, &from, body.as_bytes())?;
            let agent = if ours { OURS } else { KAMAILIO };
            for act in world.tick() {
                if let Act::Notify { to, notice, body } = act {
                    check(&world, &to.to_string(), &body)?;
                    if answer && notice != Notice::News {
                        world.answers(&to.to_string(), notice, agent, &list);
                    }
                }
            }
            prop_assert!(world.members.all().count() <= 50);
            world.now += Duration::from_secs(7);
        }
    }
}
