//! A table of addresses for every rule.

use super::*;

#[track_caller]
fn check(deny: &str, allow_private: bool, allowed: &str, forbidden: &str) {
    let deny: Vec<String> = deny.split_whitespace().map(str::to_owned).collect();
    let rules = Rules::new(&deny, allow_private).unwrap();
    for address in allowed.split_whitespace() {
        assert_eq!(rules.check(address.parse().unwrap()), Ok(()), "{address}");
    }
    for address in forbidden.split_whitespace() {
        assert!(rules.check(address.parse().unwrap()).is_err(), "{address} is allowed");
    }
}

#[test]
fn nobody_is_never_reached() {
    let nobody = "0.0.0.0 0.1.2.3 224.0.0.1 255.255.255.255 :: ff02::1 ::ffff:0.0.0.0";
    check("", true, "127.0.0.1 10.0.0.1 169.254.169.254 ::1 fe80::1 8.8.8.8", nobody);
}

#[test]
fn words_deny_kinds_of_addresses() {
    check(
        "link-local",
        true,
        "169.253.0.1 fec0::1 127.0.0.1",
        "169.254.0.1 169.254.169.254 fe80::1 febf::1",
    );
    check(
        "loopback",
        true,
        "128.0.0.1 2001:db8::1",
        "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1",
    );
    check(
        "metadata",
        true,
        "169.254.0.1 100.100.100.201 fd00:ec2::1",
        "169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 fd00:ec2::254 fd20:ce::254",
    );
    check(
        "private",
        true,
        "127.0.0.1 172.15.0.1 172.32.0.1 192.169.0.1 100.63.0.1 100.128.0.1 2001:db8::1 fe80::1",
        "10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 100.127.255.255 fc00::1 \
         fdff::1 fec0::1",
    );
}

#[test]
fn networks_and_single_addresses_are_denied() {
    check(
        "203.0.113.0/24 2001:db8::/32 198.51.100.7",
        true,
        "203.0.114.1 2001:db9::1 198.51.100.8",
        "203.0.113.1 203.0.113.255 2001:db8::1 198.51.100.7 ::ffff:203.0.113.9",
    );
    check("10.1.2.3/8", true, "11.0.0.1", "10.255.0.1");
}

#[test]
fn without_private_addresses_only_public_ones_are_reached() {
    check(
        "",
        false,
        "8.8.8.8 2606:4700::1111 168.63.129.16",
        "10.0.0.1 127.0.0.1 169.254.0.1 100.64.0.1 ::1 fe80::1 fd00::1",
    );
}

#[test]
fn addresses_within_addresses_are_found() {
    check(
        "metadata loopback",
        true,
        "::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808:: 2001:0:1:2:3:4:f7f7:f7f7 64:ff9c::7f00:1",
        "::ffff:169.254.169.254 ::169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b:1::7f00:1 \
         2002:7f00:1:: 2002:a9fe:a9fe::1 2001:0:1:2:3:4:80ff:fffe",
    );
}

#[test]
fn a_refusal_names_the_address_and_the_rule() {
    let rules = Rules::new(&["10.0.0.0/8".into(), "metadata".into()], false).unwrap();
    let text = |address: &str| rules.check(address.parse().unwrap()).unwrap_err().to_string();
    assert_eq!(text("10.0.0.1"), "the network rules forbid 10.0.0.1: 10.0.0.0/8 is denied");
    assert_eq!(
        text("::ffff:169.254.169.254"),
        "the network rules forbid 169.254.169.254: metadata addresses are denied"
    );
    assert_eq!(
        text("192.168.0.1"),
        "the network rules forbid 192.168.0.1: private addresses need net.allow_private = true"
    );
}

#[test]
fn an_unknown_word_is_an_error() {
    let wrong = Rules::new(&["linklocal".into()], true).unwrap_err().to_string();
    assert!(wrong.contains("\"linklocal\""), "{wrong}");
}
