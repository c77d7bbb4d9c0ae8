//! Opening: whose collection it is, its indexes, and what is counted in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use mongodb::IndexModel;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::IndexOptions;

use super::address::Address;
use super::document::{int, number};
use super::link::{Fault, Link, answer, insert, until_clear};
use super::{MINUTE_MS, MongoStore, Options, Sums, Writer};
use crate::store::OpenError;

/// The `_id` of the document that says whose the collection is.
pub(super) const META: &str = "meta";

const FORMAT: &str = "leveret delayer mongodb 1";

/// Opens the store of a collection, or makes one.
pub(super) fn open(options: &Options) -> Result<MongoStore, OpenError> {
    let refused = |address: String, reason: String| OpenError::Refused { address, reason };
    let address = Address::parse(&options.address)
        .map_err(|reason| refused("mongodb".into(), reason.into()))?;
    let shown = address.to_string();
    let link = Link::new(address, options.connect_timeout)
        .map_err(|reason| refused(shown.clone(), reason))?;
    let fault = |fault| match fault {
        Fault::Unclear(reason)
        | Fault::Away(reason)
        | Fault::Full(reason)
        | Fault::Broken(reason) => refused(shown.clone(), link.address.without_secrets(reason)),
    };
    let owner = owner();
    let unusable = |what| OpenError::Unusable { path: PathBuf::from(&shown), what };
    link.wait(claim(&link, &owner)).map_err(fault)?.map_err(unusable)?;
    link.wait(index(&link)).map_err(fault)?;
    link.wait(remove_orphans(&link)).map_err(fault)?;
    let sums = link.wait(count(&link)).map_err(fault)?;
    let writer = Writer {
        owner,
        looked_ms: 0,
        next_seq: 1,
        reserved_end: 1,
        unclear: Vec::new(),
        uncounted: false,
    };
    Ok(MongoStore { link, writer: Mutex::new(writer), sums: Mutex::new(sums) })
}

/// What this process is called in the collection.
fn owner() -> String {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let system = rustix::system::uname();
    format!(
        "process {} on {}, since {} ms",
        std::process::id(),
        system.nodename().to_string_lossy(),
        since.as_micros() as f64 / 1e3
    )
}

/// Makes sure that the collection is ours, or empty, and takes it from a process that had it. The
/// inner error says what else it is.
async fn claim(link: &Link, owner: &str) -> Result<Result<(), String>, Fault> {
    let collection = &link.collection;
    let Some(meta) = answer(collection.find_one(doc! { "_id": META })).await? else {
        if answer(collection.find_one(doc! {})).await?.is_some() {
            return Ok(Err("it holds documents that no delayer of Leveret wrote; \
                           give it a collection of its own"
                .into()));
        }
        let meta = doc! { "_id": META, "format": FORMAT, "reserved": 0_i64, "owner": owner };
        insert(collection, &[meta]).await?;
        return Ok(Ok(()));
    };
    match meta.get_str("format") {
        Ok(FORMAT) => {
            let taken = || doc! { "$set": { "owner": owner } };
            let update = async || {
                answer(collection.update_one(doc! { "_id": META }, taken())).await.map(drop)
            };
            until_clear(update).await.map(Ok)
        }
        found => Ok(Err(format!(
            "it is of version {:?}, which this program does not know; use the program that wrote it",
            found.unwrap_or_default()
        ))),
    }
}

/// `due` for what is due, `mid` for searches, `stored` for the totals: it has all they need.
async fn index(link: &Link) -> Result<(), Fault> {
    let plain = |keys: Document| IndexModel::builder().keys(keys).build();
    let sparse = IndexOptions::builder().sparse(true).build();
    let indexes = [
        plain(doc! { "due": 1, "_id": 1 }),
        IndexModel::builder().keys(doc! { "mid": 1 }).options(sparse).build(),
        plain(doc! { "stored": 1, "bytes": 1 }),
    ];
    answer(link.collection.create_indexes(indexes)).await.map(drop)
}

/// Removes parts of bodies whose message was never written, or is removed.
async fn remove_orphans(link: &Link) -> Result<(), Fault> {
    let parts = doc! { "_id": { "$type": "object" } };
    let mut cursor = answer(link.collection.find(parts).projection(doc! { "_id": 1 })).await?;
    let mut parents: BTreeMap<i64, Vec<Bson>> = BTreeMap::new();
    while answer(cursor.advance()).await? {
        let part = answer(async { cursor.deserialize_current() }).await?;
        let Some(id) = part.get("_id").and_then(Bson::as_document) else { continue };
        let parent = int(number(id, "parent").unwrap_or(0));
        parents.entry(parent).or_default().push(Bson::Document(id.clone()));
    }
    for (parent, ids) in parents {
        let whole = link.collection.find_one(doc! { "_id": parent }).projection(doc! { "_id": 1 });
        if answer(whole).await?.is_none() {
            let orphans = || doc! { "_id": { "$in": ids.clone() } };
            until_clear(async || answer(link.collection.delete_many(orphans())).await).await?;
        }
    }
    Ok(())
}

/// Counts all messages by two indexes.
pub(super) async fn count(link: &Link) -> Result<Sums, Fault> {
    let mut sums = Sums::default();
    let pipeline = [
        doc! { "$match": { "stored": { "$gte": 0_i64 } } },
        doc! { "$project": { "_id": 0, "stored": 1, "bytes": 1 } },
        doc! { "$group": { "_id": null, "held": { "$sum": 1_i64 }, "bytes": { "$sum": "$bytes" } } },
    ];
    let mut cursor = answer(link.collection.aggregate(pipeline)).await?;
    while answer(cursor.advance()).await? {
        let group = answer(async { cursor.deserialize_current() }).await?;
        sums.held = number(&group, "held").unwrap_or(0);
        sums.held_bytes = number(&group, "bytes").unwrap_or(0);
    }
    let minute = doc! { "$subtract": ["$due", { "$mod": ["$due", int(MINUTE_MS)] }] };
    let pipeline = [
        doc! { "$match": { "due": { "$gte": 0_i64 } } },
        doc! { "$project": { "_id": 0, "due": 1 } },
        doc! { "$group": { "_id": minute, "held": { "$sum": 1_i64 } } },
    ];
    let mut cursor = answer(link.collection.aggregate(pipeline)).await?;
    while answer(cursor.advance()).await? {
        let group = answer(async { cursor.deserialize_current() }).await?;
        let minute = number(&group, "_id").unwrap_or(0) / MINUTE_MS;
        sums.minutes.insert(minute, number(&group, "held").unwrap_or(0));
    }
    Ok(sums)
}
