//! What is said of a process that gets on, and of one that does not.

use std::convert::Infallible;

use shraga_dataverse::transport::Transport;
use shraga_dataverse::{Client, Options};
use shraga_orchestrator::Orchestrator;
use shraga_web::Vitals as _;

use super::pulse::Pulse;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn state(roles: Vec<Role>) -> State {
    let state = State {
        name: "test",
        began: Instant::now(),
        request_timeout: 30 * SECOND,
        roles: OnceLock::new(),
        recorder: None,
    };
    state.watch(roles);
    state
}

/// An orchestrator that sent a request which neither an answer nor a deadline ever ends.
fn hung() -> Role {
    let never = tower::service_fn(|_request| async {
        std::future::pending::<Result<_, Infallible>>().await
    });
    let transport: Transport =
        tower::util::BoxCloneSyncService::new(
            tower::ServiceExt::<http::Request<bytes::Bytes>>::map_err(never, Into::into),
        );
    let base = "http://localhost/".parse().unwrap();
    let mut options = Options::new(base, transport);
    options.request_timeout = 1_000_000 * SECOND;
    let client = Client::new(options).unwrap();
    let config = shraga_orchestrator::Config::new("test");
    let orchestrator = Orchestrator::new(client.clone(), config, CancellationToken::new());
    let status = orchestrator.status();
    tokio::spawn(orchestrator.run());
    Role::Orchestrator(status, client)
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_hangs_is_unhealthy_once_it_must_have_got_on() {
    let state = state(vec![hung()]);
    tokio::time::advance(80 * SECOND).await;
    assert!(state.health().is_ok(), "{:?}", state.health());
    assert!(!state.readiness().is_ok());
    tokio::time::advance(20 * SECOND).await;
    let complaint = state.health().complaint().unwrap();
    assert!(
        complaint.contains("has not got on for 100 s"),
        "{complaint}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stuck_process_is_not_said_to_be_well_to_the_service_manager() {
    let state = state(vec![hung()]);
    let mut pulse = Pulse::of(notify::Manager::from_environment());
    pulse.look(&state, false);
    assert_eq!((pulse.well, pulse.beats), (1, 0), "well, and not ready");
    tokio::time::advance(100 * SECOND).await;
    pulse.look(&state, false);
    assert_eq!(pulse.well, 1);
}

#[tokio::test(start_paused = true)]
async fn there_is_one_heartbeat_when_ready_and_one_a_minute_after() {
    let state = state(Vec::new());
    let mut pulse = Pulse::of(notify::Manager::from_environment());
    pulse.look(&state, false);
    assert_eq!(pulse.beats, 1);
    for _ in 0..600 {
        tokio::time::advance(SECOND).await;
        pulse.look(&state, false);
    }
    assert_eq!(pulse.beats, 11);
}
