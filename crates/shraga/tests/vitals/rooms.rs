//! Health, readiness and metrics, as a probe and a scraper see them.

use serde_json::Value;

use crate::common::{Place, until};
use crate::exposition::Exposition;

const ECHO: &str = r#"
[agents.echo]
kind = "command"
program = ["cat"]
"#;

const FREE_PORT: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

/// Waits until a room answers with this status.
fn until_status(place: &Place, name: &str, path: &str, status: u16) {
    until(&format!("{name}{path} answers {status}"), || {
        place
            .room(name, path)
            .is_some_and(|(found, _)| found == status)
    });
}

fn metrics(place: &Place, name: &str) -> Exposition {
    let (status, text) = place.room(name, "/metrics").unwrap();
    assert_eq!(status, 200);
    Exposition::read(&text).unwrap()
}

#[test]
fn everything_in_one_process_is_well_ready_and_counted() {
    let place = Place::with_config(ECHO);
    let [flag, addr] = FREE_PORT;
    let running = place.start(&["up", flag, addr, "--log-format", "json"]);
    until_status(&place, "up", "/readyz", 200);
    until_status(&place, "up", "/healthz", 200);
    let id = place.submit(&["the prompt", "--name", "canary"]);
    place.until_status(&id, "Completed");
    let seen = metrics(&place, "up");
    for (series, least) in [
        ("shraga_attempts_total{outcome=\"completed\"}", 1.0),
        (
            "shraga_change_sets_total{loop=\"mirror\",result=\"applied\"}",
            1.0,
        ),
        ("shraga_requests_total{kind=\"batch\",answer=\"2xx\"}", 2.0),
        ("shraga_ticks_total{result=\"wrote\"}", 1.0),
        ("shraga_agent_duration_seconds_count", 1.0),
        ("shraga_assign_wait_seconds_count", 1.0),
        ("shraga_workers{state=\"ready\"}", 2.0),
        ("shraga_events_written_total", 1.0),
        ("shraga_slots", 2.0),
        ("shraga_ready", 1.0),
        ("shraga_healthy", 1.0),
    ] {
        assert!(
            seen.value(series) >= least,
            "{series} in {:#?}",
            seen.series
        );
    }
    let version = format!(
        "shraga_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(seen.value(&version), 1.0);
    let (_, text) = place.room("up", "/metrics").unwrap();
    for canary in [&id[..8], "canary", "the prompt", "tester"] {
        assert!(!text.contains(canary), "{canary} is in the metrics");
    }
    until("it says so in the log", || {
        place.said().contains("up is well:")
    });
    assert!(running.stop().success());
    assert!(!place.rooms_file("up").exists());
    let heartbeat = place.said();
    let heartbeat = heartbeat
        .lines()
        .find(|line| line.contains("up is well:"))
        .unwrap();
    let heartbeat: Value = serde_json::from_str(heartbeat).unwrap();
    for field in [
        "uptime_s",
        "requests",
        "workers.total",
        "agents.running",
        "tick.duration_ms",
    ] {
        assert!(heartbeat[field].is_u64(), "{field} in {heartbeat}");
    }
    assert_eq!(heartbeat["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_store_that_goes_away_makes_the_orchestrator_unready_but_not_unhealthy() {
    let place = Place::new();
    let store = place.start(&["serve", "--listen", "127.0.0.1:0"]);
    let [flag, addr] = FREE_PORT;
    let _orchestrator = place.start(&["orchestrate", flag, addr]);
    until_status(&place, "orchestrate", "/readyz", 200);
    store.kill();
    until("it is not ready because of the store", || {
        let complaints = place.complaints("orchestrate", "/readyz");
        complaints.is_some_and(|(status, bad)| {
            status == 503
                && bad
                    .iter()
                    .any(|(name, why)| name == "store" && why.contains("connect"))
        })
    });
    let (status, _) = place.room("orchestrate", "/healthz").unwrap();
    assert_eq!(status, 200);
    let seen = metrics(&place, "orchestrate");
    assert_eq!(seen.value("shraga_ready"), 0.0);
    let unanswered = seen
        .series
        .iter()
        .filter(|(series, _)| series.contains("answer=\"none\""));
    assert!(unanswered.map(|(_, count)| count).sum::<f64>() >= 1.0);
}

#[test]
fn a_worker_shows_its_slots_and_that_it_is_registered() {
    let place = Place::with_config(ECHO);
    let _store = place.start(&["serve"]);
    let [flag, addr] = FREE_PORT;
    let _worker = place.start(&["worker", "--slots", "3", flag, addr]);
    until_status(&place, "worker", "/readyz", 200);
    let seen = metrics(&place, "worker");
    assert_eq!(seen.value("shraga_slots"), 3.0);
    assert_eq!(seen.value("shraga_outbox_reports"), 0.0);
}

#[test]
fn an_address_that_others_reach_is_refused_before_anything_else_happens() {
    let place = Place::with_config(ECHO);
    let ran = place.run(&["orchestrate", "--metrics-listen", "0.0.0.0:0"]);
    ran.fails(2, &["0.0.0.0:0 is reachable by others", "--insecure"]);
    let ran = place.run(&["up", "--metrics-listen", "nowhere"]);
    ran.fails(2, &["`nowhere` is not an address", "127.0.0.1:"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ran = place.run(&["worker", "--metrics-listen", &addr]);
    ran.fails(7, &[&addr, "--metrics-listen"]);
}
