//! Programs that somebody else built: taken when their sum is the commit's, from wherever they come.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use crate::installation::Installation;

const PROGRAM: &str = "#!/bin/sh\necho shraga 1.0.0\n";

/// Seconds that a place that says nothing is waited for.
const PATIENCE: &str = "build_timeout_seconds = 5\n";

/// A place on the network that behaves as the first folder of a path says.
struct Site {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            // One that says nothing is held open for as long as this test runs.
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                let request = head(&stream);
                let silent = answer(&stream, port, &request);
                heard.lock().unwrap().push(request);
                if silent {
                    held.push(stream);
                }
            }
        });
        Self { port, asked }
    }

    fn at(&self, way: &str) -> String {
        format!(
            "http://127.0.0.1:{}/{way}/{{version}}/shraga-{{os}}?signature=hidden",
            self.port
        )
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The lines of a request.
fn head(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// Answers; whether it is to be kept waiting.
fn answer(mut stream: &TcpStream, port: u16, request: &str) -> bool {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let way = path.split('/').nth(1).unwrap_or_default();
    let length = PROGRAM.len();
    let (head, body) = match way {
        "good" => (format!("200 OK\r\nContent-Length: {length}"), PROGRAM),
        "another" => (
            format!("200 OK\r\nContent-Length: {}", length + 1),
            "#!/bin/sh\necho shraga 1.0.0 \n",
        ),
        "cut" => (format!("200 OK\r\nContent-Length: {}", length + 9), PROGRAM),
        "large" => (format!("200 OK\r\nContent-Length: {}", 1_u64 << 40), ""),
        "silent" => ("200 OK\r\nContent-Length: 9".to_owned(), ""),
        "moved" => {
            let place = path.replace("/moved/", "/good/");
            (
                format!(
                    "302 Found\r\nLocation: http://localhost:{port}{place}\r\nContent-Length: 0"
                ),
                "",
            )
        }
        "open" => (
            "302 Found\r\nLocation: http://192.0.2.1/x\r\nContent-Length: 0".to_owned(),
            "",
        ),
        "round" => (
            format!("302 Found\r\nLocation: {path}\r\nContent-Length: 0"),
            "",
        ),
        _ => ("404 Not Found\r\nContent-Length: 0".to_owned(), ""),
    };
    let text = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}");
    // Whoever asked may have gone.
    stream.write_all(text.as_bytes()).ok();
    way == "silent"
}

/// An installation whose branch names the sum of the program, and would not build.
fn with(from: &str) -> Installation {
    let setting = format!("prebuilt = \"{from}\"\n{PATIENCE}");
    let installation = Installation::with(&setting);
    sums(&installation, &format!("{}  shraga-linux\n", sum()));
    installation
}

fn sum() -> String {
    let hash = Sha256::digest(PROGRAM.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The branch's next commit, with this file of sums.
fn sums(installation: &Installation, text: &str) {
    fs::write(installation.path("origin").join("SHA256SUMS"), text).unwrap();
    installation.release("1.0.0", "echo it must not be built >&2; exit 9");
}

#[test]
fn a_program_with_the_sum_of_the_commit_is_taken_into_use_and_nothing_is_built() {
    let site = Site::start();
    for way in ["good", "moved"] {
        let installation = with(&site.at(way));
        let ran = installation.update(&["--now"]);
        assert_eq!(ran.code, 0, "{way}: {}", ran.err);
        assert_eq!(installation.says(), "shraga 1.0.0\n");
    }
    let asked = site.asked();
    assert!(
        asked[0].starts_with("GET /good/1.0.0/shraga-linux?signature=hidden "),
        "{asked:?}"
    );
    for request in &asked {
        let request = request.to_lowercase();
        assert!(
            !request.contains("authorization") && !request.contains("cookie"),
            "{request}"
        );
    }
}

#[test]
fn a_program_on_this_machine_is_taken_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shraga-linux"), PROGRAM).unwrap();
    let installation = with(&format!("{}/shraga-{{os}}", folder.path().display()));
    let ran = installation.update(&["--now"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(installation.says(), "shraga 1.0.0\n");
    let missing = with(&format!("{}/gone/shraga-{{os}}", folder.path().display()));
    missing
        .update(&["--now"])
        .fails(1, &["could not be fetched", "tried again"]);
}

#[test]
fn a_program_that_is_not_what_the_commit_says_failed_and_is_not_tried_again() {
    let site = Site::start();
    for (way, words) in [("another", "has the SHA-256"), ("large", "is larger than")] {
        let installation = with(&site.at(way));
        let ran = installation.update(&["--now"]);
        ran.fails(1, &["failed: build", words]);
        assert!(!ran.err.contains("hidden"), "{}", ran.err);
        assert!(way != "another" || ran.err.contains(&sum()), "{}", ran.err);
        assert!(!installation.path("root/current").exists());
        installation.update(&["--now"]).fails(1, &["failed before"]);
    }
}

#[test]
fn a_commit_that_names_no_sum_failed() {
    let site = Site::start();
    let installation = with(&site.at("good"));
    let (other, twice) = ("a".repeat(64), "b".repeat(64));
    for text in [
        format!("{other}  shraga-other\n"),
        format!("{other}  shraga-linux\n{twice}  shraga-linux\n"),
        String::new(),
    ] {
        sums(&installation, &text);
        let ran = installation.update(&["--now"]);
        ran.fails(
            1,
            &["failed: build", "SHA256SUMS has no line for shraga-linux"],
        );
    }
    assert_eq!(site.asked(), [""; 0]);
}

#[test]
fn a_place_that_does_not_give_it_is_asked_again_another_time() {
    let site = Site::start();
    for (way, words) in [
        ("cut", "cut short"),
        ("gone", "404"),
        ("silent", "longer than 5 s"),
        ("open", "not https"),
        ("round", "elsewhere more than 5 times"),
    ] {
        let installation = with(&site.at(way));
        for _ in 0..2 {
            let ran = installation.update(&["--now"]);
            ran.fails(1, &["could not be fetched", words, "tried again"]);
        }
        assert!(!installation.path("root/current").exists());
    }
}

#[test]
fn a_place_that_anybody_could_answer_for_is_refused() {
    for from in [
        "http://example.org/shraga",
        "ftp://example.org/x",
        "https://a:b@example.org/x",
        "shraga",
    ] {
        with(from)
            .update(&["--now"])
            .fails(3, &["update.prebuilt", "https"]);
    }
}
