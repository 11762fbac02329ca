//! Guarantee 13: optional parts (Dev Box, git, the programs of agents) that are missing at start-up degrade with one
//! clear line each, and nothing else suffers.
