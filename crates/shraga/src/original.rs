//! What the original would have done with the rows there are: for comparing, never done here.
//!
//! It is the behaviour of `orchestrator.py` in its last form, written down: what it found, the three
//! requests it made for each task, and whom it assigned to. It kept its turn in memory, so it began with
//! the first worker at each start, and it took a turn whether or not the assignment was written.

use serde_json::{Map, Value, json};
use shraga_core::ids::{TaskId, UserId, WorkerId};
use shraga_core::row::{Table, tasks};
use shraga_core::status::{TaskStatus, WorkPhase};
use shraga_dataverse::{Client, Error};
use shraga_wire::filter::{Filter, Literal};
use shraga_wire::query::Query;
use uuid::Uuid;

/// The rows that one page held, which was all the original looked at.
const PAGE: u32 = 5000;

/// What it called a task without a name.
const UNNAMED: &str = "Unnamed Task";

/// A task that the original would have found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The person's row.
    pub id: TaskId,
    /// The task's name.
    pub name: String,
    prompt: Option<String>,
    email: Option<String>,
}

/// One request it would have made.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// `POST` or `PATCH`.
    pub method: &'static str,
    /// Which row, in words.
    pub row: String,
    /// What it would have set.
    pub cells: Map<String, Value>,
}

/// The original, as far as it has a memory.
#[derive(Debug, Default)]
pub struct Original {
    turn: usize,
}

/// The rows that the original would have found, by its own question.
///
/// # Errors
/// Any error of the request.
pub async fn find(client: &Client, admin: Option<UserId>) -> Result<Vec<Found>, Error> {
    let key = client.names().primary_id(Table::Tasks).to_owned();
    let mut filter = Filter::eq(tasks::STATUS.name(), TaskStatus::Pending.code())
        .and(Filter::eq(tasks::IS_MIRROR.name(), false))
        .and(Filter::is_null(tasks::MIRROR_LINK.name()));
    if let Some(admin) = admin {
        filter = filter.and(Filter::ne("_ownerid_value", Literal::Guid(admin.get())));
    }
    let columns = [tasks::NAME, tasks::PROMPT, tasks::EMAIL].map(|column| column.name().to_owned());
    let query = Query {
        select: columns.into_iter().chain([key.clone()]).collect(),
        filter: Some(filter),
        ..Query::default()
    };
    let page = client.page(Table::Tasks, &query, Some(PAGE)).await?;
    let mut found = Vec::with_capacity(page.rows.len());
    for row in page.rows {
        let cells = row.object()?;
        let text = |name: &str| cells.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text(&key).and_then(|id| Uuid::parse_str(&id).ok());
        found.extend(id.map(|id| Found {
            id: TaskId::new(id),
            name: text(tasks::NAME.name()).unwrap_or_default(),
            prompt: text(tasks::PROMPT.name()),
            email: text(tasks::EMAIL.name()),
        }));
    }
    Ok(found)
}

impl Original {
    /// The requests it would have made for a task. Without workers it only said that it found it.
    pub fn requests(
        &mut self,
        task: &Found,
        workers: &[WorkerId],
        admin: Option<UserId>,
    ) -> Vec<Request> {
        if workers.is_empty() {
            return Vec::new();
        }
        let worker = workers[self.turn % workers.len()];
        self.turn += 1;
        vec![
            Request {
                method: "POST",
                row: "a new mirror".to_owned(),
                cells: mirror(task, admin),
            },
            Request {
                method: "PATCH",
                row: format!("task {}", task.id.short()),
                cells: cells([(tasks::MIRROR_LINK.name(), json!("the new mirror's id"))]),
            },
            Request {
                method: "PATCH",
                row: "the new mirror".to_owned(),
                cells: cells([
                    (tasks::STATUS.name(), json!(TaskStatus::Running.code())),
                    (tasks::ASSIGNED_WORKER.name(), json!(worker.to_string())),
                    (
                        tasks::WORK_PHASE.name(),
                        json!(WorkPhase::Assigned.as_str()),
                    ),
                ]),
            },
        ]
    }
}

fn mirror(task: &Found, admin: Option<UserId>) -> Map<String, Value> {
    let name = match task.name.as_str() {
        "" => UNNAMED,
        name => name,
    };
    let mut mirror = cells([
        (tasks::NAME.name(), json!(name)),
        (tasks::PROMPT.name(), json!(task.prompt)),
        (tasks::STATUS.name(), json!(TaskStatus::Pending.code())),
        (tasks::IS_MIRROR.name(), json!(true)),
        (tasks::MIRROR_OF.name(), json!(task.id.to_string())),
        (tasks::TRANSCRIPT.name(), json!("")),
        (tasks::RESULT.name(), json!("")),
    ]);
    if let Some(email) = &task.email {
        mirror.insert(tasks::EMAIL.name().to_owned(), json!(email));
    }
    if let Some(admin) = admin {
        let owner = json!(format!("/systemusers({admin})"));
        mirror.insert("ownerid@odata.bind".to_owned(), owner);
    }
    mirror
}

fn cells<const N: usize>(cells: [(&str, Value); N]) -> Map<String, Value> {
    cells
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl Request {
    /// In a line, without the prompt.
    #[must_use]
    pub fn says(&self) -> String {
        let sets = |(name, value): (&String, &Value)| match value {
            Value::String(text) if name == tasks::PROMPT.name() => {
                format!("{name}: {} characters", text.chars().count())
            }
            value => format!("{name}: {value}"),
        };
        let cells: Vec<String> = self.cells.iter().map(sets).collect();
        format!("{} {} {{{}}}", self.method, self.row, cells.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> Found {
        Found {
            id: TaskId::new(Uuid::nil()),
            name: name.to_owned(),
            prompt: Some("secret".to_owned()),
            email: None,
        }
    }

    #[test]
    fn the_original_took_workers_in_turn_from_the_first_and_did_nothing_without() {
        let workers = [1, 2].map(|n| WorkerId::new(Uuid::from_u128(n)));
        let mut original = Original::default();
        assert_eq!(original.requests(&found("a"), &[], None), []);
        let mut given = Vec::new();
        for _ in 0..3 {
            let requests = original.requests(&found("a"), &workers, None);
            given.push(requests[2].cells["cr_assignedworkerid"].clone());
        }
        let [one, two] = workers.map(|id| json!(id.to_string()));
        assert_eq!(given, [one.clone(), two, one]);
    }

    #[test]
    fn a_request_in_words_shows_no_prompt() {
        let workers = [WorkerId::new(Uuid::nil())];
        let requests = Original::default().requests(&found(""), &workers, None);
        insta::assert_snapshot!(requests[0].says(), @r#"POST a new mirror {cr_name: "Unnamed Task", cr_prompt: 6 characters, cr_status: 1, cr_ismirror: true, cr_mirroroftaskid: "00000000-0000-0000-0000-000000000000", cr_transcript: "", cr_result: ""}"#);
    }
}
