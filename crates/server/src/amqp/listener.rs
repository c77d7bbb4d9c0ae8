//! Accepts AMQP connections, plain and TLS.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use amqp::value::Table;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

use super::facts::Facts;
use super::socket::{Socket, serve};
use crate::shard::Shard;

/// How long to wait when the system has no more files or memory for sockets: 100 ms.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// TLS of a listener, and how the client's certificate names its user.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) login_from: service::tls::LoginFrom,
}

/// So many connections beyond `max_connections` get as far as `connection.open`, and hear why it is refused.
const TOLD: usize = 64;

/// Accepts until it is dropped.
pub(crate) async fn accept(shard: Rc<RefCell<Shard>>, listener: TcpListener, tls: Option<Tls>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(
                    "cannot accept a connection: {error}; is the limit on open files too low?"
                );
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        let (max, open) = {
            let shard = shard.borrow();
            (shard.settings.max_connections, shard.connections.table.len())
        };
        if open >= max.saturating_add(TOLD) {
            tracing::warn!("closed the socket of {peer}: max_connections ({max}) are open");
            continue;
        }
        // Small frames must not wait for the peer's acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        match tls.clone() {
            None => start(&shard, Socket::Plain(stream), peer, None, None),
            Some(tls) => {
                spawn_local(handshake(Rc::clone(&shard), stream, peer, tls));
            }
        }
    }
}

async fn handshake(shard: Rc<RefCell<Shard>>, stream: TcpStream, peer: SocketAddr, tls: Tls) {
    let limit = Duration::from_millis(shard.borrow().settings.handshake_ms);
    let local = stream.local_addr().ok();
    match tokio::time::timeout(limit, tls.acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let certificate = certificates.and_then(|chain| chain.first());
            let name = certificate
                .and_then(|certificate| service::tls::client_name(certificate, tls.login_from));
            start(&shard, Socket::Tls(Box::new(stream)), peer, local, name);
        }
        Ok(Err(error)) => tracing::warn!("TLS handshake with {peer} failed: {error}"),
        Err(_) => tracing::warn!("TLS handshake with {peer} did not end in {limit:?}"),
    }
}

fn start(
    shard: &Rc<RefCell<Shard>>,
    socket: Socket,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    certificate_name: Option<String>,
) {
    let local = match &socket {
        Socket::Plain(stream) => stream.local_addr().ok(),
        Socket::Tls(_) => local,
    };
    let own = local.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
    let mut state = shard.borrow_mut();
    if state.draining {
        return;
    }
    state.read_clock();
    let facts = Facts {
        name: format!("{peer} -> {own}").into(),
        peer,
        own,
        tls: socket.tls(),
        connected_at: state.now,
        client_properties: Table::new(),
        mechanism: "".into(),
    };
    let limit = state.settings.handshake_ms;
    let conn = state.connections.insert(facts, certificate_name, limit);
    state.connections.counters.connections_opened += 1;
    drop(state);
    spawn_local(serve(Rc::clone(shard), socket, conn));
}
