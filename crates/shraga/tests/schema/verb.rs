//! The verb, through the binary, at a store behind a real socket.

use std::process::Command;

use serde_json::Value;
use shraga_local::http;
use shraga_local::ops::{Principal, Role};
use shraga_local::serve::{self, ListenOptions, Listener, Tls};
use shraga_local::store::{Store, TokenRequest};
use shraga_testkit::original;
use shraga_testkit::site::{ADMIN_TOKEN, Site};
use shraga_testkit::stage::{Kind, Stage};
use shraga_wire::schema::TableDef;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::common::{Place, Ran};

/// A store that is served, and a place from which it is talked to.
struct Far {
    place: Place,
    url: String,
    token: String,
    stop: CancellationToken,
    _runtime: Runtime,
    _folder: TempDir,
}

impl Far {
    fn with(tables: Vec<TableDef>) -> Self {
        let folder = TempDir::new().unwrap();
        let runtime = Runtime::new().unwrap();
        let store = Store::open(folder.path(), tables).unwrap();
        let token = runtime.block_on(admin_token(&store));
        let stop = CancellationToken::new();
        let url = {
            let _inside = runtime.enter();
            let options = ListenOptions {
                addr: ([127, 0, 0, 1], 0).into(),
                tls: Tls::Off,
                insecure: false,
            };
            let listener = Listener::bind(&options).unwrap();
            let url = listener.url();
            runtime.spawn(serve::run(listener, http::service(store), stop.clone()));
            url
        };
        Self {
            place: Place::new(),
            url,
            token,
            stop,
            _runtime: runtime,
            _folder: folder,
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        command.env("DATAVERSE_URL", &self.url);
        command.env("DATAVERSE_TOKEN", &self.token);
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    fn findings(&self) -> Value {
        serde_json::from_str(&self.run(&["schema", "check", "--json"]).out).unwrap()
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn admin_token(store: &Store) -> String {
    let root = Principal {
        user: Uuid::nil(),
        role: Role::Admin,
        worker: None,
        on_behalf_by: None,
        session: None,
    };
    let request = TokenRequest {
        user: "admin@localhost".to_owned(),
        role: Role::Admin,
        worker: None,
        pool: None,
        slots: None,
        labels: None,
    };
    let made = store.create_token(&root, request).await.unwrap();
    made.token
}

/// What the program says when it is tried beside the store that it would work with.
fn trial(command: &mut Command) -> Value {
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_program_that_is_tried_says_what_it_reads_and_changes_nothing() {
    let place = Place::new();
    let alone = trial(&mut place.command(&["schema", "trial", "--json"]));
    assert_eq!(alone["database"], Value::Null);
    assert!(!place.data().exists());
    let _store = place.start(&["serve"]);
    let beside = trial(&mut place.command(&["schema", "trial", "--json"]));
    let database = &beside["database"];
    assert!(database["found"].is_i64(), "{beside}");
    assert_eq!(database["found"], database["known"]);
    assert_eq!(beside["missing"], serde_json::json!([]));
}

#[test]
fn a_program_that_is_tried_says_what_dataverse_lacks() {
    let runtime = Runtime::new().unwrap();
    let place = Place::new();
    for (tables, missing, without) in [(Vec::new(), true, true), (original::tables(), false, true)]
    {
        let site = runtime.block_on(async {
            let stage = Stage::with(Kind::Dataverse, tables).await;
            Site::start(stage, &[]).await
        });
        let mut command = place.command(&["schema", "trial", "--json"]);
        command
            .env("DATAVERSE_URL", &site.url)
            .env("DATAVERSE_TOKEN", ADMIN_TOKEN);
        let said = trial(&mut command);
        let lacks = |name: &str| !said[name].as_array().unwrap().is_empty();
        assert_eq!(
            (lacks("missing"), lacks("without")),
            (missing, without),
            "{said}"
        );
        assert_eq!(site.writes(), 0);
    }
    let mut command = place.command(&["schema", "trial", "--json"]);
    command
        .env("DATAVERSE_URL", "http://127.0.0.1:1")
        .env("DATAVERSE_TOKEN", "none");
    let said = trial(&mut command);
    assert!(said["unseen"].is_string(), "{said}");
}

#[test]
fn a_store_without_tables_is_completed_from_the_command_line() {
    let far = Far::with(Vec::new());
    far.run(&["schema", "check"])
        .fails(1, &["can't work with these tables yet"]);
    assert_eq!(far.findings()["usable"], false);

    let asked = far.run(&["schema", "apply"]);
    asked.fails(2, &["nothing was changed", "--yes"]);
    let shown = far.run(&["schema", "apply", "--dry-run"]);
    assert_eq!(
        (shown.code, shown.out.lines().count()),
        (0, 4),
        "{}",
        shown.out
    );
    assert_eq!(far.findings()["usable"], false, "a dry run changes nothing");

    let applied = far.run(&["schema", "apply", "--yes", "--solution", "ShragaTables"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    assert!(
        applied.err.contains("4/4  create cr_shraga_users"),
        "{}",
        applied.err
    );
    let found = far.findings();
    assert_eq!(
        (
            &found["usable"],
            found["findings"].as_array().unwrap().len()
        ),
        (&Value::Bool(true), 0)
    );
    let again = far.run(&["schema", "apply"]);
    assert_eq!(again.code, 0, "nothing to ask about: {}", again.err);
}

#[test]
fn what_is_optional_is_named_and_does_not_fail_the_check() {
    let far = Far::with(original::tables());
    let ran = far.run(&["schema", "check"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.out.contains("cr_shraga_tasks.cr_attempt"),
        "{}",
        ran.out
    );
    assert!(
        ran.err.contains("without what is named above"),
        "{}",
        ran.err
    );
    let found = far.findings();
    let first = &found["findings"][0];
    assert_eq!(
        (&found["usable"], &first["required"]),
        (&true.into(), &false.into())
    );
    assert!(first["fix"].as_str().unwrap().contains("schema apply"));
}

#[test]
fn the_embedded_store_has_all_of_it_by_itself() {
    let place = Place::new();
    let _store = place.start(&["serve"]);
    let ran = place.run(&["schema", "check"]);
    assert_eq!((ran.code, &*ran.out), (0, ""), "{}", ran.err);
    assert!(
        ran.err.contains("everything Shraga wants is there"),
        "{}",
        ran.err
    );
}

#[test]
fn the_wanted_tables_are_printed_without_any_store() {
    let place = Place::with_config("[schema]\ntasks = \"contoso_jobs\"\n");
    let ran = place.run(&["schema", "print"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("contoso_jobs") && ran.out.contains("cr_workerstatus"));
    let tables = place.json(&["schema", "print"]);
    assert_eq!(tables[0]["schema_name"], "contoso_Job");
    let columns = tables[0]["columns"].as_array().unwrap();
    let status = columns
        .iter()
        .find(|it| it["column"] == "cr_status")
        .unwrap();
    assert_eq!(
        (&status["type"], &status["options"][8]["value"]),
        (&"choice".into(), &11.into())
    );
}

#[test]
fn a_solutions_name_is_checked_before_anything_is_asked() {
    let place = Place::new();
    place
        .run(&["schema", "apply", "--solution", "two words"])
        .fails(2, &["letters, digits and underscores"]);
}
