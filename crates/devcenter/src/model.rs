//! What the service's answers say, as far as anybody here uses it. One file for each kind of thing.

pub(crate) mod actions;
pub(crate) mod boxes;
pub(crate) mod connection;
pub(crate) mod customization;
pub(crate) mod operations;
pub(crate) mod projects;
