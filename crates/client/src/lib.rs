//! An AMQP 0-9-1 client that gives back what it received, byte for byte.
