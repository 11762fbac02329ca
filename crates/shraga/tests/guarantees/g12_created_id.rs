//! Guarantee 12: the created row's identity and version are known without another request: chosen by us in a change
//! set; where the store chooses, from the representation asked for, then from `OData-EntityId`.

use shraga_core::ids::Etag;
use shraga_core::row::{ChangeSet, Table, Write, tasks};
use shraga_dataverse::{Client, OnRefusal, Outcome};
use shraga_testkit::evil::{Act, Evil, json, reply};
use uuid::Uuid;

use crate::mirrors::{computed, options, wait};
use crate::scene::Scene;

const GIVEN: &str = "0193f0a1-b2c3-7d4e-8f90-112233445566";

fn refused() -> Act {
    let body = r#"{"error":{"code":"0x80040203","message":"no identity of yours"}}"#;
    reply("400 Bad Request", &[], body)
}

fn represented() -> Act {
    let row = format!(r#"{{"@odata.etag":"W/\"7\"","cr_shraga_taskid":"{GIVEN}"}}"#);
    reply("201 Created", &["Content-Type: application/json"], &row)
}

fn addressed() -> Act {
    let header = format!("OData-EntityId: http://x/api/data/v9.2/cr_shraga_tasks({GIVEN})");
    reply("204 No Content", &[&header], "")
}

/// A store that takes no identity of ours, has said so, and answers what is made like this.
fn store(answers: Vec<Act>) -> Evil {
    let gone = || reply("204 No Content", &[], "");
    let found_out = [refused(), refused(), represented(), gone()];
    Evil::with(found_out.into_iter().chain(answers))
}

fn client(store: &Evil) -> Client {
    Client::new(options(&store.url())).unwrap()
}

fn names(store: &Evil) -> Vec<String> {
    let first = |text: String| text.split(' ').next().unwrap_or_default().to_owned();
    store.seen().into_iter().map(|it| first(it.text)).collect()
}

#[test]
fn guarantee_12_in_a_change_set_the_identity_is_ours() {
    let scene = Scene::new();
    let task = scene.files("one");
    assert_eq!(scene.orchestrates().code, 0);
    let making = scene.seen(&["\"cr_mirroroftaskid\":\""]);
    let address = format!("PATCH /api/data/v9.2/cr_shraga_tasks({})", computed(task));
    assert!(
        making[0].contains(&address),
        "it is made under its identity"
    );
}

#[test]
fn guarantee_12_where_the_store_chooses_the_representation_tells_identity_and_version() {
    let store = store(vec![represented()]);
    let client = client(&store);
    let made = wait(client.create(Table::Tasks, Uuid::now_v7(), &[])).unwrap();
    assert_eq!(made.id.to_string(), GIVEN);
    assert_eq!(made.etag, Some(Etag::new("W/\"7\"")));
    assert!(
        !names(&store).contains(&"GET".to_owned()),
        "nothing is read"
    );
    let asked = store.seen().pop().unwrap().text.to_ascii_lowercase();
    assert!(asked.contains("prefer: return=representation"), "{asked}");
}

#[test]
fn guarantee_12_without_a_representation_the_address_in_the_answer_tells_the_identity() {
    let store = store(vec![addressed()]);
    let made = wait(client(&store).create(Table::Tasks, Uuid::now_v7(), &[])).unwrap();
    assert_eq!(made.id.to_string(), GIVEN);
    assert!(
        !names(&store).contains(&"GET".to_owned()),
        "nothing is read"
    );
}

#[test]
fn guarantee_12_the_link_names_the_mirror_by_what_the_answer_said() {
    let (batch, who) = (
        reply("501 Not Implemented", &[], ""),
        json(&format!(r#"{{"UserId":"{GIVEN}"}}"#)),
    );
    let linked = reply("204 No Content", &[], "");
    let store = store(vec![
        represented(),
        batch,
        who.clone(),
        who,
        represented(),
        linked,
    ]);
    let client = client(&store);
    wait(client.create(Table::Tasks, Uuid::now_v7(), &[])).unwrap();
    wait(client.read_batch(&[])).ok();
    let (planned, person) = (Uuid::now_v7(), Uuid::now_v7());
    let link = vec![(tasks::MIRROR_LINK, planned.into())];
    let set = ChangeSet {
        task: None,
        why: "make a mirror, then link it".to_owned(),
        writes: vec![
            Write::create(
                Table::Tasks,
                planned,
                vec![(tasks::MIRROR_OF, person.into())],
            ),
            Write::update(Table::Tasks, person, &Etag::new("W/\"1\""), link),
        ],
    };
    let applied = wait(client.apply(&[set], OnRefusal::Continue)).unwrap();
    assert!(
        matches!(applied.outcomes[0], Outcome::Done(_)),
        "{applied:?}"
    );
    let link = store.seen().pop().unwrap().text;
    assert!(link.starts_with("PATCH "), "{link}");
    assert!(
        link.contains(&format!("\"cr_mirrortaskid\":\"{GIVEN}\"")),
        "{link}"
    );
}
