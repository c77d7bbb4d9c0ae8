//! Binding and unbinding.

use crate::rig::check;

#[test]
fn binds_are_checked_in_order() {
    check(
        "bind q x key                   => NOT_FOUND - no exchange 'x' in vhost '/'
         exchange x headers
         bind q x key                   => NOT_FOUND - no queue 'q' in vhost '/'
         queue q                        => q 0 0
         bind q '' key                  => ACCESS_REFUSED - operation not permitted on the default exchange
         xbind '' x key                 => ACCESS_REFUSED - operation not permitted on the default exchange
         xbind x '' key                 => ACCESS_REFUSED - operation not permitted on the default exchange
         xbind y x key                  => NOT_FOUND - no exchange 'y' in vhost '/'
         bind q x key x-match=some      => PRECONDITION_FAILED - Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x
         bind q x key x-match=1         => PRECONDITION_FAILED - Invalid x-match field type long (value 1); expected longstr
         bind q x key x-match=any-with-x
         bindings                       => x-key->q",
    );
}

#[test]
fn the_same_binding_twice_is_one() {
    check(
        "queue q                        => q 0 0
         bind q amq.direct key a=1 b=2
         bind q amq.direct key b=2 a=1
         bind q amq.direct key
         bindings                       => amq.direct-key->q amq.direct-key->q
         publish amq.direct key m       => q
         unbind q amq.direct key a=1 b=2
         unbind q amq.direct key a=1 b=2
         publish amq.direct key m       => q
         unbind q amq.direct other
         unbind nothing amq.direct key
         unbind q nothing key
         unbind q amq.direct key
         publish amq.direct key m       => nowhere
         queue q passive                => q 2 0",
    );
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding_as_source() {
    check(
        "exchange never fanout auto-delete
         exchange a fanout auto-delete
         exchange b fanout auto-delete
         exchange c fanout
         queue q                        => q 0 0
         xbind b a ''
         xbind c b ''
         bind q c ''
         bind q a ''
         bind q a other
         publish a '' m                 => q
         unbind q a ''
         publish a '' m                 => q
         unbind q a other
         exchanges                      => a:fanout b:fanout c:fanout never:fanout
         delete-exchange c
         exchanges                      => never:fanout
         bindings                       => ",
    );
}

#[test]
fn deleting_a_queue_deletes_the_auto_delete_exchanges_that_only_it_needed() {
    check(
        "exchange a topic auto-delete
         exchange b topic auto-delete
         queue q                        => q 0 0
         queue r                        => r 0 0
         bind q a one
         bind q a two
         bind q b one
         bind r b one
         delete-queue q                 => 0
         exchanges                      => b:topic
         publish b one m                => r
         delete-queue r                 => 1
         exchanges                      => ",
    );
}
