//! What a service manager hears, on a socket as systemd makes one.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::common::{Place, until};

/// A service manager's ear.
struct Ear {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Ear {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        Self {
            socket,
            heard: Vec::new(),
        }
    }

    /// Takes what has come; every line is `NAME=value`.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            self.heard.extend(text.lines().map(str::to_owned));
        }
    }

    fn count(&self, line: &str) -> usize {
        self.heard.iter().filter(|heard| *heard == line).count()
    }

    fn hears(&mut self, line: &str, times: usize) {
        until(&format!("{times} times {line}"), || {
            self.listen();
            self.count(line) >= times
        });
    }
}

#[test]
fn a_service_manager_hears_ready_status_watchdog_and_stopping() {
    let place = Place::new();
    let _store = place.start(&["serve"]);
    let path = place.path().join("notify");
    let mut ear = Ear::at(&path);
    let env: [(&str, &Path); 2] = [
        ("NOTIFY_SOCKET", &path),
        ("WATCHDOG_USEC", Path::new("300000")),
    ];
    let running = place.start_with(&["orchestrate"], &env);
    ear.hears("READY=1", 1);
    ear.hears("WATCHDOG=1", 3);
    let status = ear
        .heard
        .iter()
        .find(|line| line.starts_with("STATUS="))
        .unwrap();
    assert!(
        status.starts_with("STATUS=orchestrate is well: "),
        "{status}"
    );
    assert_eq!(ear.count("STOPPING=1"), 0);
    assert!(running.stop().success());
    assert_eq!(ear.count("READY=1"), 1);
}

#[test]
fn a_service_manager_hears_nothing_of_ready_while_the_store_does_not_answer() {
    let place = Place::new();
    let path = place.path().join("notify");
    let mut ear = Ear::at(&path);
    let mut command = place.command(&["orchestrate"]);
    command
        .env("DATAVERSE_URL", "http://127.0.0.1:1")
        .env("DATAVERSE_TOKEN", "none")
        .env("NOTIFY_SOCKET", &path);
    let ran = crate::common::Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 5, "{}", ran.err);
    ear.listen();
    assert_eq!(ear.count("READY=1"), 0, "{:?}", ear.heard);
}

#[test]
fn a_service_manager_hears_that_it_stops_while_it_finishes_what_runs() {
    let place =
        Place::with_config("[agents.slow]\nkind = \"command\"\nprogram = [\"sleep\", \"600\"]\n");
    let path = place.path().join("notify");
    let mut ear = Ear::at(&path);
    let running = place.start_with(&["up"], &[("NOTIFY_SOCKET", &path)]);
    ear.hears("READY=1", 1);
    let id = place.submit(&["x"]);
    place.until_status(&id, "Running");
    let _stops = std::thread::spawn(move || running.stop());
    ear.hears("STOPPING=1", 1);
    ear.hears("STATUS=stopping: finishing what is under way", 1);
    assert_eq!(place.run(&["cancel", &id]).code, 0);
}
