//! Simulated people: they file, edit, cancel and delete their own rows, and some are hostile.
//!
//! A person writes whatever Dataverse would let her write into rows of her own, at any moment.

use shraga_core::ids::{MirrorId, TaskId, UserId, WorkerId};
use shraga_core::row::{ChangeSet, Column, Table, Value, Write, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::Span;
use uuid::Uuid;

use crate::store::{Row, Store};

/// What a person does next.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Writes to rows of her own.
    Write(ChangeSet),
    /// Deletes a row of her own.
    Delete(Uuid),
    /// Nothing.
    Rest,
}

/// Files a new task under `id`.
pub(crate) fn file(id: Uuid, store: &Store, dice: &mut fastrand::Rng) -> ChangeSet {
    let mut cells: Vec<(Column, Value)> = vec![
        (tasks::NAME, format!("task {}", dice.u16(..)).into()),
        (tasks::PROMPT, "do it".into()),
        (tasks::STATUS, TaskStatus::Pending.into()),
        (tasks::PRIORITY, dice.i64(-3..3).into()),
        (tasks::EMAIL, "she@example.test".into()),
    ];
    let mut put = |column, value: Value| match cells.iter_mut().find(|(name, _)| *name == column) {
        Some(cell) => cell.1 = value,
        None => cells.push((column, value)),
    };
    match dice.u8(0..24) {
        0 => put(tasks::NAME, "x".repeat(300).into()),
        1 | 2 => put(tasks::INPUT, r#"{"agent":"codex"}"#.into()),
        3 | 4 => put(tasks::INPUT, r#"{"labels":["gpu"]}"#.into()),
        5 | 6 => {
            let later = store.now.plus(Span::secs(dice.i64(0..120)));
            put(tasks::NOT_BEFORE, later.into());
        }
        7 | 8 => put(tasks::STATUS, TaskStatus::Submitted.into()),
        9 | 10 => put(tasks::INPUT, r#"{"key":"one at a time"}"#.into()),
        11..=13 => put(tasks::INPUT, r#"{"budget":400}"#.into()),
        _ => {}
    }
    ChangeSet {
        task: Some(TaskId::new(id)),
        why: format!("she files task {}", TaskId::new(id).short()),
        writes: vec![Write::create(Table::Tasks, id, cells)],
    }
}

/// Something done to one of her rows.
pub(crate) fn meddle(store: &Store, who: UserId, dice: &mut fastrand::Rng) -> Deed {
    let hers: Vec<&Row> = store
        .rows(Table::Tasks)
        .map(std::rc::Rc::as_ref)
        .filter(|row| row.owner == who)
        .collect();
    let Some(row) = dice.choice(hers) else {
        return Deed::Rest;
    };
    if row.status == TaskStatus::WaitingForInput && dice.u8(0..3) > 0 {
        return answer(row, dice);
    }
    let renamed = || (tasks::NAME, format!("renamed at {}", store.now).into());
    match dice.u8(0..12) {
        0..=2 => edit(row, vec![(tasks::STATUS, TaskStatus::Canceled.into())]),
        3 => edit(row, vec![(tasks::STATUS, TaskStatus::Canceling.into())]),
        4 => Deed::Delete(row.id),
        5 | 6 => edit(row, vec![renamed()]),
        7 => {
            let status = TaskStatus::ALL[dice.usize(..TaskStatus::ALL.len())];
            edit(row, vec![(tasks::STATUS, status.into())])
        }
        8 if row.status == TaskStatus::Submitted => {
            edit(row, vec![(tasks::STATUS, TaskStatus::Pending.into())])
        }
        _ => Deed::Rest,
    }
}

/// Says something to what she is asked; not always to that question, and not always once.
fn answer(row: &Row, dice: &mut fastrand::Rng) -> Deed {
    let open = row.task().answer.as_ref().map(|it| it.question.clone());
    let asked = open.unwrap_or_else(|| "q1".to_owned());
    let (question, text) = match dice.u8(0..8) {
        0 => (
            format!("q{}", dice.u8(0..4)),
            format!("said at {}", row.modified),
        ),
        1 => (asked, String::new()),
        _ => (asked, format!("answer {}", dice.u8(..))),
    };
    edit(row, vec![(tasks::ANSWER, said(&question, &text).into())])
}

/// `cr_answer` as a person writes it.
fn said(question: &str, text: &str) -> String {
    format!(r#"{{"question":"{question}","text":"{text}"}}"#)
}

/// Something that isn't hers to do.
pub(crate) fn trespass(
    store: &Store,
    who: UserId,
    new: Uuid,
    worker: WorkerId,
    dice: &mut fastrand::Rng,
) -> Deed {
    let rows: Vec<&Row> = store.rows(Table::Tasks).map(std::rc::Rc::as_ref).collect();
    let hers = rows.iter().filter(|row| row.owner == who).copied();
    let own = dice.choice(hers.collect::<Vec<_>>());
    let Some(other) = dice.choice(rows) else {
        return Deed::Rest;
    };
    match (dice.u8(0..7), own) {
        (0, _) => squat(store, other.id, dice),
        (1, _) => plant(new, other, worker),
        (2, Some(own)) => edit(own, vec![(tasks::MIRROR_LINK, other.id.into())]),
        (3, Some(own)) => edit(own, vec![(tasks::MIRROR_LINK, "nonsense".into())]),
        (4, Some(own)) => edit(own, vec![(tasks::MIRROR_LINK, Value::Null)]),
        (6, Some(own)) => edit(
            own,
            vec![(tasks::ANSWER, said("q1", "before it is asked").into())],
        ),
        (5, Some(own)) => edit(
            own,
            vec![
                (tasks::ATTEMPT, dice.i64(0..9).into()),
                (tasks::USER_ID, other.owner.get().into()),
                (tasks::MIRROR_OF, other.id.into()),
                (tasks::ASSIGNED_WORKER, worker.get().into()),
                (tasks::REASON, "made-up".into()),
            ],
        ),
        _ => Deed::Rest,
    }
}

fn edit(row: &Row, cells: Vec<(Column, Value)>) -> Deed {
    let task = TaskId::new(row.id);
    Deed::Write(ChangeSet {
        task: Some(task),
        why: format!("she edits {} of task {}", names(&cells), task.short()),
        writes: vec![Write::update(Table::Tasks, row.id, &row.etag, cells)],
    })
}

fn names(cells: &[(Column, Value)]) -> String {
    let named: Vec<String> = cells
        .iter()
        .map(|(name, value)| format!("{name:?}={value}"))
        .collect();
    named.join(", ")
}

/// Puts a row of her own where the mirror of a task will want to be.
fn squat(store: &Store, task: Uuid, dice: &mut fastrand::Rng) -> Deed {
    let seat = MirrorId::of(TaskId::new(task), dice.u32(0..2)).get();
    if store.get(Table::Tasks, seat).is_some() {
        return Deed::Rest;
    }
    create(
        seat,
        format!(
            "she squats where the mirror of task {} belongs",
            TaskId::new(task).short()
        ),
        vec![
            (tasks::NAME, "mine".into()),
            (tasks::STATUS, TaskStatus::Completed.into()),
            (tasks::IS_MIRROR, true.into()),
            (tasks::MIRROR_OF, task.into()),
        ],
    )
}

/// Makes a row of her own that looks like a mirror of somebody's task.
fn plant(id: Uuid, other: &Row, worker: WorkerId) -> Deed {
    create(
        id,
        format!(
            "she plants a mirror of task {}",
            TaskId::new(other.id).short()
        ),
        vec![
            (tasks::NAME, "planted".into()),
            (tasks::STATUS, TaskStatus::Pending.into()),
            (tasks::IS_MIRROR, true.into()),
            (tasks::MIRROR_OF, other.id.into()),
            (tasks::USER_ID, other.owner.get().into()),
            (tasks::ASSIGNED_WORKER, worker.get().into()),
        ],
    )
}

fn create(id: Uuid, why: String, cells: Vec<(Column, Value)>) -> Deed {
    Deed::Write(ChangeSet {
        task: None,
        why,
        writes: vec![Write::create(Table::Tasks, id, cells)],
    })
}
