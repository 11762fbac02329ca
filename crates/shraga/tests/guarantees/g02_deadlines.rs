//! Guarantee 2: total deadlines. Every request ends within `REQUEST_TIMEOUT`, whatever the other side does: token,
//! name, connection, TLS, headers and body count together, so a server that drips a byte a second cannot beat it.
