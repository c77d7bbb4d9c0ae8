//! Real Kamailio nodes on one side of the bridge, consumers on the other.

use super::world::{EVENTS, World, header};
use crate::dmq::address;
use crate::dmq::kamailio::Kamailio;
use crate::dmq::node::Node;
use crate::dmq::packet::Over;
use crate::site::BrokerKind;

#[test]
fn events_of_kamailio_reach_a_consumer_who_answers() {
    let pair = Kamailio::pair(Over::Udp);
    let world = World::at(BrokerKind::Leveret);
    let known = [world.kamailio.uri(), pair[0].uri()];
    let world = World { kamailio: world.kamailio.unaudited(), ..world };
    let world = world.set("notification_address", format!("{known:?}")).start();
    world.ours.expect_active(&[&pair[0], &pair[1]]);
    for kamailio in &pair {
        kamailio.expect_state(&world.ours.uri(), "active");
    }
    let phone = Node::at(address::take(), Over::Udp).unaudited();

    assert!(pair[0].broadcast(&phone, EVENTS, "a call began"));
    let event = world.published();
    assert_eq!(event.text(), "a call began");
    assert_eq!(event.key, format!("{EVENTS}.{}:5060", pair[0].ip()));
    assert_eq!(header(&event, "dmq-node"), pair[0].uri());
    assert_eq!(event.properties.content_type.as_deref(), Some(&b"text/plain"[..]));

    let typed = |body: &str| {
        let mut message = world.outbound("chat", body);
        message.properties.content_type = Some(b"text/x-order".to_vec());
        message
    };
    world.publish(&typed("you").header("dmq-node", &*header(&event, "dmq-node")));
    pair[0].expect_taken(&world.ours.uri(), "text/x-order", "you");
    let answers = world.answers();
    world.publish(&typed("all of you").reply_to(&answers));
    for kamailio in &pair {
        kamailio.expect_taken(&world.ours.uri(), "text/x-order", "all of you");
    }
    let answer: serde_json::Value = serde_json::from_slice(&world.take(&answers).body).unwrap();
    assert_eq!(answer["taken"], 3, "{answer}");
    assert!(!pair[1].log().contains("[you]"));
    world.expect_all_settled();
}
