//! Names of clients and TLS handshakes.
