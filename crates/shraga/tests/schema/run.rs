//! Running `apply` against a store in this process, and listening to what it says.

use std::time::Duration;

use shraga::schema::apply::{Ended, Options, Said, apply};
use shraga::schema::{Findings, check};
use shraga_dataverse::{Client, Error};
use shraga_testkit::faults::{Faults, When};
use shraga_testkit::stage::{Kind, Stage};
use shraga_wire::schema::{TableDef, Wanted};

/// A store, a client of its admin, and what goes wrong between the two.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) client: Client,
    pub(crate) faults: Faults,
}

impl World {
    pub(crate) async fn with(tables: Vec<TableDef>) -> Self {
        let stage = Stage::with(Kind::Embedded, tables).await;
        let faults = Faults::new();
        let client = stage.admin_client(&faults);
        Self {
            stage,
            client,
            faults,
        }
    }

    pub(crate) async fn check(&self) -> Findings {
        check(&self.client).await.unwrap()
    }

    /// Adds what is missing; how it ended, and what it said.
    pub(crate) async fn apply(&self) -> (Ended, Vec<String>) {
        self.apply_for(self.client.names().wanted()).await
    }

    pub(crate) async fn apply_for(&self, wanted: Vec<Wanted>) -> (Ended, Vec<String>) {
        let mut said = Vec::new();
        let options = options(wanted);
        let ended = apply(&self.client, &options, &mut |it| said.push(words(&it))).await;
        (ended.unwrap(), said)
    }

    /// Adds what is missing and expects that nothing is left to say.
    pub(crate) async fn completes(&self) -> Vec<String> {
        let (ended, said) = self.apply().await;
        assert!(done(ended).all.is_empty());
        assert_eq!(self.check().await, Findings::default());
        said
    }
}

/// Patient beyond need, and quick: nothing here has to be waited for in real time.
pub(crate) fn options(wanted: Vec<Wanted>) -> Options {
    Options {
        wanted,
        solution: None,
        limit: Duration::from_secs(300),
        first_wait: Duration::from_millis(1),
    }
}

#[track_caller]
pub(crate) fn done(ended: Ended) -> Findings {
    match ended {
        Ended::Done(found) => found,
        other => panic!("not done: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused(ended: Ended) -> (String, Error) {
    match ended {
        Ended::Refused(step, error) => (step.to_string(), *error),
        other => panic!("not refused: {other:?}"),
    }
}

fn words(said: &Said<'_>) -> String {
    match said {
        Said::Taking(step, at, of) => format!("{at}/{of} {step}"),
        Said::Later(error) => format!("later: {}", error.kind()),
        Said::Waiting(finding) => format!("waiting: {}", finding.place()),
    }
}

/// The next read of this path that carries this text in its address.
pub(crate) fn read_of(path: &'static str, text: &'static str) -> When {
    When::matching(path, move |request| {
        let address = request.uri().to_string();
        request.method() == http::Method::GET && address.contains(path) && address.contains(text)
    })
}
