//! A bus with real Kamailio nodes.

use super::address;
use super::kamailio::Kamailio;
use super::node::Node;
use super::packet::Over;

/// What the other tests take for granted.
#[test]
fn kamailios_find_each_other_and_share_a_table() {
    for over in [Over::Udp, Over::Tcp] {
        let [a, mut b] = Kamailio::pair(over);
        a.set("key", "a value");
        b.expect_cell("key", Some("a value"));
        let by = Node::at(address::take(), Over::Udp).unaudited();
        assert!(a.broadcast(&by, "chat", "hello"));
        b.expect_taken(&a.uri(), "text/plain", "hello");
        assert!(b.send(&by, "chat", &a.uri(), "you"));
        a.expect_taken(&b.uri(), "text/plain", "you");
        b.kill9();
        a.expect_state(&b.uri(), "pending");
    }
}
