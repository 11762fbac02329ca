//! Histories of machines: several orchestrators look after one provider's machines by the shipped decisions, while
//! everything happens to machines, requests, replies and orchestrators that can.
//!
//! A world of its own beside the one of tasks: mirrors, claims and money matter nothing to machines, and those
//! histories don't grow by them. Assignments are made as carelessly as orchestrators may make them: by rows that are
//! older than the last look, though less than a cordon waits. Workers are of the model too: they beat while their
//! machine runs, and claim what is theirs unless they have read that they are to take nothing.
//!
//! What holds after every request, and at rest, is in `judge`.

mod cell;
mod judge;
mod orchestrator;
mod provider;
mod rows;
mod world;

pub(crate) use world::World;
