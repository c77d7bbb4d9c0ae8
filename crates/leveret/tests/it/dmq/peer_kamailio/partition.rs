//! A bus that is cut in two and becomes whole again.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;

use super::super::kamailio::{ANSWER, Kamailio, PING};
use super::super::netns::Namespace;
use super::super::node::uri;
use super::super::packet::Over;
use super::super::process::{Dmq, within};
use crate::server::DEADLINE;

/// Left: ours and a Kamailio. Right: ours and a Kamailio.
#[test]
fn two_halves_go_on_alone_and_find_each_other_again() {
    let (pair, switch) = Namespace::pair(["10.77.0.1/24", "10.77.0.2/24"]);
    for (namespace, last) in pair.iter().zip([11, 12]) {
        namespace.address(&format!("10.77.0.{last}/24"));
    }
    let [left, right] = &pair;
    let ips = [1, 2, 11, 12].map(|last| Ipv4Addr::new(10, 77, 0, last));
    let kamailio = |namespace: &Namespace, own: usize, other: usize| {
        let other = uri(ips[other], Over::Udp);
        let mut it = Kamailio::at(ips[own], Over::Udp, Some(&other)).under(namespace.enter());
        it.launch();
        it
    };
    let (a, b) = (kamailio(left, 0, 1), kamailio(right, 1, 0));
    a.expect_state(&b.uri(), "active");
    b.expect_state(&a.uri(), "active");
    let ours = |namespace: &Namespace, own: usize, beside: &Kamailio| {
        Dmq::at(ips[own], &[beside]).under(namespace.enter()).start()
    };
    let (near, far) = (ours(left, 2, &a), ours(right, 3, &b));
    left.inside(|| near.expect_active(&[&a, &b, &far]));
    right.inside(|| far.expect_active(&[&a, &b, &near]));
    for kamailio in [&a, &b] {
        kamailio.expect_state(&near.uri(), "active");
        kamailio.expect_state(&far.uri(), "active");
    }

    switch.connect(false);
    left.inside(|| {
        near.expect_state(&b, "disabled");
        near.expect_state(&far, "disabled");
        near.expect_active(&[&a]);
    });
    right.inside(|| {
        far.expect_state(&near, "disabled");
        far.expect_active(&[&b]);
    });
    // Each half works.
    let put = |node: &Dmq, key: &str| {
        node.api("PUT", &format!("/api/dmq/htable/shared/{key}"), &json!({ "value": key }));
    };
    left.inside(|| put(&near, "left"));
    right.inside(|| put(&far, "right"));
    a.expect_cell("left", Some("left"));
    b.expect_cell("right", Some("right"));
    for (kamailio, other) in [(&a, &far), (&b, &near)] {
        let gone = || kamailio.nodes().get(&other.uri()).is_none_or(|state| state != "active");
        within(PING + ANSWER + Duration::from_secs(3), "the other half is gone", gone);
    }

    switch.connect(true);
    left.inside(|| near.expect_active(&[&a, &b, &far]));
    right.inside(|| far.expect_active(&[&a, &b, &near]));
    for kamailio in [&a, &b] {
        kamailio.expect_state_within(2 * DEADLINE, &near.uri(), "active");
        kamailio.expect_state_within(2 * DEADLINE, &far.uri(), "active");
    }
    // What is said now reaches all.
    left.inside(|| put(&near, "whole"));
    b.expect_cell("whole", Some("whole"));
    right.inside(|| {
        let is_there = || far.http("GET", "/api/dmq/htable/shared/whole", "").0 == 200;
        within(DEADLINE, "the cell", is_there);
    });
}
