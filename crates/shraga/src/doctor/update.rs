//! Updates of the fleet: who paused them, which worker tries a release, what failed, who lags behind.

use std::cmp::Ordering;

use shraga_core::fleet::{Fleet, Said, Stage};
use shraga_core::model::Worker;
use shraga_core::status::WorkerState;
use shraga_core::time::{Span, Timestamp};
use shraga_core::update::Release;

use super::{Finding, Reached};
use crate::display::time::age;
use crate::tasks::{fleet, workers};

const CHECK: &str = "update";

/// How long a worker may take with a release that all may take: an hour's build, after another one's.
const LAGS: Span = Span::mins(150);

pub(super) async fn check(store: &Reached) -> Vec<Finding> {
    let known = match fleet::read(&store.client).await {
        Ok(known) => known,
        Err(error) => {
            let what = format!("what is rolled out can't be told: {error}");
            return vec![Finding::warning(
                CHECK,
                what,
                "another version of the program may have written it: update this one",
            )];
        }
    };
    // Whatever keeps them from being read, another check names.
    let workers = workers::all(&store.client).await;
    let workers = workers.map(|(workers, _)| workers).unwrap_or_default();
    findings(&known.fleet, &workers, known.now)
}

fn findings(of: &Fleet, workers: &[Worker], now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(pause) = &of.pause {
        let fix = "`shraga update --resume` goes on, once what it waits for is done";
        found.push(Finding::warning(CHECK, fleet::paused(pause, now), fix));
    }
    if let Some(failed) = fleet::failed(of) {
        let fix = "mend it on the branch: it is not tried again before that has another commit, or after \
                   `shraga update --retry`";
        found.push(Finding::warning(CHECK, fleet::failure(failed, now), fix));
    }
    if let Some(what) = fleet::doubted(of) {
        let fix = "look at what differs on that worker's machine; another worker tries the release";
        found.push(Finding::warning(CHECK, what, fix));
    }
    if let Some(rollout) = &of.rollout {
        let behind: Vec<Finding> = workers
            .iter()
            .filter_map(|worker| lags(worker, &rollout.release, &rollout.stage, now))
            .collect();
        if behind.is_empty() && of.pause.is_none() {
            let what = fleet::rolled_out(of, now).unwrap_or_default();
            found.push(Finding::ok(CHECK, what));
        }
        found.extend(behind);
    }
    found
}

/// What is wrong with a worker that doesn't run the release, if something is.
fn lags(worker: &Worker, release: &Release, stage: &Stage, now: Timestamp) -> Option<Finding> {
    let member = &worker.member;
    let runs = member.release.as_ref()?;
    let behind = shraga_update::order(release, runs) == Ordering::Greater;
    if !behind || worker.state == WorkerState::Deprovisioned {
        return None;
    }
    let name = &worker.name;
    let (what, fix) = match &member.said {
        Said::Unable(it, why) if it == release => (
            format!("worker {name} can't take {release}: {why}"),
            format!(
                "mend that on its machine, or `shraga update --now --to {}` there",
                release.version()
            ),
        ),
        Said::Failed(it, why) if it == release => (
            format!("worker {name} failed with {release}: {why}"),
            "mend it on the branch, or look at what differs on its machine".to_owned(),
        ),
        Said::Off
        | Said::On
        | Said::Making(_)
        | Said::Waiting(..)
        | Said::Unable(..)
        | Said::Failed(..)
        | Said::Other(_) => match stage {
            Stage::Open(at) if at.plus(LAGS) <= now && !worker.state.is_gone() => {
                let since = age(*at, now);
                (
                    format!(
                        "worker {name} still runs {runs}; {release} was opened to all {since} ago"
                    ),
                    "look at its log: it has to run under `shraga keep`, with `update.apply`"
                        .to_owned(),
                )
            }
            Stage::Open(_) | Stage::Canary(_) => return None,
        },
    };
    Some(Finding::warning(CHECK, what, fix))
}

