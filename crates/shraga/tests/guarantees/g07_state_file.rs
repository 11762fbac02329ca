//! Guarantee 7: a state file that is corrupt, cut short, of wrong types or hostile is never fatal and never destroyed. It
//! is kept aside under a new name, each bad element is named, good elements are used, and identities are GUIDs.

use shraga_core::status::TaskStatus;
use shraga_testkit::site::Site;
use uuid::Uuid;

use crate::beside::{FILE, daemon, file, now, once, stage, state};
use crate::common::{Place, until};

/// Puts something that is no file where the file belongs.
type Make = dyn Fn(&std::path::Path);

/// Every broken content, with a word of what is said about it.
fn broken() -> Vec<(Vec<u8>, &'static str)> {
    let deep = format!("{{\"shared_workers\": {}", "[".repeat(100_000));
    vec![
        (b"{\"admin_user_id\": \"0193f0".to_vec(), "is not JSON"),
        (b"\x00\x01\xfe\x80\xff".to_vec(), "is not JSON"),
        (Vec::new(), "is not JSON"),
        (b"[1, 2]".to_vec(), "is not a JSON object"),
        (b"\xff\xfe{\x00}\x00".to_vec(), "UTF-16"),
        (deep.into_bytes(), "is not JSON"),
        (vec![b'7'; 3 * 1024 * 1024], "is larger than"),
        (
            br#"{"admin_user_id": {"x": []}, "shared_workers": "all"}"#.to_vec(),
            "shared_workers is not a list",
        ),
        (
            br#"{"shared_workers": ["' or cr_status eq 1 or '", "../../x"]}"#.to_vec(),
            "shared_workers[0]",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_07_every_broken_file_is_named_kept_aside_and_stops_nothing() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    for (bytes, words) in broken() {
        let place = Place::new();
        std::fs::write(file(&place), &bytes).unwrap();
        let task = ann.files("one").await;
        let ran = once(&place, &site);
        assert_eq!(ran.code, 0, "{words}: {}", ran.err);
        assert!(ran.err.contains(words), "{words:?} is not in {}", ran.err);
        assert_eq!(site.stage.mirrors(task).await.len(), 1);
        let kept = place.path().join(format!("{FILE}.kept-1"));
        assert_eq!(std::fs::read(kept).unwrap(), bytes, "{words}");
        assert!(ran.err.contains(".kept-1"), "{}", ran.err);
        assert_eq!(state(&place)["admin_user_id"], site.stage.admin.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_07_good_elements_are_used_and_bad_ones_never_reach_a_request() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let good = Uuid::now_v7();
    let text =
        format!(r#"{{"shared_workers": [null, "{good}", "x') or true", "{good}"], "kept": [1]}}"#);
    std::fs::write(file(&place), &text).unwrap();
    let task = ann.files("one").await;
    let ran = once(&place, &site);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for element in [
        "shared_workers[0]",
        "shared_workers[2]",
        "shared_workers[3]",
    ] {
        assert!(ran.err.contains(element), "{element}: {}", ran.err);
    }
    let mirror = site.stage.mirror(task).await;
    assert_eq!(mirror.status, TaskStatus::Running);
    assert_eq!(mirror.shown.worker.unwrap().get(), good);
    assert_eq!(state(&place)["shared_workers"], serde_json::json!([good]));
    assert_eq!(state(&place)["kept"], serde_json::json!([1]));
    assert_eq!(site.requests("or%20true") + site.requests("or+true"), 0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_07_what_is_no_readable_file_is_left_as_it_is() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let folder = |path: &std::path::Path| std::fs::create_dir(path).unwrap();
    let link = |path: &std::path::Path| std::os::unix::fs::symlink("nowhere", path).unwrap();
    let loops = |path: &std::path::Path| std::os::unix::fs::symlink(FILE, path).unwrap();
    let makes: [(&Make, &str); 3] = [
        (&folder, "is a folder"),
        (&link, "is a link to nothing"),
        (&loops, "can't be read"),
    ];
    for (make, words) in makes {
        let place = Place::new();
        make(&file(&place));
        let before = std::fs::symlink_metadata(file(&place)).unwrap().file_type();
        let task = ann.files("one").await;
        let ran = once(&place, &site);
        assert_eq!(ran.code, 0, "{words}: {}", ran.err);
        assert!(ran.err.contains(words), "{words:?} is not in {}", ran.err);
        let after = std::fs::symlink_metadata(file(&place)).unwrap().file_type();
        assert_eq!(before, after, "{words}");
        assert!(!place.path().join("nowhere").exists());
        assert_eq!(site.stage.mirrors(task).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantee_07_a_file_that_breaks_while_it_is_used_takes_no_worker_away() {
    let (stage, ann) = stage().await;
    let site = Site::start(stage, &[&ann]).await;
    let place = Place::new();
    let worker = Uuid::now_v7();
    let text = format!(r#"{{"shared_workers": ["{worker}"]}}"#);
    std::fs::write(file(&place), &text).unwrap();
    let mut daemon = daemon(&place, &site);
    until("it has saved who it is", || {
        std::fs::read_to_string(file(&place)).is_ok_and(|text| text.contains("admin_user_id"))
    });
    std::fs::write(file(&place), r#"{"shared_wor"#).unwrap();
    daemon.until_said(&["what it said before is still used"]);
    let task = ann.files("one").await;
    until("it is given to the worker", || {
        let mirrors = now(site.stage.mirrors(task));
        let given = mirrors.iter().filter_map(|mirror| mirror.shown.worker);
        given.into_iter().any(|id| id.get() == worker)
    });
    assert!(daemon.stop().success());
}
