//! Two orchestrators with two identities at one store: the second begins nothing beside the first.

use shraga_core::ids::UserId;
use shraga_core::reason::Reason;
use shraga_core::row::{ChangeSet, Table, Write, tasks};
use shraga_core::status::TaskStatus;
use shraga_dataverse::{OnRefusal, Outcome};
use shraga_orchestrator::{Orchestrator, RunError};
use shraga_testkit::stage::{Kind, Person, Stage};
use shraga_wire::schema::shipped;
use uuid::Uuid;

use crate::cast::{named, plain, play, rest, seen, went_through_once};

/// More open tasks than one page of a pass over them holds.
const MANY: usize = 230;

/// Files rows that are open and that no orchestrator has anything to do with.
async fn files_drafts(person: &Person, count: usize) {
    let set = |n: usize| ChangeSet {
        task: None,
        why: "file".to_owned(),
        writes: vec![Write::create(
            Table::Tasks,
            Uuid::now_v7(),
            vec![
                (tasks::NAME, format!("draft {n}").into()),
                (tasks::STATUS, TaskStatus::Submitted.code().into()),
            ],
        )],
    };
    let sets: Vec<ChangeSet> = (0..count).map(set).collect();
    let applied = person.client.apply(&sets, OnRefusal::Continue).await;
    let outcomes = applied.unwrap().outcomes;
    assert!(outcomes.iter().all(|it| matches!(it, Outcome::Done(_))));
}

async fn second(stage: &Stage) -> (UserId, Orchestrator) {
    let (id, client) = stage.another_admin("second@example.com").await;
    (id, named("second", client))
}

#[tokio::test]
async fn a_second_admin_begins_nothing_however_many_open_tasks_hide_the_firsts() {
    for kind in [Kind::Embedded, Kind::Dataverse] {
        let stage = Stage::with(kind, shipped()).await;
        let ann = stage.person("ann@example.com").await;
        let worker = stage.shared_worker("w1", 2).await;
        files_drafts(&ann, MANY).await;
        let firsts = ann.files("the first's").await;
        let mut first = plain(&stage);
        rest(&mut first).await;
        let new = ann.files("new").await;

        let (_, mut orchestrator) = second(&stage).await;
        let report = orchestrator.tick_once().await.unwrap();
        assert_eq!(report.another_admin, Some(stage.admin));
        assert!(report.waiting.contains(&(new, Reason::AnotherAdmin)));
        rest(&mut orchestrator).await;
        assert_eq!(stage.mirrors(new).await, [], "{kind:?}");
        assert_eq!(stage.mirror(firsts).await.owner, stage.admin);

        // The first goes on undisturbed, with what is new too.
        play(&mut first, &worker).await;
        went_through_once(&stage, firsts).await;
        went_through_once(&stage, new).await;
    }
}

#[tokio::test]
async fn once_it_says_whose_tasks_keep_it_from_its_work_and_works_when_they_have_ended() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 2).await;
    let firsts = ann.files("the first's").await;
    let mut first = plain(&stage);
    rest(&mut first).await;
    let new = ann.files("new").await;

    let (_, mut orchestrator) = second(&stage).await;
    let refused = orchestrator.run_until_idle().await.unwrap_err();
    let RunError::AnotherAdmin { theirs, waiting } = refused else {
        panic!("{refused}");
    };
    assert_eq!((theirs, waiting), (stage.admin, 2));

    ann.cancels(new).await;
    play(&mut first, &worker).await;
    assert_eq!(seen(&stage, firsts).await, TaskStatus::Completed);
    let last = ann.files("after the change").await;
    let (id, mut orchestrator) = second(&stage).await;
    orchestrator.run_until_idle().await.unwrap();
    assert_eq!(stage.mirror(last).await.owner, id);
}

#[tokio::test]
async fn a_row_that_a_person_calls_a_mirror_keeps_no_orchestrator_from_its_work() {
    let stage = Stage::with(Kind::Dataverse, shipped()).await;
    let (ann, eve) = (
        stage.person("ann@example.com").await,
        stage.person("eve@example.com").await,
    );
    let task = ann.files("ann's").await;
    let hers = eve.files("eve's").await;
    let says = [
        (tasks::IS_MIRROR, true.into()),
        (tasks::MIRROR_OF, task.get().into()),
    ];
    stage.overwrite(Table::Tasks, hers.get(), &says).await;
    let report = rest(&mut plain(&stage)).await;
    assert_eq!(report.another_admin, None);
    let mirrors = stage.mirrors(task).await;
    assert!(mirrors.iter().any(|mirror| mirror.owner == stage.admin));
}
