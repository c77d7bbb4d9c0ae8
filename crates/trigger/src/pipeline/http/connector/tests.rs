//! Names with several addresses.

use super::*;

const MIXED: [&str; 3] = ["10.0.0.1:80", "203.0.113.1:80", "[2001:db8::1]:80"];

fn way(deny: &[&str], pin_dns: bool) -> Way {
    let deny: Vec<String> = deny.iter().map(|word| (*word).to_owned()).collect();
    let rules = Rules::new(&deny, true).unwrap();
    Way { rules, pin_dns, timeout: Duration::from_secs(20), tls: None }
}

fn allowed(deny: &[&str], pin_dns: bool) -> Result<Vec<String>, String> {
    let found = MIXED.iter().map(|address| address.parse().unwrap());
    let allowed = way(deny, pin_dns).allowed("name", found).map_err(|error| error.to_string())?;
    Ok(allowed.iter().map(SocketAddr::to_string).collect())
}

#[test]
fn connections_go_only_to_the_addresses_that_are_allowed() {
    assert_eq!(allowed(&[], true).unwrap(), MIXED);
    assert_eq!(allowed(&["private"], true).unwrap(), MIXED[1..]);
    let all = ["10.0.0.0/8", "203.0.113.0/24", "2001:db8::/32"];
    let refusal = "name: the network rules forbid 10.0.0.1: 10.0.0.0/8 is denied";
    assert_eq!(allowed(&all, true).unwrap_err(), refusal);
}

#[test]
fn where_addresses_are_not_pinned_all_have_to_be_allowed() {
    assert_eq!(allowed(&[], false).unwrap(), MIXED);
    allowed(&["private"], false).unwrap_err();
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let live = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = live.local_addr().unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = gone.local_addr().unwrap();
    drop(gone);
    let tcp = first_of(&[closed, open], Duration::from_secs(20)).await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), open);
    let refused = first_of(&[closed], Duration::from_secs(20)).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}
