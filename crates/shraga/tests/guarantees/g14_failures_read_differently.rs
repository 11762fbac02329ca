//! Guarantee 14: a timeout, a refused connection, a TLS failure, a DNS failure, a throttle, an authentication
//! failure and a bad answer read differently in the log, each with what to do.
