//! The captured packets, for tests.

use std::net::SocketAddr;
use std::path::Path;

use super::{Message, Request, Response};

/// Names and bytes of all packets, in the order in which they were captured.
pub(crate) fn packets() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let entries = std::fs::read_dir(&folder).expect("the samples are beside the source");
    let paths = entries.map(|entry| entry.expect("a file").path());
    let mut packets: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "raw"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a packet"))
        })
        .collect();
    packets.sort();
    assert!(packets.len() > 100, "{} packets", packets.len());
    packets
}

/// One packet.
pub(crate) fn packet(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
    std::fs::read(&path).expect("a packet")
}

/// Reads a request, in which something may be wrong.
#[track_caller]
pub(crate) fn request(packet: &[u8]) -> Request<'_> {
    match Message::parse(packet) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Reads a response.
#[track_caller]
pub(crate) fn response(packet: &[u8]) -> Response<'_> {
    match Message::parse(packet) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// An address.
pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
