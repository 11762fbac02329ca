//! The twenty guarantees, each proven with the fault really happening: on a real socket where it is about the
//! network, with a real program where it is about programs, through the real binary.
//!
//! One file per guarantee, named after it; its tests are called `guarantee_NN_<sentence>`, and docs/guarantees.md maps
//! each guarantee to them. A file without tests proves nothing yet, and that table says so.
//! Waiting is for a condition with a deadline; nothing here asserts how long something took, but for upper bounds that
//! a deadline promises.

#[cfg(test)]
mod beside;
#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod mirrors;
#[cfg(test)]
#[path = "../paced/mod.rs"]
mod paced;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod scene;

#[cfg(test)]
mod g01_programs;
#[cfg(test)]
mod g02_deadlines;
#[cfg(test)]
mod g03_dev_box;
#[cfg(test)]
mod g04_round_robin;
#[cfg(test)]
mod g05_typed_updates;
#[cfg(test)]
mod g06_mirror_and_link;
#[cfg(test)]
mod g07_state_file;
#[cfg(test)]
mod g08_git_deadlines;
#[cfg(test)]
mod g09_no_workers;
#[cfg(test)]
mod g10_git_branch;
#[cfg(test)]
mod g11_fields;
#[cfg(test)]
mod g12_created_id;
#[cfg(test)]
mod g13_optional_parts;
#[cfg(test)]
mod g14_failures_read_differently;
#[cfg(test)]
mod g15_typed_assignment;
#[cfg(test)]
mod g16_atomic_state;
#[cfg(test)]
mod g17_pacing;
#[cfg(test)]
mod g18_admin_rows;
#[cfg(test)]
mod g19_fatal_errors;
#[cfg(test)]
mod g20_settings;
