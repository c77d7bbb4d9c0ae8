//! Addresses read as documented, and refusals say what to do.

use super::*;

fn host_port(text: &str) -> HostPort {
    HostPort::parse(text).unwrap()
}

#[test]
fn addresses_read_and_print_alike() {
    for text in ["127.0.0.1:5672", "[::1]:5672", "localhost:0", "*:5672", "broker.example:65535"] {
        assert_eq!(host_port(text).to_string(), text);
    }
    for text in
        ["", "5672", ":5672", "::1:5672", "[::1]", "[x]:1", "a:70000", "a b:1", "http://a:1"]
    {
        let refusal = HostPort::parse(text).unwrap_err();
        assert!(refusal.contains("HOST:PORT") && refusal.contains(text), "{text}: {refusal}");
    }
}

#[test]
fn localhost_is_both_loopbacks() {
    let addresses = host_port("localhost:7").addresses().unwrap();
    assert_eq!(addresses, ["127.0.0.1:7".parse().unwrap(), "[::1]:7".parse().unwrap()]);
}

#[test]
fn second_listener_on_one_port_is_told_why() {
    let first = bind("amqp", &[host_port("127.0.0.1:0")]).unwrap();
    let address = first[0].local_addr().unwrap();
    let refusal = bind("amqp", &[host_port(&address.to_string())]).unwrap_err().to_string();
    assert_eq!(
        refusal,
        format!(
            "cannot listen on {address} for amqp: address already in use: \
             is another broker running?"
        )
    );
}

#[test]
fn an_address_of_another_machine_is_refused() {
    // 192.0.2.0/24 is kept for documentation; no machine has it.
    let refusal = bind("amqp", &[host_port("192.0.2.1:0")]).unwrap_err();
    assert!(matches!(refusal, ListenError::Refused { .. }), "{refusal}");
}

#[test]
fn a_missing_ipv6_address_is_only_a_warning_beside_another() {
    // 2001:db8::/32 is kept for documentation; no machine has it.
    let both = [host_port("127.0.0.1:0"), host_port("[2001:db8::1]:0")];
    assert_eq!(bind("amqp", &both).unwrap().len(), 1);
    assert!(bind("amqp", &both[1..]).is_err());
}
