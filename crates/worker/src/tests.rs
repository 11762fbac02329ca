//! What unit tests of several modules share.

/// Not a test of anything: what others start to look after their agents.
#[test]
#[ignore = "other tests start it as their supervisor"]
fn supervisor_of_tests() {
    let _done = shraga_process::supervise::serve();
}

/// This test program as a supervisor.
pub(crate) fn supervisor() -> Vec<String> {
    let args = [
        "--ignored",
        "--exact",
        "tests::supervisor_of_tests",
        "--nocapture",
    ];
    let program = std::env::current_exe().unwrap();
    shraga_process::supervise::this_program(&program, &args)
}
