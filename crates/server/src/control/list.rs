//! Listings: rows in batches, so that a long one holds up nobody. Of what there may be much of, they
//! are also made in batches.

mod access;
mod connections;
mod delayed;
mod exchanges;
mod policies;
mod queues;
mod rows;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

use control::listing::Listing;
use control::reply::{Refusal, Reply, Row, Why};
use control::request::List;
use tokio::sync::mpsc;
use tokio::task::yield_now;

use crate::shard::Shard;

/// Rows that are made in one turn of the shard.
const BATCH: usize = 256;

/// Makes the rows of a few things, named by keys, which may be gone.
type Rows<K> = fn(&Shard, &List, &[K]) -> Vec<Row>;

/// Sends the rows of a listing.
pub(super) async fn list(
    shard: &Rc<RefCell<Shard>>,
    wanted: &List,
    reply: &mpsc::Sender<Reply>,
) -> Result<(), Refusal> {
    check(&shard.borrow(), wanted)?;
    let sink = Sink { shard, wanted, reply };
    match wanted.listing {
        Listing::Queues => {
            let ids = queues::ids(&shard.borrow(), wanted);
            sink.batches(&ids, queues::rows).await;
        }
        Listing::Consumers => {
            let ids = queues::ids(&shard.borrow(), wanted);
            sink.batches(&ids, queues::consumers).await;
        }
        Listing::Connections => {
            let ids = connections::ids(&shard.borrow());
            sink.batches(&ids, connections::rows).await;
        }
        Listing::Channels => {
            let ids = connections::ids(&shard.borrow());
            sink.batches(&ids, connections::channels).await;
        }
        Listing::Exchanges => {
            let names = exchanges::names(&shard.borrow(), wanted);
            sink.batches(&names, exchanges::rows).await;
        }
        Listing::Bindings => {
            let found = exchanges::found(&shard.borrow(), wanted);
            sink.batches(&found, exchanges::bindings).await;
        }
        Listing::Delayed => delayed::list(&sink).await?,
        other => {
            let mut rows = rows_of(other, &shard.borrow(), wanted).into_iter();
            while rows.len() > 0 && sink.send(rows.by_ref().take(BATCH).collect()).await {
                yield_now().await;
            }
        }
    }
    Ok(())
}

/// What there is little of: all rows at once.
fn rows_of(listing: Listing, shard: &Shard, wanted: &List) -> Vec<Row> {
    match listing {
        Listing::Users => access::users(shard, wanted),
        Listing::Vhosts => access::vhosts(shard, wanted),
        Listing::Permissions => access::permissions(shard, wanted),
        Listing::TopicPermissions => access::topic_permissions(shard, wanted),
        Listing::VhostLimits => access::vhost_limits(shard, wanted),
        Listing::UserLimits => access::user_limits(shard, wanted),
        Listing::Policies => policies::policies(shard, wanted, false),
        Listing::OperatorPolicies => policies::policies(shard, wanted, true),
        Listing::Parameters => policies::parameters(shard, wanted),
        Listing::GlobalParameters => policies::global_parameters(shard, wanted),
        Listing::Queues
        | Listing::Exchanges
        | Listing::Bindings
        | Listing::Consumers
        | Listing::Connections
        | Listing::Channels
        | Listing::Delayed => Vec::new(),
    }
}

/// Where the rows of a listing go.
struct Sink<'a> {
    shard: &'a Rc<RefCell<Shard>>,
    wanted: &'a List,
    reply: &'a mpsc::Sender<Reply>,
}

impl Sink<'_> {
    async fn batches<K>(&self, keys: &[K], make: Rows<K>) {
        for batch in keys.chunks(BATCH) {
            let rows = make(&self.shard.borrow(), self.wanted, batch);
            if !self.send(rows).await {
                break;
            }
            yield_now().await;
        }
    }

    /// False: nobody reads any more.
    async fn send(&self, rows: Vec<Row>) -> bool {
        self.reply.send(Reply::Rows(rows)).await.is_ok()
    }
}

/// The virtual host and the user that a listing is about are there. Queues of one that is not there
/// are none, as in RabbitMQ.
fn check(shard: &Shard, wanted: &List) -> Result<(), Refusal> {
    let broker = &shard.broker;
    let lenient = matches!(wanted.listing, Listing::Queues | Listing::Consumers);
    if let Some(vhost) = &wanted.vhost
        && !lenient
        && !broker.vhosts().any(|one| *one.name == **vhost)
    {
        return Err(Refusal::new(Why::NoVhost, format!("vhost '{vhost}' does not exist")));
    }
    if let Some(user) = &wanted.user
        && !broker.user_exists(user)
    {
        return Err(Refusal::new(Why::NoUser, format!("user '{user}' does not exist")));
    }
    Ok(())
}
