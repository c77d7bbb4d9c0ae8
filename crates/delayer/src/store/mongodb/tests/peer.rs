//! The contract, on the MongoDB that `TEST_MONGODB` names. Each test has a collection of its own.

use std::time::Duration;

use super::super::link::Link;
use super::super::{MongoStore, Options, address::Address};

use crate::store::contract::{Place, suite};
use crate::store::{OpenError, Store};

/// The address of a new collection.
fn address() -> String {
    let server = std::env::var("TEST_MONGODB").expect(
        "needs TEST_MONGODB; run `cargo xtask with-peers -- cargo nextest run -p delayer`, or leave \
         these tests out with -E 'not test(peer)'",
    );
    let (server, options) = server.split_once("/?").unwrap_or((server.trim_end_matches('/'), ""));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{server}/leveret_delayer_tests/t{}_{now}?{options}", std::process::id())
}

fn options(address: &str) -> Options {
    Options { address: address.to_owned(), connect_timeout: Duration::from_secs(30) }
}

fn open(address: &str) -> Result<Box<dyn Store>, OpenError> {
    MongoStore::open(&options(address)).map(|store| Box::new(store) as Box<dyn Store>)
}

fn link(address: &str) -> Link {
    Link::new(Address::parse(address).unwrap(), Duration::from_secs(30)).unwrap()
}

/// A collection that is dropped at the end.
struct Collection(String);

impl Drop for Collection {
    fn drop(&mut self) {
        let link = link(&self.0);
        let dropped = link.wait(super::super::link::answer(link.collection.drop()));
        if !std::thread::panicking() {
            dropped.unwrap();
        }
    }
}

fn place() -> Place {
    let address = address();
    Place {
        open,
        small: None,
        body_bytes_max: 20 << 20,
        atomic: false,
        slow: true,
        test: "",
        _keep: Box::new(Collection(address.clone())),
        address,
    }
}

suite!(place, server);
