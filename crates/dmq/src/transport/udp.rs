//! A UDP socket: as many datagrams as there are, without a wait or a copy.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use socket2::{SockRef, Type};
use tokio::net::UdpSocket;

use super::{Source, open};
use crate::address::Transport;

/// No datagram is larger.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// What the kernel is asked to keep for us, each way: a table's full sync from 100 nodes at once.
/// It may keep less (`net.core.rmem_max`).
const KERNEL_BYTES: usize = 4 * 1024 * 1024;

/// A socket that is bound and does not block.
#[derive(Debug)]
pub(super) struct Datagrams {
    /// Its own address, with the real port.
    pub(super) address: SocketAddr,
    socket: UdpSocket,
}

impl Datagrams {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Datagrams> {
        let socket = open(Type::DGRAM, address)?;
        socket.set_send_buffer_size(KERNEL_BYTES)?;
        socket.set_recv_buffer_size(KERNEL_BYTES)?;
        let kept = socket.recv_buffer_size()?;
        if kept < KERNEL_BYTES {
            tracing::info!(
                "{address}: the kernel keeps {kept} bytes of datagrams that wait, and drops the \
                 rest of a burst; net.core.rmem_max can allow {KERNEL_BYTES}"
            );
        }
        let socket = UdpSocket::from_std(socket.into())?;
        Ok(Datagrams { address: socket.local_addr()?, socket })
    }

    /// Whether there is something to read, or may be.
    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_recv_ready(context).map(|_| ())
    }

    /// Reads at most so many datagrams; returns how many there were. The errors that Linux may
    /// deliver here are about datagrams sent earlier, and a datagram may always be lost.
    pub(super) fn read(
        &self,
        packets_max: usize,
        buffer: &mut [u8],
        take: &mut dyn FnMut(&Source, &[u8]),
    ) -> usize {
        for count in 0..packets_max {
            match self.socket.try_recv_from(buffer) {
                Ok((length, address)) => {
                    let transport = Transport::Udp;
                    let source = Source { transport, address, flow: None, verified: false };
                    take(&source, &buffer[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return count,
                Err(error) => tracing::debug!("{}: {error}", self.address),
            }
        }
        packets_max
    }

    /// Whether the kernel took the datagram; it has no room when not. Asks the kernel and not
    /// tokio, which would refuse all until it has looked at the socket once.
    pub(super) fn send(&self, to: SocketAddr, packet: &[u8]) -> io::Result<bool> {
        match SockRef::from(&self.socket).send_to(packet, &to.into()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}
