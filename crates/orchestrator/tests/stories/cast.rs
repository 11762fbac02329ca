//! Words the stories share.

use shraga_core::ids::TaskId;
use shraga_core::status::TaskStatus;
use shraga_dataverse::Client;
use shraga_orchestrator::{Config, Orchestrator, TickReport};
use shraga_testkit::double::Double;
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::Stage;
use tokio_util::sync::CancellationToken;

/// Ticks after which a story must have come to rest.
pub(crate) const TICKS_MAX: usize = 30;

/// An orchestrator whose requests pass `faults`.
pub(crate) fn orchestrator(stage: &Stage, faults: &Faults) -> Orchestrator {
    named("one", stage.admin_client(faults))
}

/// An orchestrator with a name.
pub(crate) fn named(name: &str, client: Client) -> Orchestrator {
    Orchestrator::new(client, Config::new(name), CancellationToken::new())
}

/// An orchestrator with nothing in the way.
pub(crate) fn plain(stage: &Stage) -> Orchestrator {
    orchestrator(stage, &Faults::new())
}

/// Ticks until nothing follows at once. A tick that fails is followed by another, as by the driver.
pub(crate) async fn rest(orchestrator: &mut Orchestrator) -> TickReport {
    for _ in 0..TICKS_MAX {
        match orchestrator.tick_once().await {
            Ok(report) if !report.again && report.trouble.is_none() => return report,
            Ok(_) | Err(_) => {}
        }
    }
    panic!("no rest after {TICKS_MAX} ticks");
}

/// Orchestrator and worker take turns until the worker has nothing to do.
pub(crate) async fn play(orchestrator: &mut Orchestrator, worker: &Double) {
    for _ in 0..TICKS_MAX {
        rest(orchestrator).await;
        if worker.works().await == 0 {
            return;
        }
    }
    panic!("the worker still has work after {TICKS_MAX} turns");
}

/// What the person sees.
pub(crate) async fn seen(stage: &Stage, task: TaskId) -> TaskStatus {
    stage.task(task).await.expect("her row exists").status
}

/// The task went once through everything: one mirror, one attempt, one of each event, told to her.
pub(crate) async fn went_through_once(stage: &Stage, task: TaskId) {
    let mirror = stage.mirror(task).await;
    assert_eq!(mirror.status, TaskStatus::Completed);
    assert_eq!(mirror.shown.attempt.0, 1);
    assert_eq!(seen(stage, task).await, TaskStatus::Completed);
    for kind in [
        "TaskMirrored",
        "TaskAssigned",
        "TaskStarted",
        "TaskCompleted",
    ] {
        assert_eq!(stage.events(task, kind).await, 1, "one {kind}");
    }
}
