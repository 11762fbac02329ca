//! Other people's programs, unmodified: Dataverse clients against the embedded store, and Microsoft's client of
//! the Dev Center against the one of our tests, which it judges.
//!
//! Microsoft's Python SDK (it insists on `https`, so the server makes its own certificate) and the
//! npm package dynamics-web-api (over `http`). The versions are pinned in `tests/interop/`; the
//! packages live below `target/interop/`. Each client gets a server and a data folder of its own,
//! and both are gone afterwards.
//!
//! Beside them vendors' command lines, unmodified, as agents under a worker: Claude Code and Codex, with
//! a scripted model on loopback. They are the ignored tests of `crates/shraga/tests/clis`.

mod center;
mod packages;
mod server;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{CargoOpt, MetadataCommand};

use crate::run::{cargo, run as run_command};
use crate::tree;
use server::Server;

/// Which clients to run.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only this client
    #[arg(long, value_enum)]
    only: Option<Client>,
}

/// The clients.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Client {
    /// Microsoft's `PowerPlatform-Dataverse-Client`
    Python,
    /// Microsoft's `azure-developer-devcenter`, against the tests' Dev Center
    DevCenter,
    /// npm `dynamics-web-api`
    Javascript,
    /// npm `@anthropic-ai/claude-code`, under a worker
    Claude,
    /// npm `@openai/codex`, under a worker
    Codex,
    /// Debian's `systemd-analyze`, on the units that are made
    Systemd,
}

/// Settings that would lead a client round by a proxy.
const PROXIES: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// Runs the clients; the first failure ends it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let wanted = |client| args.only.is_none_or(|only| only == client);
    if wanted(Client::DevCenter) {
        center::run(&packages::python()?)?;
    }
    if wanted(Client::Python) {
        let shraga = built()?;
        let python = packages::python()?;
        let server = Server::start(&shraga, &["--tls-self-signed"])?;
        let script = tree::root().join("tests/interop/python_sdk.py");
        let mut command = against(&server, &python);
        run_command(
            command
                .arg(script)
                .env("REQUESTS_CA_BUNDLE", server.certificate()),
        )?;
        server.stop()?;
    }
    if wanted(Client::Javascript) {
        let shraga = built()?;
        let folder = packages::javascript()?;
        let server = Server::start(&shraga, &[])?;
        let mut command = against(&server, "node");
        run_command(command.arg(folder.join("dynamics_web_api.mjs")))?;
        server.stop()?;
    }
    if wanted(Client::Claude) {
        agent("claude::", "SHRAGA_TEST_CLAUDE", &packages::claude()?)?;
    }
    if wanted(Client::Codex) {
        agent("codex::", "SHRAGA_TEST_CODEX", &packages::codex()?)?;
    }
    if wanted(Client::Systemd) {
        systemd::run(&built()?)?;
    }
    Ok(())
}

/// The tests of a vendor's command line, with the program at `path`. What the model says is scripted on
/// loopback, and the tests clear the environment: no account is used, nobody else is talked to.
fn agent(tests: &str, variable: &str, path: &Path) -> Result<()> {
    println!("interop: {tests} with {}", path.display());
    let mut command = cargo(&[
        "test",
        "--quiet",
        "--locked",
        "--workspace",
        "--test",
        "clis",
    ]);
    for name in PROXIES {
        command.env_remove(name);
    }
    // Two at a time: each runs a store, two workers and a program of a quarter of a gigabyte.
    let filter = ["--", "--ignored", "--test-threads", "2", tests];
    run_command(command.args(filter).env(variable, path))
}

/// A client's process, told where the server is and who it may be.
fn against(server: &Server, program: impl AsRef<std::path::Path>) -> Command {
    let mut command = crate::run::command(program, &[]);
    for name in PROXIES {
        command.env_remove(name);
    }
    command
        .env("SHRAGA_URL", &server.url)
        .env("SHRAGA_ADMIN_TOKEN", &server.admin_token);
    command
        .env("SHRAGA_USER_TOKEN", &server.user_token)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The development build of the binary, built now if need be. Of the whole workspace, so that its
/// libraries have the features they were built with for the tests, and are not built again.
pub(crate) fn built() -> Result<PathBuf> {
    run_command(&mut cargo(&[
        "build",
        "--quiet",
        "--locked",
        "--workspace",
        "--bin",
        "shraga",
    ]))?;
    Ok(target()?
        .join("debug")
        .join(format!("shraga{}", std::env::consts::EXE_SUFFIX)))
}

/// The folder that builds go to.
pub(crate) fn target() -> Result<PathBuf> {
    let metadata = MetadataCommand::new()
        .manifest_path(tree::root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .no_deps()
        .exec()
        .context("asking cargo for its target folder")?;
    Ok(metadata.target_directory.into_std_path_buf())
}
