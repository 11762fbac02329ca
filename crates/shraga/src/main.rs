//! The `shraga` program: picks the allocator and the cryptography, then does as it is told.

use std::process::ExitCode;

/// Twice the write rate of glibc's allocator here, since SQLite allocates through it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Only fails when a provider is installed already, which is what is wanted.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    shraga::cli::main().into()
}
