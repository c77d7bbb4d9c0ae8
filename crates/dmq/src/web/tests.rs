//! The whole server over real sockets, with an event loop that follows a script.
