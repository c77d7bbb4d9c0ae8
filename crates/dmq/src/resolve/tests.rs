//! Names, asked of a name server of the tests' own.

use std::net::Ipv4Addr;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA};
use hickory_resolver::proto::rr::{Name, Record, RecordType};
use tokio::net::UdpSocket;

use super::*;

/// What the scripted server knows.
type Zone = &'static [(&'static str, RecordType, &'static str)];

/// The bus of most tests. A service is `priority weight port target`.
const ZONE: Zone = &[
    ("one.test.", RecordType::A, "10.0.0.1"),
    ("both.test.", RecordType::AAAA, "fd00::2"),
    ("both.test.", RecordType::A, "10.0.0.2"),
    ("six.test.", RecordType::AAAA, "fd00::3"),
    ("bus.test.", RecordType::SRV, "20 5 5070 both.test."),
    ("bus.test.", RecordType::SRV, "10 1 5080 one.test."),
    ("bus.test.", RecordType::SRV, "10 9 5060 six.test."),
    ("bus.test.", RecordType::SRV, "30 1 5060 nobody.test."),
    ("bus.test.", RecordType::SRV, "31 1 5060 ."),
    ("bus.test.", RecordType::A, "10.0.0.9"),
    ("bus.test.", RecordType::A, "10.0.0.1"),
    ("lost.test.", RecordType::SRV, "1 1 5060 nobody.test."),
];

/// A resolver that asks a server which answers from the zone, with NXDOMAIN for a name that it does
/// not have; `None` for no answers at all.
async fn resolver(zone: Option<Zone>) -> Resolver {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2000];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let Some(zone) = zone else { continue };
            let answer = answer(zone, Message::from_vec(&buffer[..length]).unwrap());
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    Resolver::new(&[address]).unwrap()
}

fn answer(zone: Zone, question: Message) -> Message {
    let query = question.queries[0].clone();
    let mut answer = question.into_response();
    let name = query.name().to_ascii().to_ascii_lowercase();
    if name == "many.test." && query.query_type() == RecordType::A {
        answer.add_answers((1..=31).map(|last| {
            let address = Ipv4Addr::new(10, 0, 0, last);
            Record::from_rdata(query.name().clone(), 60, RData::A(A(address)))
        }));
        return answer;
    }
    if !zone.iter().any(|(owner, ..)| *owner == name) {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    for (_, kind, value) in
        zone.iter().filter(|(owner, kind, _)| *owner == name && *kind == query.query_type())
    {
        let data = match kind {
            RecordType::A => RData::A(A(value.parse().unwrap())),
            RecordType::AAAA => RData::AAAA(AAAA(value.parse().unwrap())),
            _ => {
                let parts: Vec<&str> = value.split(' ').collect();
                let number = |i: usize| parts[i].parse::<u16>().unwrap();
                let target = Name::from_ascii(parts[3]).unwrap();
                RData::SRV(SRV::new(number(0), number(1), number(2), target))
            }
        };
        answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
    }
    answer
}

async fn resolved(host: &str) -> String {
    match resolver(Some(ZONE)).await.resolve(host).await {
        Ok(found) => found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    }
}

async fn notified(uri: &str) -> String {
    match resolver(Some(ZONE)).await.notify(uri, true).await {
        Ok(found) => found.iter().map(NodeUri::to_string).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn hosts_resolve_to_all_their_addresses_ipv4_first() {
    for (host, expected) in [
        ("10.1.2.3", "10.1.2.3"),
        ("fd00::9", "fd00::9"),
        ("one.test", "10.0.0.1"),
        ("ONE.test", "10.0.0.1"),
        ("six.test", "fd00::3"),
        ("both.test", "10.0.0.2 fd00::2"),
        ("localhost", "127.0.0.1 ::1"),
        ("nobody.test", "nobody.test has no address in DNS or /etc/hosts"),
        ("lost.test", "lost.test has no address in DNS or /etc/hosts"),
    ] {
        assert_eq!(resolved(host).await, expected, "{host}");
    }
}

#[tokio::test]
async fn a_notification_address_means_every_node_behind_its_name() {
    for (uri, expected) in [
        // Services by priority and weight, each with its port, then the name's own addresses.
        (
            "sip:bus.test",
            "sip:[fd00::3]:5060 sip:10.0.0.1:5080 sip:10.0.0.2:5070 sip:[fd00::2]:5070 \
             sip:10.0.0.9:5060 sip:10.0.0.1:5060",
        ),
        // Only services on the port that is named.
        ("sip:bus.test:5080", "sip:10.0.0.1:5080 sip:10.0.0.9:5080"),
        ("sip:dmq@bus.test:5090", "sip:10.0.0.9:5090 sip:10.0.0.1:5090"),
        (
            "sip:bus.test:5080;transport=tcp",
            "sip:10.0.0.1:5080;transport=tcp sip:10.0.0.9:5080;transport=tcp",
        ),
        ("sip:both.test;transport=tls", {
            "sip:10.0.0.2:5061;transport=tls sip:[fd00::2]:5061;transport=tls"
        }),
        ("sip:10.1.2.3:5070", "sip:10.1.2.3:5070"),
        ("sip:[fd00::9]", "sip:[fd00::9]:5060"),
        ("sip:nobody.test", "nobody.test has no address in DNS or /etc/hosts"),
        ("sip:lost.test", "lost.test has no address in DNS or /etc/hosts"),
        ("bus.test", "\"bus.test\" is no URI of a node: it does not start with sip:"),
    ] {
        assert_eq!(notified(uri).await, expected, "{uri}");
    }
}

#[tokio::test]
async fn without_multi_notify_the_address_stays_as_it_is() {
    let found = resolver(Some(ZONE)).await.notify("sip:bus.test:5080", false).await.unwrap();
    assert_eq!(found, ["sip:bus.test:5080".parse().unwrap()]);
}

#[tokio::test]
async fn of_31_addresses_30_are_notified() {
    let found = resolver(Some(ZONE)).await.notify("sip:many.test", true).await.unwrap();
    assert_eq!(found.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn servers_that_do_not_answer_are_named_as_the_reason() {
    let resolver = resolver(None).await;
    let silent = "no name server has answered for bus.test: see /etc/resolv.conf";
    assert_eq!(resolver.resolve("bus.test").await.unwrap_err().to_string(), silent);
    let notified = resolver.notify("sip:bus.test", true).await;
    assert_eq!(notified.unwrap_err().to_string(), silent);
}
