//! The embedded Web API as its clients see it: statuses, headers and bodies as Dataverse documents
//! them, through the shipped service, in process and over sockets.

#![cfg(test)]

mod batch;
mod bodies;
mod bulk;
mod changes;
mod conditions;
mod keys;
mod metadata;
mod own;
mod queries;
mod rows;
mod security;
mod sockets;
mod support;
