//! Between the store and the server: loses answers, and the server altogether.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What happens to traffic.
#[derive(Default)]
struct Rules {
    /// So many answers to the command below are lost, with their connection.
    lose: AtomicUsize,
    /// Answers that were lost.
    lost: AtomicUsize,
    /// Connections are refused.
    away: AtomicBool,
}

/// A proxy; its threads end with the connections.
pub(super) struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    rules: Arc<Rules>,
}

impl Proxy {
    /// Starts one that loses answers to messages with `command` in their first bytes, when told.
    pub(super) fn start(server: String, command: &'static [u8]) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy =
            Proxy { address: listener.local_addr().unwrap(), rules: Arc::new(Rules::default()) };
        let rules = proxy.rules.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if rules.away.load(Ordering::SeqCst) {
                    continue;
                }
                let server = TcpStream::connect(&server).unwrap();
                let rules = rules.clone();
                std::thread::spawn(move || {
                    // An error is the end of the connection, as it is for what it connects.
                    let _ = serve(&client, &server, command, &rules);
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        proxy
    }

    /// Loses the next answers.
    pub(super) fn lose(&self, answers: usize) {
        self.rules.lose.store(answers, Ordering::SeqCst);
    }

    /// How many were lost so far.
    pub(super) fn lost(&self) -> usize {
        self.rules.lost.load(Ordering::SeqCst)
    }

    /// Refuses connections, those that are there at their next message.
    pub(super) fn set_away(&self, away: bool) {
        self.rules.away.store(away, Ordering::SeqCst);
    }
}

/// Question by question: what one side sends, then what the other answers.
fn serve(
    mut client: &TcpStream,
    mut server: &TcpStream,
    command: &[u8],
    rules: &Rules,
) -> std::io::Result<()> {
    loop {
        let question = message(client)?;
        if rules.away.load(Ordering::SeqCst) {
            return Ok(());
        }
        let head = &question[..question.len().min(64)];
        let meant = head.windows(command.len()).any(|window| window == command);
        server.write_all(&question)?;
        // The server has done it by the time it answers.
        let answer = message(server)?;
        let one_less = |left: usize| left.checked_sub(1);
        if meant && rules.lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            rules.lost.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        client.write_all(&answer)?;
    }
}

/// A message of MongoDB's protocol: its length, little-endian, itself included, comes first.
fn message(mut from: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 4];
    from.read_exact(&mut message)?;
    let length = u32::from_le_bytes([message[0], message[1], message[2], message[3]]);
    message.resize(length as usize, 0);
    from.read_exact(&mut message[4..])?;
    Ok(message)
}
