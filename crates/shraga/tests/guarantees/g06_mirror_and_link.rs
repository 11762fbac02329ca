//! Guarantee 6: mirror and link are one atomic change set with a computed mirror id. Where the store can't do that,
//! the link is retried (3 attempts, 1 s apart, both settings); an orphan found later is repaired, never doubled.

use shraga_core::row::{Table, tasks};
use shraga_testkit::evil::Act;
use uuid::Uuid;

use crate::mirrors::{away, computed, links, makes_mirror, wait};
use crate::scene::Scene;

#[test]
fn guarantee_06_mirror_and_link_are_one_change_set_under_the_computed_identity() {
    let scene = Scene::new();
    let task = scene.files("one");
    assert_eq!(scene.orchestrates().code, 0);
    let mirror = scene.one_linked_mirror(task);
    assert_eq!(mirror["cr_shraga_taskid"], computed(task));
    let making = scene.seen(&["\"cr_mirroroftaskid\":\""]);
    assert_eq!(making.len(), 1, "one request makes it");
    let (change_set, _) = making[0]
        .split_once("multipart/mixed; boundary=changeset")
        .map(|(_, rest)| {
            rest.split_once("--changeset_shraga_1--")
                .unwrap_or((rest, ""))
        })
        .expect("it is a change set");
    assert!(
        change_set.contains("\"cr_mirrortaskid\":\""),
        "the link is in it"
    );
}

#[test]
fn guarantee_06_a_reply_that_is_lost_after_the_change_set_makes_no_second_mirror() {
    let scene = Scene::new();
    let task = scene.files("one");
    scene.evil.once(makes_mirror, Act::LoseReply);
    assert_eq!(scene.orchestrates().code, 0);
    assert_eq!(scene.evil.pending(), 0, "the reply was lost");
    scene.one_linked_mirror(task);
}

#[test]
fn guarantee_06_a_link_that_fails_is_tried_three_times() {
    for status in [
        "404 Not Found",
        "405 Method Not Allowed",
        "501 Not Implemented",
    ] {
        let scene = Scene::new();
        let task = scene.files("one");
        scene.refuses_batches(status);
        scene.evil.once(links, away());
        scene.evil.once(links, away());
        let ran = scene.orchestrates();
        assert_eq!(ran.code, 0, "{status}: {}", ran.err);
        scene.one_linked_mirror(task);
        let tried = scene.seen(&["PATCH ", "\"cr_mirrortaskid\":\""]);
        // Two that failed, one that linked, and the adoption, which repeats the link under its version.
        assert_eq!(tried.len(), 4, "{status}");
        let again = ran.err.matches("trying again to link").count();
        assert_eq!(again, 2, "{status}: {}", ran.err);
    }
}

#[test]
fn guarantee_06_how_often_a_link_is_tried_is_a_setting_and_what_is_left_is_repaired() {
    let scene = Scene::new();
    std::fs::write(
        scene.place.path().join("shraga.toml"),
        "[store]\nlink_tries = 1\n",
    )
    .unwrap();
    let task = scene.files("one");
    scene.refuses_batches("501 Not Implemented");
    scene.evil.once(links, away());
    let ran = scene.orchestrates();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!ran.err.contains("trying again to link"), "{}", ran.err);
    assert_eq!(scene.evil.pending(), 0, "the only try failed");
    scene.one_linked_mirror(task);
}

#[test]
fn guarantee_06_a_reply_that_is_lost_after_the_mirror_was_made_alone_makes_no_second_one() {
    let scene = Scene::new();
    let task = scene.files("one");
    scene.refuses_batches("501 Not Implemented");
    scene.evil.once(makes_mirror, Act::LoseReply);
    assert_eq!(scene.orchestrates().code, 0);
    assert_eq!(scene.evil.pending(), 0, "the reply was lost");
    scene.one_linked_mirror(task);
}

#[test]
fn guarantee_06_orphans_of_the_original_are_adopted_and_the_oldest_alone_goes_on() {
    let scene = Scene::new();
    let task = scene.files("one");
    let orphan = || {
        let id = Uuid::now_v7();
        let cells = [
            (tasks::NAME, "one".into()),
            (tasks::PROMPT, "one".into()),
            (tasks::STATUS, 1.into()),
            (tasks::IS_MIRROR, true.into()),
            (tasks::MIRROR_OF, task.get().into()),
            (tasks::EMAIL, "somebody@example.com".into()),
        ];
        wait(scene.admin().create(Table::Tasks, id, &cells)).unwrap();
        id.to_string()
    };
    let oldest = orphan();
    orphan();
    // The original's mirrors have random identities: they are looked for where it ran.
    let state =
        r#"{"admin_user_id": null, "shared_workers": ["0193f0a1-b2c3-7d4e-8f90-112233445566"]}"#;
    std::fs::write(scene.place.path().join(".orchestrator_state.json"), state).unwrap();
    let ran = scene.orchestrates();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mirrors = scene.mirrors(task);
    assert_eq!(mirrors.len(), 2, "no third one is made");
    let (live, ended): (Vec<_>, Vec<_>) = mirrors
        .iter()
        .partition(|mirror| mirror["cr_reason"] != "duplicate");
    assert_eq!((live.len(), ended.len()), (1, 1), "{mirrors:#?}");
    assert_eq!(live[0]["cr_shraga_taskid"], oldest);
    assert_eq!(ended[0]["cr_status"], 9);
}
