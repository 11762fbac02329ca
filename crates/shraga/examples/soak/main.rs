//! A soak: the real binary as real processes on this machine, disturbed at random for a while, and judged at the end.
//!
//! `cargo xtask soak` builds and runs it. It starts a store, an orchestrator and three workers, each with a connection
//! that can be cut; people file tasks, cancel some and answer questions; processes are killed, stopped and restarted.
//! Then all is healed, and what happened is held against the promises, by records that the agents wrote themselves.
//! It never touches a process that it did not start, and leaves none behind.

#[cfg(unix)]
mod agents;
#[cfg(unix)]
mod args;
#[cfg(unix)]
mod chain;
#[cfg(unix)]
mod clock;
#[cfg(unix)]
mod daemon;
#[cfg(unix)]
mod judge;
#[cfg(unix)]
mod people;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod proxy;
#[cfg(unix)]
mod records;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod scene;
#[cfg(unix)]
mod tell;
#[cfg(unix)]
mod torment;
#[cfg(unix)]
mod watch;

fn main() -> anyhow::Result<std::process::ExitCode> {
    #[cfg(unix)]
    return run::main();
    #[cfg(not(unix))]
    anyhow::bail!("the soak needs signals; it runs on Linux")
}
