//! UDP: as it comes, whole or not at all.

use std::net::{Ipv6Addr, UdpSocket};

use tokio::task::LocalSet;

use super::*;

#[tokio::test]
async fn datagrams_go_both_ways_from_the_port_that_listens() {
    LocalSet::new()
        .run_until(async {
            let mut sockets = Sockets::bind(&plan(Transport::Udp)).unwrap();
            let [(Transport::Udp, ours)] = sockets.addresses()[..] else { panic!("one address") };
            let peer = UdpSocket::bind(LOOPBACK).unwrap();
            let theirs = peer.local_addr().unwrap();
            // Before the runtime has seen the socket for the first time.
            sockets.send(&Route::Udp(theirs), &Arc::from(&b"first"[..])).unwrap();
            let mut buffer = [0; 100];
            let (length, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&b"first"[..], ours));

            peer.send_to(b"hello", ours).unwrap();
            peer.send_to(b"", ours).unwrap();
            let arrived = packets(&mut sockets, 2).await;
            let source =
                Source { transport: Transport::Udp, address: theirs, flow: None, verified: false };
            assert_eq!(arrived, [(source.clone(), b"hello".to_vec()), (source, Vec::new())]);
        })
        .await;
}

#[tokio::test]
async fn the_largest_datagram_arrives_whole_and_a_larger_one_is_refused() {
    LocalSet::new()
        .run_until(async {
            let mut a = Sockets::bind(&plan(Transport::Udp)).unwrap();
            let mut b = Sockets::bind(&plan(Transport::Udp)).unwrap();
            let to = Route::Udp(b.addresses()[0].1);
            let largest: Arc<[u8]> = (0..65_507u32).map(|i| i as u8).collect();
            a.send(&to, &largest).unwrap();
            assert_eq!(packets(&mut b, 1).await[0].1, &largest[..]);
            let reason = a.send(&to, &vec![0; 65_508].into()).unwrap_err();
            assert!(reason.contains("cannot send 65508 bytes to 127.0.0.1:"), "{reason}");
            assert_eq!(a.counts().unsent, 1);
        })
        .await;
}

#[tokio::test]
async fn a_read_takes_no_more_than_it_may_and_a_flood_ends_with_what_the_kernel_kept() {
    LocalSet::new()
        .run_until(async {
            let mut sockets = Sockets::bind(&plan(Transport::Udp)).unwrap();
            let ours = sockets.addresses()[0].1;
            let peer = UdpSocket::bind(LOOPBACK).unwrap();
            for number in 0..6_000u32 {
                peer.send_to(&[number.to_be_bytes(); 256].concat(), ours).unwrap();
            }
            sockets.ready().await;
            let (mut reads, mut all) = (0, Vec::new());
            loop {
                let before = all.len();
                sockets.read(
                    64,
                    &mut |_, packet| all.push(u32::from_be_bytes(packet[..4].try_into().unwrap())),
                    &mut |route, reason| panic!("{route:?} failed: {reason}"),
                );
                assert!(all.len() - before <= 64);
                if all.len() == before {
                    break;
                }
                reads += 1;
            }
            assert!(all.is_sorted() && all[0] == 0, "in order, from the first on");
            assert!(all.len() < 6_000 && reads >= all.len() / 64, "{} in {reads} reads", all.len());
            // And it works on.
            peer.send_to(b"after", ours).unwrap();
            assert_eq!(packets(&mut sockets, 1).await[0].1, b"after");
        })
        .await;
}

#[tokio::test]
async fn nobody_listening_is_no_error_and_ends_nothing() {
    LocalSet::new()
        .run_until(async {
            let mut sockets = Sockets::bind(&plan(Transport::Udp)).unwrap();
            let ours = sockets.addresses()[0].1;
            let peer = UdpSocket::bind(LOOPBACK).unwrap();
            let gone = UdpSocket::bind(LOOPBACK).unwrap().local_addr().unwrap();
            for _ in 0..10 {
                sockets.send(&Route::Udp(gone), &Arc::from(&b"x"[..])).unwrap();
            }
            peer.send_to(b"hello", ours).unwrap();
            assert_eq!(packets(&mut sockets, 1).await[0].1, b"hello");
        })
        .await;
}

#[tokio::test]
async fn ipv4_and_ipv6_side_by_side() {
    LocalSet::new()
        .run_until(async {
            let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0);
            let only_v4 = Sockets::bind(&plan(Transport::Udp));
            let reason = only_v4.unwrap().send(&Route::Udp(v6), &Arc::from(&b"x"[..])).unwrap_err();
            assert_eq!(reason, "[::1]:0 cannot be reached from here by UDP");

            let Ok(peer) = UdpSocket::bind(v6) else { return }; // A machine without IPv6.
            let both = SocketPlan { addresses: vec![LOOPBACK, v6], ..plan(Transport::Udp) };
            let mut sockets = Sockets::bind(&both).unwrap();
            let ours = sockets.addresses()[1].1;
            sockets.send(&Route::Udp(peer.local_addr().unwrap()), &Arc::from(&b"six"[..])).unwrap();
            let mut buffer = [0; 100];
            let (length, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&b"six"[..], ours));
            peer.send_to(b"back", ours).unwrap();
            assert_eq!(packets(&mut sockets, 1).await[0].1, b"back");
        })
        .await;
}

#[tokio::test]
async fn an_address_in_use_is_named_with_what_to_do() {
    LocalSet::new()
        .run_until(async {
            let sockets = Sockets::bind(&plan(Transport::Udp)).unwrap();
            let address = sockets.addresses()[0].1;
            let again = SocketPlan { addresses: vec![address], ..plan(Transport::Udp) };
            let refused = Sockets::bind(&again).unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("cannot listen on {address} by UDP: ")),
                "{refused}"
            );
            assert!(refused.ends_with("does Kamailio or another node run there?"), "{refused}");
        })
        .await;
}
