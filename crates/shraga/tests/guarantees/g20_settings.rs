//! Guarantee 20: every setting has a documented default or says what it is needed for, and `shraga config` prints
//! each effective value and where it came from.
