//! The columns that are made here are columns that can be asked for.

use control::listing::Listing;

use super::{access, connections, delayed, exchanges, policies, queues};

fn names<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(name, _)| *name).collect()
}

#[test]
fn every_column_can_be_asked_for() {
    for (listing, names) in [
        (Listing::Queues, names(queues::QUEUE)),
        (Listing::Consumers, names(queues::CONSUMER)),
        (Listing::Connections, names(connections::CONNECTION)),
        (Listing::Channels, names(connections::CHANNEL)),
        (Listing::Exchanges, names(exchanges::EXCHANGE)),
        (Listing::Bindings, names(exchanges::BINDING)),
        (Listing::Users, names(access::USER)),
        (Listing::Vhosts, names(access::VHOST)),
        (Listing::TopicPermissions, names(access::GRANT)),
        (Listing::Policies, names(policies::POLICY)),
        (Listing::Parameters, names(policies::PARAMETER)),
        (Listing::Delayed, names(delayed::MESSAGE)),
    ] {
        for name in names {
            // One table is of permissions for names and for topics.
            let known = listing.columns().contains(&name) || name == "configure";
            assert!(known, "{listing:?}: {name}");
        }
    }
}

#[test]
fn what_is_shown_unasked_has_a_value() {
    for (listing, names) in [
        (Listing::Queues, names(queues::QUEUE)),
        (Listing::Consumers, names(queues::CONSUMER)),
        (Listing::Connections, names(connections::CONNECTION)),
        (Listing::Channels, names(connections::CHANNEL)),
        (Listing::Exchanges, names(exchanges::EXCHANGE)),
        (Listing::Bindings, names(exchanges::BINDING)),
        (Listing::Permissions, names(access::GRANT)),
        (Listing::Delayed, names(delayed::MESSAGE)),
    ] {
        for column in listing.shown() {
            assert!(names.contains(column), "{listing:?}: {column}");
        }
    }
}
