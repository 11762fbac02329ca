//! The project's checks and chores, as `cargo xtask VERB`: one list for home and for CI.
//!
//! Each verb is a module. Nothing here is shipped; nothing here is a shell script.

mod bench;
mod ci;
mod clock;
mod generate;
mod interop;
mod layers;
mod run;
mod soak;
mod tidy;
mod tree;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    match verbs::perform() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
