//! A server of our own for one run: started on a free port over a fresh data folder, ended by its
//! id, its folder removed, however the run ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::clock::{self, Stopwatch};
use crate::run;

/// Longest start. Higher only delays the report of a server that hangs; lower fails on a machine
/// that is busy compiling.
const START_SECONDS_MAX: u64 = 60;
/// Longest orderly end after a polite signal, before it is ended by force.
const STOP_SECONDS_MAX: u64 = 20;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running server.
pub(crate) struct Server {
    process: Child,
    data: TempDir,
    pub(crate) url: String,
    pub(crate) admin_token: String,
    pub(crate) user_token: String,
}

impl Server {
    /// Starts `shraga serve` and waits until it has written its endpoint.
    pub(crate) fn start(shraga: &Path, options: &[&str]) -> Result<Self> {
        let data = TempDir::with_prefix("shraga-interop-")?;
        let folder = data.path().to_string_lossy().into_owned();
        let mut command = run::command(
            shraga,
            &["serve", "--listen", "127.0.0.1:0", "--data", &folder],
        );
        command
            .args(options)
            .stdin(Stdio::null())
            .current_dir(data.path());
        let process = command.spawn().context("starting `shraga serve`")?;
        let mut server = Self {
            process,
            data,
            url: String::new(),
            admin_token: String::new(),
            user_token: String::new(),
        };
        server.learn_endpoint()?;
        println!("interop: server {} at {}", server.process.id(), server.url);
        Ok(server)
    }

    fn learn_endpoint(&mut self) -> Result<()> {
        let endpoint = self.endpoint()?;
        let text = |key: &str| endpoint.get(key).and_then(Value::as_str);
        self.url = text("url")
            .context("endpoint.json names no url")?
            .to_owned();
        self.admin_token = token(text("token_file").context("endpoint.json names no token_file")?)?;
        self.user_token =
            token(text("user_token_file").context("endpoint.json names no user_token_file")?)?;
        Ok(())
    }

    /// Waits for the file that a server writes once it accepts requests.
    fn endpoint(&mut self) -> Result<Value> {
        let path = self.data.path().join("endpoint.json");
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_secs(START_SECONDS_MAX) {
            if let Ok(content) = fs::read(&path) {
                return serde_json::from_slice(&content).context("parsing endpoint.json");
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("`shraga serve` ended with {status} before it accepted requests");
            }
            clock::pause(LOOK_EVERY);
        }
        bail!("`shraga serve` wrote no endpoint.json within {START_SECONDS_MAX} s")
    }

    /// The certificate that it made itself and that a client must trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.data.path().join("tls-cert.pem")
    }

    /// Ends the server as a person would, and requires that it ends well.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.process.id().to_string();
        if cfg!(unix) {
            run::run(&mut run::command("kill", &["-TERM", &id]))?;
        } else {
            self.process.kill()?;
        }
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_secs(STOP_SECONDS_MAX) {
            match self.process.try_wait()? {
                Some(status) if status.success() || !cfg!(unix) => return Ok(()),
                Some(status) => bail!("server {id} ended with {status}"),
                None => clock::pause(LOOK_EVERY),
            }
        }
        bail!("server {id} did not end within {STOP_SECONDS_MAX} s of SIGTERM")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After an orderly end both say "already gone".
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn token(path: &str) -> Result<String> {
    let content = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(content.trim().to_owned())
}
