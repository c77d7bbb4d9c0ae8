//! `leveret delayer` from outside: messages leave a queue and come back when they are due, whatever
//! happens to the delayer, its broker, its storage and its clock meanwhile.
//!
//! A story is a function of a [`world::Place`]; `stories!` runs it in the places where it makes
//! sense. Modules whose name begins with `peer_` need what `cargo xtask with-peers` starts;
//! `cargo nextest run -E 'not test(peer_)'` leaves them out.

/// Tests of the stories, one module for each place: `everywhere` in all six, `stores` with each
/// store beside Leveret, `brokers` with each broker and the default store, `disks` with the stores
/// on disk beside Leveret, `home` with Leveret and the default store alone.
macro_rules! stories {
    (
        everywhere: [$($everywhere:ident),*],
        stores: [$($stores:ident),*],
        brokers: [$($brokers:ident),*],
        disks: [$($disks:ident),*],
        home: [$($home:ident),*] $(,)?
    ) => {
        stories!(@ leveret_log Leveret Log:
            $($everywhere)* $($stores)* $($brokers)* $($disks)* $($home)*);
        stories!(@ leveret_lmdb Leveret Lmdb: $($everywhere)* $($stores)* $($disks)*);
        stories!(@ peer_leveret_mongodb Leveret MongoDb: $($everywhere)* $($stores)*);
        stories!(@ peer_rabbitmq_log RabbitMq Log: $($everywhere)* $($brokers)*);
        stories!(@ peer_rabbitmq_lmdb RabbitMq Lmdb: $($everywhere)*);
        stories!(@ peer_rabbitmq_mongodb RabbitMq MongoDb: $($everywhere)*);
    };
    (@ $module:ident $broker:ident $store:ident:) => {};
    (@ $module:ident $broker:ident $store:ident: $($story:ident)+) => {
        mod $module {
            use crate::delayer::world::{BrokerKind, Place, StoreKind};
            $(
                #[test]
                fn $story() {
                    super::$story(Place(BrokerKind::$broker, StoreKind::$store));
                }
            )+
        }
    };
}

mod parcel;
mod peers;
mod process;
mod proxy;
mod world;

mod clock;
mod crashes;
mod due;
mod embedded;
mod full;
mod modes;
mod outages;
mod people;
mod properties;
mod refused;
mod returning;
mod throttle;
