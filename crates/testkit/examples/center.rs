//! The Dev Center of the tests as a process, for clients of other people: prints its address, answers until its standard
//! input ends, and then says what was wrong with what it was asked; that ends it badly.
//!
//! Nobody moves its time but looks at operations, each by some minutes, so that whoever waits for one gets there.

use std::io::{Read as _, Write as _, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use shraga_testkit::center::Center;

/// How far a look at an operation moves the time: what takes longest takes five looks.
const STEP: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let center = Center::new().moved_by_looks(STEP);
    let served = center.serve();
    let mut out = stdout();
    let told = writeln!(out, "{}", served.url()).and_then(|()| out.flush());
    // Whoever started this is gone when the pipe is closed; there is nothing to read from it.
    let ended = told.and_then(|()| stdin().read_to_end(&mut Vec::new()));
    for objection in center.objections() {
        eprintln!("the Dev Center objects: {objection}");
    }
    let asked = center.asked().len();
    eprintln!("the Dev Center was asked {asked} times");
    match ended.is_ok() && center.objections().is_empty() && asked > 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
