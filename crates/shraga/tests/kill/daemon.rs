//! A daemon of the real binary: started over a folder, waited for by what it says, ended by its id.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

/// How long a start or an end may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Daemon {
    id: u32,
    ended: Receiver<ExitStatus>,
}

impl Daemon {
    /// Starts the binary and waits until standard error has a line with `sign`.
    pub(crate) fn start(folder: &Path, args: &[&str], sign: &'static str) -> Self {
        let mut command = command(folder, args);
        command
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let seen = watch_for(&mut child, sign);
        let id = child.id();
        let (tell, ended) = sync_channel(1);
        thread::spawn(move || tell.send(child.wait().unwrap()));
        let daemon = Self { id, ended };
        assert!(seen.recv_timeout(PATIENCE).is_ok(), "never said {sign:?}");
        daemon
    }

    /// Ends it the hard way.
    pub(crate) fn kill(self) {
        self.signal("-KILL");
        self.ended.recv_timeout(PATIENCE).unwrap();
    }

    /// Ends it the polite way, which must end well.
    pub(crate) fn stop(self) {
        self.signal("-TERM");
        self.ends_well();
    }

    /// Waits until it has ended by itself, and well.
    pub(crate) fn ends_well(self) {
        let status = self
            .ended
            .recv_timeout(PATIENCE)
            .expect("it ends by itself");
        assert!(status.success(), "ended with {status}");
    }

    fn signal(&self, signal: &str) {
        let id = self.id.to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.ended.try_recv().is_err() {
            // It may have ended this moment.
            let _ = Command::new("kill")
                .args(["-KILL", &self.id.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Reads standard error to its end; tells once, when the sign is there.
fn watch_for(child: &mut Child, sign: &'static str) -> Receiver<()> {
    let (tell, seen) = sync_channel(1);
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            eprintln!("daemon: {line}");
            if line.contains(sign) {
                let _ = tell.try_send(());
            }
        }
    });
    seen
}

/// Runs a verb to its end.
pub(crate) fn shraga(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shraga"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    for name in [
        "DATAVERSE_URL",
        "DATAVERSE_TOKEN",
        "SHRAGA_LOG",
        "XDG_CONFIG_HOME",
    ] {
        command.env_remove(name);
    }
    command.env("HOME", folder);
    command
}
