//! Guarantee 18: the admin's own rows are left out once the admin is known; until then discovery works without. The admin
//! in the state file is compared with whom the store takes us for, not believed.

use shraga_core::ids::TaskId;
use shraga_core::row::{Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_testkit::faults::{Fault, Faults, When};
use shraga_testkit::site::Site;
use shraga_testkit::stage::Stage;
use uuid::Uuid;

use crate::beside::{daemon, file, once, stage, state};
use crate::common::{Place, until};

/// The admin files a task of her own.
async fn admin_files(stage: &Stage) -> TaskId {
    let id = Uuid::now_v7();
    let cells = [
        (tasks::NAME, "the admin's".into()),
        (tasks::PROMPT, "do it".into()),
        (tasks::STATUS, TaskStatus::Pending.code().into()),
    ];
    let admin = stage.admin_client(&Faults::new());
    admin.create(Table::Tasks, id, &cells).await.unwrap();
    TaskId::new(id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_18_the_admins_own_rows_are_left_alone() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let (own, hers) = (admin_files(&site.stage).await, ann.files("hers").await);
    assert_eq!(once(&place, &site).code, 0);
    assert_eq!(site.stage.mirrors(own).await, []);
    assert_eq!(site.stage.mirrors(hers).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_18_a_wrong_admin_in_the_file_is_named_corrected_and_not_believed() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    // Were it believed, her rows would be left out and the admin's taken.
    let text = format!(r#"{{"admin_user_id": "{}", "shared_workers": []}}"#, ann.id);
    std::fs::write(file(&place), text).unwrap();
    let (own, hers) = (admin_files(&site.stage).await, ann.files("hers").await);
    let ran = once(&place, &site);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains(&ann.id.to_string()), "{}", ran.err);
    assert_eq!(site.stage.mirrors(own).await, []);
    let mirror = site.stage.mirror(hers).await;
    assert_eq!(mirror.owner, site.stage.admin);
    assert_eq!(state(&place)["admin_user_id"], site.stage.admin.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_18_until_the_store_tells_who_we_are_tasks_are_found_and_not_mirrored() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let asks = || When::matching("who we are", |it| it.uri().path().ends_with("WhoAmI"));
    for _ in 0..40 {
        site.faults.arm(asks(), Fault::Answer { status: 403 });
    }
    let task = ann.files("one").await;
    let mut daemon = daemon(&place, &site);
    daemon.until_said(&["who we are is not known yet"]);
    until("it looks for tasks all the same", || {
        site.requests("$batch") > 1
    });
    assert_eq!(site.stage.mirrors(task).await, []);
    assert!(!file(&place).exists());
    site.faults.disarm();
    until("it knows who it is", || file(&place).exists());
    assert!(daemon.stop().success());
    assert_eq!(once(&place, &site).code, 0);
    assert_eq!(site.stage.mirrors(task).await.len(), 1);
}
