//! The Dev Center of our tests as a process, and Microsoft's client talking to it.
//!
//! It ends when its standard input does, so that it outlives nobody, and it ends badly when it objects to what it was
//! asked: each judges the other.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use super::{PROXIES, target};
use crate::run::{cargo, command, run as run_command};
use crate::tree;

/// Runs the client with `python`.
pub(crate) fn run(python: &Path) -> Result<()> {
    run_command(&mut cargo(&[
        "build",
        "--quiet",
        "--locked",
        "--package",
        "shraga-testkit",
        "--example",
        "center",
    ]))?;
    let examples = target()?.join("debug").join("examples");
    let program = examples.join(format!("center{}", std::env::consts::EXE_SUFFIX));
    let mut center = Center::start(&program)?;
    let mut client = command(python, &[]);
    for name in PROXIES {
        client.env_remove(name);
    }
    client
        .arg(tree::root().join("tests/interop/dev_center.py"))
        .env("DEV_CENTER_URL", center.url()?)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    run_command(&mut client)?;
    center.stop()
}

struct Center(Child);

impl Center {
    fn start(program: &Path) -> Result<Self> {
        let mut command = command(program, &[]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let process = command.spawn();
        Ok(Self(process.with_context(|| {
            format!("starting {}", program.display())
        })?))
    }

    /// The address that it prints once it listens.
    fn url(&mut self) -> Result<String> {
        let out = self.0.stdout.take().context("its output was read before")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let url = line.trim();
        if url.is_empty() {
            bail!("the Dev Center ended before it listened");
        }
        println!("interop: Dev Center {} at {url}", self.0.id());
        Ok(url.to_owned())
    }

    fn stop(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait()?;
        if !status.success() {
            bail!("the Dev Center objects to what Microsoft's client asked of it ({status})");
        }
        Ok(())
    }
}

impl Drop for Center {
    fn drop(&mut self) {
        // After an orderly end both say "already gone".
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
