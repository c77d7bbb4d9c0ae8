//! Loopback addresses that no other test has: the nodes of a bus differ in them.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Mutex;

/// Where every node listens, as Kamailio's do.
pub(crate) const PORT: u16 = 5060;

/// Its socket is how an address is taken; nothing is ever sent there.
const MARK: u16 = 5059;

/// The addresses of this process, and where to look for the next.
static TAKEN: Mutex<(u32, Vec<UdpSocket>)> = Mutex::new((0, Vec::new()));

/// An address of 127.1.0.0 to 127.254.255.255, which is this process's until it ends.
pub(crate) fn take() -> Ipv4Addr {
    let mut taken = TAKEN.lock().unwrap();
    let (next, marks) = &mut *taken;
    if marks.is_empty() {
        // Tests that run at once begin far from each other.
        *next = std::process::id().wrapping_mul(0x9E37_79B9) >> 8;
    }
    loop {
        *next = (*next + 1) % (254 << 16);
        let [_, second, third, fourth] = (*next + (1 << 16)).to_be_bytes();
        let ip = Ipv4Addr::new(127, second, third, fourth);
        if fourth == 0 || fourth == 255 {
            continue;
        }
        let Ok(mark) = UdpSocket::bind((ip, MARK)) else { continue };
        if UdpSocket::bind((ip, PORT)).is_ok() {
            marks.push(mark);
            return ip;
        }
    }
}
