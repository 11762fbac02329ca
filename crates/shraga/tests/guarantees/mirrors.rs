//! A scene seen by its mirrors: what the store holds, what was asked for, and how requests for mirrors are spoiled.

use serde_json::Value as Json;
use shraga_core::ids::{MirrorId, TaskId};
use shraga_core::row::Table;
use shraga_dataverse::transport::{NetworkOptions, network};
use shraga_dataverse::{Client, Options};
use shraga_testkit::evil::{Act, Request, reply};
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::Query;

use crate::common::Ran;
use crate::scene::Scene;

impl Scene {
    /// A person files a task, straight at the store.
    pub(crate) fn files(&self, prompt: &str) -> TaskId {
        self.place.submit(&[prompt]).parse().unwrap()
    }

    /// The real orchestrator, through the spoiling server, until it finds nothing to do.
    pub(crate) fn orchestrates(&self) -> Ran {
        let mut command = self.place.command(&["orchestrate", "--once"]);
        command
            .env("DATAVERSE_URL", self.evil.url())
            .env("DATAVERSE_TOKEN", self.admin_token());
        Ran::of(command.output().unwrap())
    }

    /// From now on `$batch` is refused with this status.
    pub(crate) fn refuses_batches(&self, status: &str) {
        let body = r#"{"error":{"code":"0x80060888","message":"no such thing here"}}"#;
        let kind = ["Content-Type: application/json"];
        self.evil.whenever(is_batch, reply(status, &kind, body));
    }

    /// Every mirror of a task, as the store holds it.
    pub(crate) fn mirrors(&self, task: TaskId) -> Vec<Json> {
        let equals = |column: &str, value| {
            let column = Operand::Column(column.to_owned());
            Filter::Compare(column, Comparison::Eq, Operand::Literal(value))
        };
        let of = equals("cr_mirroroftaskid", Literal::Text(task.to_string()));
        let query = Query {
            filter: Some(Filter::And(vec![
                of,
                equals("cr_ismirror", Literal::Bool(true)),
            ])),
            ..Query::default()
        };
        let rows = wait(self.admin().list(Table::Tasks, &query)).unwrap();
        let json = |row: &shraga_dataverse::Row| Json::Object(row.object().unwrap());
        rows.iter().map(json).collect()
    }

    /// The one mirror of a task, which its row links.
    #[track_caller]
    pub(crate) fn one_linked_mirror(&self, task: TaskId) -> Json {
        let mut mirrors = self.mirrors(task);
        assert_eq!(mirrors.len(), 1, "{mirrors:#?}");
        let mirror = mirrors.remove(0);
        let row = wait(self.admin().get(Table::Tasks, task.get(), &[])).unwrap();
        let row = row.unwrap().object().unwrap();
        assert_eq!(row["cr_mirrortaskid"], mirror["cr_shraga_taskid"]);
        mirror
    }

    /// A client with the admin's rights, straight at the store.
    pub(crate) fn admin(&self) -> Client {
        let endpoint = self.place.endpoint();
        let mut options = options(endpoint["url"].as_str().unwrap());
        options.token = Some(self.admin_token().into());
        Client::new(options).unwrap()
    }

    /// The requests that carry all of these words.
    pub(crate) fn seen(&self, words: &[&str]) -> Vec<String> {
        let all = self.evil.seen().into_iter().map(|request| request.text);
        all.filter(|text| words.iter().all(|word| text.contains(word)))
            .collect()
    }
}

/// Options for a client of the server at this address.
pub(crate) fn options(address: &str) -> Options {
    let transport = network(&NetworkOptions {
        no_proxy: true,
        ..NetworkOptions::default()
    });
    let mut options = Options::new(address.parse().unwrap(), transport.unwrap());
    options.first_retry_delay = std::time::Duration::from_millis(1);
    options
}

/// Waits for a future, in a test without a runtime.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// Where the mirror of a task belongs.
pub(crate) fn computed(task: TaskId) -> String {
    MirrorId::of(task, 0).to_string()
}

pub(crate) fn is_batch(request: &Request) -> bool {
    request.text.starts_with("POST /api/data/v9.2/$batch ")
}

/// A request that makes a mirror.
pub(crate) fn makes_mirror(request: &Request) -> bool {
    request.is_write() && request.text.contains("\"cr_mirroroftaskid\":\"")
}

/// A request of its own that links a person's row.
pub(crate) fn links(request: &Request) -> bool {
    request.text.starts_with("PATCH ") && request.text.contains("\"cr_mirrortaskid\":\"")
}

/// The service is away for a moment.
pub(crate) fn away() -> Act {
    reply("503 Service Unavailable", &[], "")
}
