//! The Dataverse Web API as pure protocol: queries, versions, batches, errors and the schema as data.
//!
//! Text in, values out, and back. Nothing here opens a socket, reads a clock or knows what a task is
//! for: the client and the embedded server share these types so that both speak the same dialect.

pub mod batch;
pub mod etag;
pub mod fault;
pub mod filter;
pub mod query;
pub mod schema;