#[cfg(test)]
mod tests {
    use shraga_core::fleet::{Canary, Member, Pause, Refused, Rollout, Why};
    use shraga_core::ids::{Etag, UserId, WorkerId};
    use shraga_core::status::{Pool, WorkerKind};
    use uuid::Uuid;

    use super::*;
    use crate::doctor::Severity;

    const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn release(version: &str) -> Release {
        Release::new(version, "0123456789abcdef").unwrap()
    }

    fn worker(version: &str, said: Said) -> Worker {
        Worker {
            id: WorkerId::new(Uuid::from_u128(1)),
            etag: Etag::new("1"),
            owner: UserId::new(Uuid::from_u128(2)),
            name: "w1".to_owned(),
            kind: WorkerKind::LocalMachine,
            state: WorkerState::Ready,
            pool: Pool::Shared,
            slots: 1,
            labels: Vec::new(),
            agents: Vec::new(),
            boot: None,
            beat: 1,
            last_seen: Some(NOON),
            last_assigned: None,
            drained: None,
            suspicion: None,
            echo: None,
            machine: None,
            member: Member {
                release: Some(release(version)),
                said,
                ..Member::default()
            },
        }
    }

    fn rolling(stage: Stage) -> Fleet {
        let rollout = Rollout {
            release: release("1.1.0"),
            since: NOON,
            stage,
            doubt: None,
        };
        Fleet {
            rollout: Some(rollout),
            ..Fleet::default()
        }
    }

    fn said(of: &Fleet, workers: &[Worker], minutes: i64) -> Vec<(Severity, String)> {
        let found = findings(of, workers, NOON.plus(Span::mins(minutes)));
        found.into_iter().map(|it| (it.severity, it.what)).collect()
    }

    #[test]
    fn a_fleet_that_nobody_updates_is_not_mentioned() {
        assert_eq!(
            said(&Fleet::default(), &[worker("1.0.0", Said::Off)], 0),
            []
        );
    }

    #[test]
    fn a_pause_and_a_failure_are_named_with_who_and_why() {
        let fleet = Fleet {
            pause: Some(Pause {
                by: "ann".to_owned(),
                at: NOON,
                why: Some("a fair".to_owned()),
            }),
            refused: vec![Refused {
                release: release("1.1.0"),
                why: Why::Failed,
                said: "worker w1: exit code 1".to_owned(),
                at: NOON,
            }],
            rollout: None,
        };
        let said = said(&fleet, &[], 5);
        assert!(
            said.iter()
                .all(|(severity, _)| *severity == Severity::Warning)
        );
        assert!(said[0].1.contains("ann") && said[0].1.contains("a fair"));
        assert!(said[1].1.contains("1.1.0-0123456789ab failed"), "{said:?}");
    }

    #[test]
    fn who_tries_a_release_is_told_and_who_lags_behind_is_named() {
        let canary = rolling(Stage::Canary(Canary {
            worker: WorkerId::new(Uuid::from_u128(1)),
            name: "w1".to_owned(),
            allowed: NOON,
            well: Some(NOON),
        }));
        let told = said(&canary, &[worker("1.1.0", Said::On)], 5);
        assert_eq!(told[0].0, Severity::Ok);
        assert!(told[0].1.contains("worker w1 tries 1.1.0"), "{told:?}");
        let open = rolling(Stage::Open(NOON));
        let old = [worker("1.0.0", Said::On)];
        assert_eq!(said(&open, &old, 149)[0].0, Severity::Ok);
        assert_eq!(said(&open, &old, 150)[0].0, Severity::Warning);
        let unable = Said::Unable(release("1.1.0"), "no such commit".to_owned());
        let told = said(&open, &[worker("1.0.0", unable)], 0);
        assert!(told[0].1.contains("no such commit"), "{told:?}");
        assert_eq!(
            said(&open, &[worker("1.2.0", Said::On)], 999)[0].0,
            Severity::Ok
        );
    }
}
