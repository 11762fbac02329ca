//! Guarantee 19: a fatal error prints its whole cause chain (and a backtrace when asked) and ends with a documented
//! exit code that is never 0.
