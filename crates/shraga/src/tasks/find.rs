//! Finding a task by its identity or by the start of it.

use shraga_core::ids::{TaskId, UserId};
use shraga_core::row::{Table, tasks};
use shraga_dataverse::Client;
use shraga_wire::filter::Filter;
use shraga_wire::query::{OrderBy, Query};
use uuid::Uuid;

use super::view::{COLUMNS, TaskView, mine};
use crate::display::clean::one_line;
use crate::exit::{Exit, Failure};
use crate::roles::session::Session;

/// Among how many of the newest tasks a shortened identity is looked for: one page of Dataverse.
/// More would make a slip of the finger read a whole table.
const NEWEST: u32 = 5000;

/// How many candidates an ambiguous identity lists before it says "and more".
const LISTED: usize = 8;

/// How many tasks that try one again are named.
const RETRIES: u32 = 3;

/// The least digits a shortened identity is shown with.
const LEAST_DIGITS: usize = 8;

/// The task that `text` means.
///
/// # Errors
/// There is none, or more than one.
pub async fn find(session: &Session, text: &str) -> Result<TaskView, Failure> {
    if let Ok(id) = Uuid::parse_str(text.trim()) {
        return get(&session.client, TaskId::new(id))
            .await?
            .ok_or_else(|| none(text));
    }
    let wanted = digits(text);
    if wanted.is_empty() || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::new(
            Exit::Usage,
            format!(
                "`{}` is not an identity nor the start of one",
                one_line(text)
            ),
        )
        .hint("`shraga list` shows the tasks with their identities"));
    }
    let key = session.client.names().primary_id(Table::Tasks).to_owned();
    let query = Query {
        select: vec![key.clone(), "cr_name".to_owned()],
        filter: Some(mine(owner(session))),
        order_by: vec![OrderBy {
            column: "createdon".to_owned(),
            descending: true,
        }],
        top: Some(NEWEST),
        ..Query::default()
    };
    let mut found = Vec::new();
    for row in session.client.list(Table::Tasks, &query).await? {
        let row = row.object().map_err(shraga_dataverse::Error::from)?;
        let text = |name: &str| row.get(name).and_then(serde_json::Value::as_str);
        let id = text(&key).and_then(|id| id.parse::<TaskId>().ok());
        if let Some(id) = id.filter(|id| digits(&id.to_string()).starts_with(&wanted)) {
            found.push((id, text("cr_name").unwrap_or_default().to_owned()));
        }
    }
    match found.as_slice() {
        [] => Err(none(text)),
        [(id, _)] => get(&session.client, *id).await?.ok_or_else(|| none(text)),
        several => Err(ambiguous(text, several)),
    }
}

/// A task by its whole identity.
///
/// # Errors
/// Any error of the request, or a row that can't be understood.
pub async fn get(client: &Client, id: TaskId) -> Result<Option<TaskView>, Failure> {
    let row = client.get(Table::Tasks, id.get(), COLUMNS).await?;
    let key = client.names().primary_id(Table::Tasks);
    let view = row.map(|row| TaskView::read(&row, key)).transpose();
    Ok(view.map_err(shraga_dataverse::Error::from)?)
}

/// One's own tasks that try `task` again, the newest first. Nobody files it again before it is there, so
/// only what is younger is read.
///
/// # Errors
/// Any error of the request, or a row that can't be understood.
pub async fn retries(session: &Session, task: &TaskView) -> Result<Vec<TaskId>, Failure> {
    if !session.client.absent().has(Table::Tasks, tasks::RETRY_OF) {
        return Ok(Vec::new());
    }
    let key = session.client.names().primary_id(Table::Tasks).to_owned();
    let mine = mine(Some(session.me));
    let again = Filter::eq(tasks::RETRY_OF.name(), task.id.to_string());
    let query = Query {
        select: vec![key.clone()],
        filter: Some(match jiff::Timestamp::from_second(task.created.as_secs()) {
            Ok(at) => mine.and(Filter::ge("createdon", at)).and(again),
            Err(_) => mine.and(again),
        }),
        order_by: vec![OrderBy {
            column: "createdon".to_owned(),
            descending: true,
        }],
        top: Some(RETRIES),
        ..Query::default()
    };
    let rows = session.client.list(Table::Tasks, &query).await?;
    let ids = rows.iter().filter_map(|row| {
        let row = row.object().ok()?;
        row.get(&key)?.as_str()?.parse().ok()
    });
    Ok(ids.collect())
}

/// Whose tasks are meant: one's own, unless an admin asks.
fn owner(session: &Session) -> Option<UserId> {
    match session.role() {
        shraga_dataverse::Role::Admin => None,
        shraga_dataverse::Role::User | shraga_dataverse::Role::Worker => Some(session.me),
    }
}

/// Identities shortened as far as they stay apart from each other.
#[must_use]
pub fn shortened(ids: &[TaskId]) -> Vec<String> {
    let mut sorted: Vec<_> = ids.iter().map(TaskId::to_string).collect();
    sorted.sort_unstable();
    let shared = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let needed = sorted
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .map(|pair| shared(&pair[0], &pair[1]) + 1)
        .max()
        .unwrap_or(0)
        .max(LEAST_DIGITS);
    ids.iter()
        .map(|id| {
            let text = id.to_string();
            text[..needed.min(text.len())]
                .trim_end_matches('-')
                .to_owned()
        })
        .collect()
}

fn digits(id: &str) -> String {
    id.trim().to_ascii_lowercase().replace('-', "")
}

fn none(text: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("there is no task `{}`", one_line(text)),
    )
    .hint("`shraga list` shows your tasks")
}

fn ambiguous(text: &str, found: &[(TaskId, String)]) -> Failure {
    let mut lines: Vec<_> = found
        .iter()
        .take(LISTED)
        .map(|(id, name)| format!("  {id}  {}", one_line(name)))
        .collect();
    if found.len() > LISTED {
        lines.push(format!("  and {} more", found.len() - LISTED));
    }
    let message = format!(
        "`{}` is the start of several tasks:\n{}",
        one_line(text),
        lines.join("\n")
    );
    Failure::new(Exit::Usage, message).hint("give more of the identity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> TaskId {
        text.parse().unwrap()
    }

    #[test]
    fn shortened_identities_stay_apart() {
        let ids = [
            id("0193f0a1-b2c3-7d4e-8f90-112233445566"),
            id("0193f0a1-b2c4-7d4e-8f90-112233445566"),
        ];
        assert_eq!(shortened(&ids), ["0193f0a1-b2c3", "0193f0a1-b2c4"]);
        assert_eq!(shortened(&ids[..1]), ["0193f0a1"]);
        assert!(shortened(&[]).is_empty());
    }
}
