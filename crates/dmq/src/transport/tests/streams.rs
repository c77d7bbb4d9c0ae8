//! TCP: connections of both sides, used both ways, and what others may do to them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::super::connection::{IDLE_TIMEOUT, MESSAGE_TIMEOUT, WRITE_TIMEOUT};
use super::super::stream::{ACCEPTED_PER_HOST_MAX, QUEUE_BYTES_MAX};
use super::*;

/// A message with a body of so many bytes.
fn message(bytes: usize) -> Arc<[u8]> {
    let head = format!("KDMQ sip:p@h:1 SIP/2.0\r\nContent-Length: {bytes}\r\n\r\n");
    [head.as_bytes(), &vec![b'x'; bytes]].concat().into()
}

fn bodies(seen: &Seen) -> Vec<usize> {
    let length = |(_, packet): &(Source, Vec<u8>)| {
        packet.iter().rev().take_while(|byte| **byte == b'x').count()
    };
    seen.packets.iter().map(length).collect()
}

/// A node that listens for TCP, and where.
fn node() -> (Sockets, SocketAddr) {
    let sockets = Sockets::bind(&plan(Transport::Tcp)).unwrap();
    let address = sockets.addresses()[0].1;
    (sockets, address)
}

fn to(address: SocketAddr) -> Route {
    Route::Stream { transport: Transport::Tcp, address, name: "127.0.0.1".into() }
}

/// Reads this from a peer, while the node's connections work.
async fn expect(peer: &mut TcpStream, expected: &[u8]) {
    let mut buffer = vec![0; expected.len()];
    peer.read_exact(&mut buffer).await.unwrap();
    assert_eq!(buffer, expected);
}

/// Reads to the end, which may come hard.
async fn closed(mut peer: TcpStream) {
    let _ = peer.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn a_tcp_node_has_one_port_for_tcp_and_udp() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, tcp) = node();
            assert_eq!(sockets.addresses(), [(Transport::Tcp, tcp), (Transport::Udp, tcp)]);
            let peer = std::net::UdpSocket::bind(LOOPBACK).unwrap();
            peer.send_to(b"datagram", tcp).unwrap();
            assert_eq!(packets(&mut sockets, 1).await[0].1, b"datagram");

            let again = SocketPlan { addresses: vec![tcp], ..plan(Transport::Tcp) };
            let refused = Sockets::bind(&again).unwrap_err().to_string();
            let expected = format!("cannot listen on {tcp} by TCP: ");
            assert!(refused.starts_with(&expected), "{refused}");
        })
        .await;
}

#[tokio::test]
async fn replies_go_back_on_the_connection_of_their_request() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, address) = node();
            let mut peers = Vec::new();
            for bytes in [1, 2] {
                let mut peer = TcpStream::connect(address).await.unwrap();
                // In pieces, after a keep-alive, and with the start of the next in one piece.
                let stream = [b"\r\n\r\n", &message(bytes)[..], &message(100 + bytes)].concat();
                let (first, second) = stream.split_at(30);
                peer.write_all(first).await.unwrap();
                tokio::task::yield_now().await;
                peer.write_all(second).await.unwrap();
                peers.push(peer);
            }
            let mut seen = Seen::default();
            seen.until(&mut sockets, |seen| seen.packets.len() == 4).await;
            let mut sizes = bodies(&seen);
            sizes.sort_unstable();
            assert_eq!(sizes, [1, 2, 101, 102]);
            for (source, packet) in &seen.packets {
                assert_eq!((source.transport, source.verified), (Transport::Tcp, false));
                sockets.send(&Route::Flow(source.flow.unwrap()), &packet[..].into()).unwrap();
            }
            for (peer, bytes) in peers.iter_mut().zip([1, 2]) {
                expect(peer, &[&message(bytes)[..], &message(100 + bytes)].concat()).await;
                let local = peer.local_addr().unwrap();
                assert!(seen.packets.iter().any(|(source, _)| source.address == local));
            }
            assert_eq!(sockets.counts(), SocketCounts { connections: 2, unsent: 0 });
        })
        .await;
}

#[tokio::test]
async fn a_connection_that_we_make_is_used_again_and_both_ways() {
    LocalSet::new()
        .run_until(async {
            let ((mut a, _), (mut b, address)) = (node(), node());
            for bytes in [1, 2, 3] {
                a.send(&to(address), &message(bytes)).unwrap();
            }
            let mut at_b = Seen::default();
            at_b.until(&mut b, |seen| seen.packets.len() == 3).await;
            assert_eq!(bodies(&at_b), [1, 2, 3]);
            // A request of the other side on our connection, like Kamailio's.
            let flow = Route::Flow(at_b.packets[0].0.flow.unwrap());
            b.send(&flow, &message(9)).unwrap();
            let mut at_a = Seen::default();
            at_a.until(&mut a, |seen| seen.packets.len() == 1).await;
            assert_eq!((bodies(&at_a), at_a.packets[0].0.address), (vec![9], address));
            assert!(at_a.packets[0].0.flow.is_some());
            assert_eq!((a.counts().connections, b.counts().connections), (1, 1));
        })
        .await;
}

