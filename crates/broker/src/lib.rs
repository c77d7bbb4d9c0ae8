//! What AMQP means.
