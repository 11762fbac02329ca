//! Repositories that tasks name: addresses and refs as types that hold no bad value.
//!
//! Both come from people and end up as operands of git, so everything that git could take for an
//! option, another transport, a credential or a path elsewhere is refused here, once; inside, nothing
//! is checked again. Which folders and private hosts are allowed is the worker's own setting
//! ([`Allowed`]). Nothing here resolves names, runs git or looks at a disk.

mod address;
mod allowed;
mod host;
mod reference;
#[cfg(test)]
mod tests;

pub use address::{Address, BadAddress, Way};
pub use allowed::{Allowed, BadPlace, NotAllowed, Place};
pub use host::{Host, is_private};
pub use reference::{BadReference, Reference, is_ref_name};