#[tokio::test]
async fn a_node_connects_from_the_address_where_it_listens() {
    LocalSet::new()
        .run_until(async {
            let here = SocketAddr::new(Ipv4Addr::new(127, 0, 7, 9).into(), 0);
            let here = SocketPlan { addresses: vec![here], ..plan(Transport::Tcp) };
            let (mut a, (mut b, address)) = (Sockets::bind(&here).unwrap(), node());
            a.send(&to(address), &message(1)).unwrap();
            let arrived = packets(&mut b, 1).await;
            assert_eq!(arrived[0].0.address.ip(), Ipv4Addr::new(127, 0, 7, 9));
        })
        .await;
}

#[tokio::test]
async fn a_refused_connection_fails_once_and_is_tried_again_for_the_next_packet() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, _) = node();
            let listener = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
            let address = listener.local_addr().unwrap();
            drop(listener);
            for _ in 0..2 {
                for _ in 0..5 {
                    sockets.send(&to(address), &message(1)).unwrap();
                }
                let mut seen = Seen::default();
                seen.until(&mut sockets, |seen| !seen.failed.is_empty()).await;
                let [(route, reason)] = &seen.failed[..] else { panic!("{:?}", seen.failed) };
                assert_eq!(*route, to(address));
                assert!(reason.starts_with("cannot connect: Connection refused"), "{reason}");
            }
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            sockets.send(&to(address), &message(1)).unwrap();
            let (mut peer, _) = listener.accept().await.unwrap();
            expect(&mut peer, &message(1)).await;
        })
        .await;
}

#[tokio::test]
async fn a_node_that_closes_is_reported_and_connected_to_again() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, _) = node();
            let listener = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
            let address = listener.local_addr().unwrap();
            for connections in 1..=3 {
                sockets.send(&to(address), &message(5)).unwrap();
                let (mut peer, _) = listener.accept().await.unwrap();
                expect(&mut peer, &message(5)).await;
                // Half of an answer.
                peer.write_all(&message(9)[..40]).await.unwrap();
                drop(peer);
                let mut seen = Seen::default();
                seen.until(&mut sockets, |seen| !seen.failed.is_empty()).await;
                let reason = "the other side has closed the connection".to_owned();
                assert_eq!(seen.failed, [(to(address), reason)]);
                assert_eq!((seen.packets.len(), sockets.counts().connections), (0, connections));
            }
        })
        .await;
}

