//! Simulated people: they file, edit, cancel and delete their own rows, and some are hostile.
//!
//! A person writes whatever Dataverse would let her write into her own rows, at any moment.

use shraga_core::ids::{MirrorId, TaskId, UserId};
use shraga_core::row::{ChangeSet, Column, Table, Value, Write, tasks};
use shraga_core::status::TaskStatus;
use uuid::Uuid;

use crate::store::Store;
use crate::view;

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
pub(crate) fn file(id: Uuid, rng: &mut fastrand::Rng) -> ChangeSet {
    let mut cells = vec![
        (tasks::NAME, format!("task {}", rng.u16(..)).into()),
        (tasks::PROMPT, "do it".into()),
        (tasks::STATUS, TaskStatus::Pending.into()),
        (tasks::PRIORITY, rng.i64(-3..3).into()),
    ];
    if rng.u8(0..8) == 0 {
        cells.push((tasks::NAME, "x".repeat(300).into()));
    }
    let write = Write::create(Table::Tasks, id, cells);
    ChangeSet {
        task: Some(TaskId::new(id)),
        why: "she files a task".to_owned(),
        writes: vec![write],
    }
}

/// Something done to one of her rows.
pub(crate) fn meddle(store: &Store, who: UserId, rng: &mut fastrand::Rng) -> Deed {
    let hers = store
        .rows(Table::Tasks)
        .filter(|(_, row)| row.owner == who)
        .map(|(id, _)| id);
    let Some(id) = rng.choice(hers.collect::<Vec<_>>()) else {
        return Deed::Rest;
    };
    match rng.u8(0..12) {
        0..=2 => cancel(store, id, TaskStatus::Canceled),
        3 | 4 => cancel(store, id, TaskStatus::Canceling),
        5 => Deed::Delete(id),
        6 | 7 => edit(
            store,
            id,
            vec![(tasks::NAME, format!("renamed {}", rng.u16(..)).into())],
        ),
        8 => {
            let status = TaskStatus::ALL[rng.usize(..TaskStatus::ALL.len())];
            edit(store, id, vec![(tasks::STATUS, status.into())])
        }
        9 => lie_about_link(store, id, rng),
        10 => squat(store, id),
        _ => Deed::Rest,
    }
}

fn cancel(store: &Store, id: Uuid, status: TaskStatus) -> Deed {
    edit(store, id, vec![(tasks::STATUS, status.into())])
}

fn edit(store: &Store, id: Uuid, cells: Vec<(Column, Value)>) -> Deed {
    let Some(row) = store.get(Table::Tasks, id) else {
        return Deed::Rest;
    };
    let write = Write::update(Table::Tasks, id, &row.etag(), cells);
    let task = Some(TaskId::new(id));
    Deed::Write(ChangeSet {
        task,
        why: "she edits her row".to_owned(),
        writes: vec![write],
    })
}

/// Links her row to somebody else's mirror, or to nothing at all.
fn lie_about_link(store: &Store, id: Uuid, rng: &mut fastrand::Rng) -> Deed {
    let mirrors = store
        .rows(Table::Tasks)
        .filter(|(_, row)| view::is_mirror(row))
        .map(|(id, _)| id);
    let link = rng.choice(mirrors.collect::<Vec<_>>());
    let link = link
        .filter(|_| rng.bool())
        .map_or_else(|| "nonsense".to_owned(), |id| id.to_string());
    edit(store, id, vec![(tasks::MIRROR_LINK, link.into())])
}

/// Puts a row of her own where the mirror of a task not yet mirrored will want to be.
fn squat(store: &Store, id: Uuid) -> Deed {
    let seat = MirrorId::of(TaskId::new(id), 0).get();
    if store.get(Table::Tasks, seat).is_some() {
        return Deed::Rest;
    }
    let cells = vec![
        (tasks::NAME, "mine".into()),
        (tasks::STATUS, TaskStatus::Completed.into()),
        (tasks::IS_MIRROR, true.into()),
        (tasks::MIRROR_OF, id.into()),
    ];
    let write = Write::create(Table::Tasks, seat, cells);
    Deed::Write(ChangeSet {
        task: None,
        why: "she squats".to_owned(),
        writes: vec![write],
    })
}
