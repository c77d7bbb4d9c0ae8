//! What a queue promises, without a socket.
