//! The store's behaviour, through its public operations.

mod alters;
mod deltas;
mod durability;
mod reads;
mod security;
mod support;
mod tokens;
mod wakes;
mod writes;
