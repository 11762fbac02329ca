//! Requests on real sockets.
