//! What the store was told of an attempt by the processes before this one: where its stream stands, and
//! which lines of its agent are in it.
//!
//! An agent's output is read again from its first byte on, so that its kind can make sense of it; the
//! lines that come of it are held back as long as they are the ones in the store. The store alone knows
//! which arrived.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::join_all;
use shraga_core::audit::attempt_stream;
use shraga_core::model::StreamHead;
use shraga_core::row::Table;
use shraga_core::status::EventKind;
use shraga_core::worker::{Resumed, as_told};
use shraga_dataverse::rows::{self, Event};
use shraga_dataverse::{Client, Error};
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::{OrderBy, Query};

use super::{About, Survivor};

/// How far a line is looked for among those in the store. What the worker itself said in between isn't
/// said again; further on, it is another line that reads the same.
const WINDOW: usize = 16;

/// How long the store may take to tell. The next beat waits for it.
const WITHIN: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    head: Option<StreamHead>,
    lines: VecDeque<String>,
}

impl Told {
    /// Those of `lines` that are not in the store.
    pub(crate) fn hold_back(&mut self, mut lines: Vec<String>) -> Vec<String> {
        lines.retain(|line| {
            if self.lines.is_empty() {
                return true;
            }
            let line = as_told(line);
            let found = self.lines.iter().take(WINDOW).position(|it| *it == line);
            if let Some(place) = found {
                self.lines.drain(..=place);
            }
            found.is_none()
        });
        lines
    }

    /// From the events of the attempt, each stream's in its order.
    fn of(events: &[Event], about: &About) -> Self {
        let own = attempt_stream(about.worker, about.attempt, about.boot);
        let late = format!("{own}/late");
        let mut told = Self {
            head: Some(StreamHead::default()),
            lines: VecDeque::new(),
        };
        for stream in [own.as_str(), late.as_str()] {
            for event in events.iter().filter(|event| event.stream == stream) {
                told.head = Some(StreamHead {
                    sequence: event.sequence,
                    hash: event.hash.clone(),
                    stream: (stream == late).then(|| late.clone()),
                });
                if event.kind == Ok(EventKind::AgentMessage) {
                    told.lines.extend(lines_of(&event.content));
                }
            }
        }
        told
    }
}

fn lines_of(content: &str) -> Vec<String> {
    let content: Option<serde_json::Value> = serde_json::from_str(content).ok();
    let lines = content.as_ref().and_then(|content| content.get("lines"));
    let lines = lines.and_then(serde_json::Value::as_array).into_iter();
    let lines = lines.flatten().filter_map(serde_json::Value::as_str);
    lines.map(str::to_owned).collect()
}

impl Survivor {
    /// The same for the machine.
    pub(crate) fn resumed(&self, told: &Told) -> Resumed {
        Resumed {
            mirror: self.about.mirror,
            task: self.about.task,
            user: self.about.user,
            attempt: self.about.attempt,
            head: told.head.clone(),
        }
    }
}

/// Reads what the store was told of each. What can't be read costs lines told twice, not the attempt.
pub(crate) async fn read_told(client: &Client, survivors: &[Survivor]) -> Vec<(Survivor, Told)> {
    let reads = survivors.iter().map(|survivor| async {
        let read = tokio::time::timeout(WITHIN, events(client, &survivor.about)).await;
        let told = match read {
            Ok(Ok(events)) => Some(Told::of(&events, &survivor.about)),
            Ok(Err(_)) | Err(_) => None,
        };
        if told.is_none() {
            let task = survivor.about.task;
            tracing::warn!(task.id = %task, "its events can't be read: lines may be told twice");
        }
        (survivor.clone(), told.unwrap_or_default())
    });
    join_all(reads).await
}

async fn events(client: &Client, about: &About) -> Result<Vec<Event>, Error> {
    if !client.absent().has_table(Table::Events) {
        return Ok(Vec::new());
    }
    let equals = |column: &str, literal| {
        let column = Operand::Column(column.to_owned());
        Filter::Compare(column, Comparison::Eq, Operand::Literal(literal))
    };
    let query = Query {
        select: rows::select::EVENT
            .iter()
            .map(|column| (*column).to_owned())
            .collect(),
        filter: Some(Filter::And(vec![
            equals("cr_taskid", Literal::Text(about.task.to_string())),
            equals("cr_attempt", Literal::Int(i64::from(about.attempt.0))),
        ])),
        order_by: ["cr_stream", "cr_sequence"]
            .map(|column| OrderBy {
                column: column.to_owned(),
                descending: false,
            })
            .to_vec(),
        ..Query::default()
    };
    let rows = client.list(Table::Events, &query).await?;
    let events = rows.iter().filter_map(|row| rows::event(row).ok());
    Ok(events.collect())
}
