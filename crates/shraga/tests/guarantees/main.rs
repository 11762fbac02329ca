//! The twenty guarantees, each proven with the fault really happening: on a real socket where it is about the
//! network, with a real program where it is about programs, through the real binary.
//!
//! One file per guarantee, named after it; its tests are called `guarantee_NN_<sentence>`, and docs/guarantees.md maps
//! each guarantee to them. A file without tests proves nothing yet, and that table says so.
//! Waiting is for a condition with a deadline; nothing here asserts how long something took, but for upper bounds that
//! a deadline promises.

#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;

mod g01_programs;
mod g02_deadlines;
mod g03_dev_box;
mod g04_round_robin;
mod g05_typed_updates;
mod g06_mirror_and_link;
mod g07_state_file;
mod g08_git_deadlines;
mod g09_no_workers;
mod g10_git_branch;
mod g11_fields;
mod g12_created_id;
mod g13_optional_parts;
mod g14_failures_read_differently;
mod g15_typed_assignment;
mod g16_atomic_state;
mod g17_pacing;
mod g18_admin_rows;
mod g19_fatal_errors;
mod g20_settings;