#[tokio::test]
async fn who_sends_no_sip_is_closed_and_the_others_go_on() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, address) = node();
            let mut good = TcpStream::connect(address).await.unwrap();
            for garbage in [
                &b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"[..],
                b"\x16\x03\x01\x02\x00\r\n\r\n",
                b"KDMQ sip:p@h:1 SIP/2.0\r\nContent-Length: 30000\r\n\r\n",
                b"KDMQ sip:p@h:1 SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                b"KDMQ sip:p@h:1 SIP/2.0\r\nContent-Length: -1\r\n\r\n",
                &[b'a'; 20_000],
            ] {
                let mut bad = TcpStream::connect(address).await.unwrap();
                bad.write_all(garbage).await.unwrap();
                let seen = serving(&mut sockets, closed(bad)).await;
                assert!(seen.packets.is_empty() && seen.failed.is_empty(), "{:?}", seen.packets);
            }
            good.write_all(&message(1)).await.unwrap();
            let source = packets(&mut sockets, 1).await[0].0.clone();
            // And a packet for a connection that is gone is an error.
            drop(good);
            let flow = Route::Flow(source.flow.unwrap());
            let refused = loop {
                match sockets.send(&flow, &message(1)) {
                    Err(refused) => break refused,
                    Ok(()) => sockets.ready().await,
                }
                sockets.read(1, &mut |_, _| {}, &mut |_, _| {});
            };
            assert!(refused.starts_with("the connection "), "{refused}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_fills_a_bounded_queue_and_is_closed() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, _) = node();
            let listener = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
            let address = listener.local_addr().unwrap();
            sockets.send(&to(address), &message(1)).unwrap();
            let (_deaf, _) = listener.accept().await.unwrap();
            let began = Instant::now();
            let mut taken = 0;
            let refused = loop {
                match sockets.send(&to(address), &message(60_000)) {
                    Ok(()) => taken += 60_000,
                    Err(refused) => break refused,
                }
                // What the kernel takes is written meanwhile.
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            };
            assert_eq!(refused, format!("{address} does not read what waits for it"));
            assert!(taken < 16 * QUEUE_BYTES_MAX, "{taken} bytes");
            let mut seen = Seen::default();
            seen.until(&mut sockets, |seen| !seen.failed.is_empty()).await;
            assert_eq!(seen.failed[0].1, "the other side has read nothing for 30 s");
            assert!(began.elapsed() >= WRITE_TIMEOUT && began.elapsed() < 2 * WRITE_TIMEOUT);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_too_much_is_not_looked_at() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, address) = node();
            let mut peer = TcpStream::connect(address).await.unwrap();
            sockets.ready().await;
            let message = message(19_000);
            let mut written = 0;
            let flood = async {
                for _ in 0..10_000 {
                    peer.write_all(&message).await.unwrap();
                    written += message.len();
                }
            };
            let flood = tokio::time::timeout(Duration::from_millis(500), flood).await;
            assert!(flood.is_err(), "{written} bytes were taken");
            let whole = written / message.len();
            let mut seen = Seen::default();
            seen.until(&mut sockets, |seen| seen.packets.len() >= whole).await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_end_is_not_waited_for() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, address) = node();
            let mut slow = TcpStream::connect(address).await.unwrap();
            let began = Instant::now();
            // A byte a second, for ever.
            let mut second = tokio::time::interval(Duration::from_secs(1));
            let drip = async {
                loop {
                    for byte in &message(1_000)[..] {
                        if slow.write_all(&[*byte]).await.is_err() {
                            return;
                        }
                        second.tick().await;
                    }
                }
            };
            let seen = serving(&mut sockets, drip).await;
            assert!(seen.packets.is_empty());
            let took = began.elapsed();
            assert!(took >= MESSAGE_TIMEOUT && took < MESSAGE_TIMEOUT * 2, "{took:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_and_made_again_when_needed() {
    LocalSet::new()
        .run_until(async {
            let ((mut a, _), (mut b, address)) = (node(), node());
            for connections in 1..=2 {
                a.send(&to(address), &message(1)).unwrap();
                packets(&mut b, 1).await;
                let idle = TcpStream::connect(address).await.unwrap();
                let mut kept = TcpStream::connect(address).await.unwrap();
                let mut pause = tokio::time::interval(IDLE_TIMEOUT / 2);
                pause.tick().await;
                let keep_alive = async {
                    for _ in 0..4 {
                        pause.tick().await;
                        kept.write_all(b"\r\n\r\n").await.unwrap();
                    }
                };
                let (mut at_a, mut at_b) = (Seen::default(), Seen::default());
                tokio::select! {
                    () = async { tokio::join!(closed(idle), keep_alive); } => {}
                    () = at_a.until(&mut a, |_| false) => {}
                    () = at_b.until(&mut b, |_| false) => {}
                }
                // Nobody waits for an answer on it: nothing has failed.
                assert_eq!((at_a.failed, at_b.failed), (vec![], vec![]));
                assert_eq!(a.counts().connections, connections);
                kept.write_all(&message(7)).await.unwrap();
                packets(&mut b, 1).await;
            }
        })
        .await;
}

#[tokio::test]
async fn one_host_has_a_share_of_the_connections() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, address) = node();
            let mut peers = Vec::new();
            for _ in 0..ACCEPTED_PER_HOST_MAX {
                let mut peer = TcpStream::connect(address).await.unwrap();
                peer.write_all(&message(1)).await.unwrap();
                peers.push(peer);
            }
            packets(&mut sockets, ACCEPTED_PER_HOST_MAX).await;
            let refused = TcpStream::connect(address).await.unwrap();
            serving(&mut sockets, closed(refused)).await;
            // Another host, and our own connections, are not concerned.
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.77:0".parse().unwrap()).unwrap();
            let mut other = socket.connect(address).await.unwrap();
            other.write_all(&message(2)).await.unwrap();
            packets(&mut sockets, 1).await;
            sockets.send(&to(node().1), &message(1)).unwrap();
        })
        .await;
}

#[tokio::test]
async fn a_flood_on_a_connection_leaves_room_for_datagrams() {
    LocalSet::new()
        .run_until(async {
            let (mut sockets, address) = node();
            let mut peer = TcpStream::connect(address).await.unwrap();
            let stream: Vec<u8> = (0..1_000).flat_map(|_| message(10).to_vec()).collect();
            peer.write_all(&stream).await.unwrap();
            let datagrams = std::net::UdpSocket::bind(LOOPBACK).unwrap();
            for _ in 0..100 {
                datagrams.send_to(b"datagram", address).unwrap();
            }
            let mut seen = Seen::default();
            let is_datagram = |(source, _): &&(Source, Vec<u8>)| source.flow.is_none();
            seen.until(&mut sockets, |seen| seen.packets.iter().filter(is_datagram).count() == 100)
                .await;
            assert!(seen.packets.len() < 1_100, "the datagrams did not wait for all of the stream");
            seen.until(&mut sockets, |seen| seen.packets.len() == 1_100).await;
        })
        .await;
}
