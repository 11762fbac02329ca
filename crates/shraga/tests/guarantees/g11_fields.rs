//! Guarantee 11: a mirror has every field from the start, `cr_transcript` and `cr_result` among them, as empty text.

use crate::scene::Scene;

/// What a mirror has, from the request that makes it on.
const FIELDS: [&str; 12] = [
    "cr_name",
    "cr_prompt",
    "cr_status",
    "cr_transcript",
    "cr_result",
    "cr_ismirror",
    "cr_mirroroftaskid",
    "crb3b_devbox",
    "cr_priority",
    "cr_rank",
    "cr_attempt",
    "cr_losses",
];

fn has_every_field(scene: &Scene) {
    let making = scene.seen(&["\"cr_mirroroftaskid\":\""]);
    assert_eq!(making.len(), 1);
    for field in FIELDS {
        assert!(making[0].contains(&format!("\"{field}\":")), "{field}");
    }
    for empty in ["\"cr_transcript\":\"\"", "\"cr_result\":\"\""] {
        assert!(making[0].contains(empty), "{empty}");
    }
    assert!(making[0].contains("ownerid@odata.bind"), "its owner");
}

#[test]
fn guarantee_11_a_mirror_is_made_with_every_field() {
    let scene = Scene::new();
    let task = scene.files("one");
    assert_eq!(scene.orchestrates().code, 0);
    has_every_field(&scene);
    let mirror = scene.one_linked_mirror(task);
    assert!(mirror["cr_userid"].is_string(), "the person is known too");
}

#[test]
fn guarantee_11_a_mirror_made_without_a_change_set_has_them_too_and_its_person_once_it_is_linked() {
    let scene = Scene::new();
    let task = scene.files("one");
    scene.refuses_batches("501 Not Implemented");
    assert_eq!(scene.orchestrates().code, 0);
    has_every_field(&scene);
    let mirror = scene.one_linked_mirror(task);
    assert!(
        mirror["cr_userid"].is_string(),
        "adopted once it was linked"
    );
}
