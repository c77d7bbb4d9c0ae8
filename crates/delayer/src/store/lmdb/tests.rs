//! The contract, and what only this store promises.

use std::path::Path;

use super::{LmdbStore, Options};
use crate::store::contract::{Place, suite};
use crate::store::{OpenError, Store};

fn sized(dir: &str, map_bytes: u64) -> Result<Box<dyn Store>, OpenError> {
    let options = Options { dir: Path::new(dir).to_owned(), map_bytes };
    LmdbStore::open(&options).map(|store| Box::new(store) as Box<dyn Store>)
}

fn place() -> Place {
    Place::directory(|dir| sized(dir, 4 << 30), (|dir| sized(dir, 8 << 20), 10_000))
}

suite!(place);
