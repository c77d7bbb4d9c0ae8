//! Tests of stories: a story is a function of a place, and runs in the places where it makes sense.
//!
//! Modules whose name begins with `peer_` need what `cargo xtask with-peers` starts;
//! `cargo nextest run -E 'not test(peer_)'` leaves them out.

/// Tests of the stories of a file, one module for each place.
///
/// Stories about a delayer have a broker and a store: `everywhere` is all six places, `stores` each
/// store beside Leveret, `brokers` each broker and the default store, `disks` the stores on disk
/// beside Leveret, `home` Leveret and the default store alone. Stories about a trigger have a
/// broker: `brokers` is both, `home` is Leveret alone.
macro_rules! stories {
    (
        everywhere: [$($everywhere:ident),*],
        stores: [$($stores:ident),*],
        brokers: [$($brokers:ident),*],
        disks: [$($disks:ident),*],
        home: [$($home:ident),*] $(,)?
    ) => {
        stories!(@ leveret_log (Leveret, Log):
            $($everywhere)* $($stores)* $($brokers)* $($disks)* $($home)*);
        stories!(@ leveret_lmdb (Leveret, Lmdb): $($everywhere)* $($stores)* $($disks)*);
        stories!(@ peer_leveret_mongodb (Leveret, MongoDb): $($everywhere)* $($stores)*);
        stories!(@ peer_rabbitmq_log (RabbitMq, Log): $($everywhere)* $($brokers)*);
        stories!(@ peer_rabbitmq_lmdb (RabbitMq, Lmdb): $($everywhere)*);
        stories!(@ peer_rabbitmq_mongodb (RabbitMq, MongoDb): $($everywhere)*);
    };
    (brokers: [$($brokers:ident),* $(,)?], home: [$($home:ident),* $(,)?] $(,)?) => {
        stories!(@ leveret (Leveret): $($brokers)* $($home)*);
        stories!(@ peer_rabbitmq (RabbitMq): $($brokers)*);
    };
    (@ $module:ident $place:tt:) => {};
    (@ $module:ident $place:tt: $($story:ident)+) => {
        mod $module {
            $( stories!(# $story $place); )+
        }
    };
    (# $story:ident ($broker:ident)) => {
        #[test]
        fn $story() {
            super::$story(crate::site::BrokerKind::$broker);
        }
    };
    (# $story:ident ($broker:ident, $store:ident)) => {
        #[test]
        fn $story() {
            use crate::delayer::world::{Place, StoreKind};
            super::$story(Place(crate::site::BrokerKind::$broker, StoreKind::$store));
        }
    };
}
