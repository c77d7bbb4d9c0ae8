//! The columns that are made here are columns that can be asked for.

use control::listing::Listing;

use super::{access, connections, delayed, exchanges, policies, queues};

fn names<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(name, _)| *name).collect()
}

/// The columns that are made for each listing.
fn made() -> Vec<(Listing, Vec<&'static str>)> {
    vec![
        (Listing::Queues, names(queues::QUEUE)),
        (Listing::Consumers, names(queues::CONSUMER)),
        (Listing::Connections, names(connections::CONNECTION)),
        (Listing::Channels, names(connections::CHANNEL)),
        (Listing::Exchanges, names(exchanges::EXCHANGE)),
        (Listing::Bindings, names(exchanges::BINDING)),
        (Listing::Users, names(access::USER)),
        (Listing::Vhosts, names(access::VHOST)),
        (Listing::Permissions, names(access::GRANT)),
        (Listing::TopicPermissions, names(access::GRANT)),
        (Listing::Policies, names(policies::POLICY)),
        (Listing::Parameters, names(policies::PARAMETER)),
        (Listing::Delayed, names(delayed::MESSAGE)),
    ]
}

#[test]
fn every_column_can_be_asked_for() {
    // One table is of permissions for names and for topics.
    let of_names = ["configure"];
    let of_topics = ["exchange"];
    for (listing, names) in made() {
        for name in names {
            let other = match listing {
                Listing::Permissions => of_topics.contains(&name),
                Listing::TopicPermissions => of_names.contains(&name),
                _ => false,
            };
            assert!(other || listing.columns().contains(&name), "{listing:?}: {name}");
        }
    }
}

#[test]
fn what_is_shown_unasked_has_a_value() {
    for (listing, names) in made() {
        for column in listing.shown() {
            assert!(names.contains(column), "{listing:?}: {column}");
        }
    }
}
