//! Each way in which a store can differ is found, and the steps that follow only ever add.

use proptest::prelude::*;

use super::*;
use crate::schema::wanted;

/// A store that has exactly what is wanted.
fn complete() -> Vec<ObservedTable> {
    wanted().iter().map(observed).collect()
}

fn observed(wanted: &Wanted) -> ObservedTable {
    let def = &wanted.def;
    ObservedTable {
        metadata_id: def.metadata_id,
        logical: def.logical.clone(),
        set: def.set.clone(),
        primary_id: def.primary_id.clone(),
        user_owned: true,
        change_tracking: true,
        optimistic_concurrency: true,
        columns: def.columns.iter().map(column).collect(),
        keys: Vec::new(),
    }
}

fn column(def: &ColumnDef) -> ObservedColumn {
    ObservedColumn {
        logical: def.logical.clone(),
        kind: ObservedKind::Known(def.kind.clone()),
        global_choice: None,
    }
}

fn named<'t>(tables: &'t mut [ObservedTable], name: &str) -> &'t mut ObservedColumn {
    let columns = &mut tables[0].columns;
    columns.iter_mut().find(|it| it.logical == name).unwrap()
}

/// What is found when the tasks table's column is of this kind, in words.
fn with_kind(name: &str, kind: ObservedKind) -> Vec<String> {
    let mut tables = complete();
    named(&mut tables, name).kind = kind;
    let found = diff(&wanted(), &tables);
    found.iter().map(|it| it.kind().to_owned()).collect()
}

fn known(name: &str, kind: ColumnKind) -> Vec<String> {
    with_kind(name, ObservedKind::Known(kind))
}

#[test]
fn a_store_that_has_all_of_it_and_more_is_as_it_should_be() {
    let mut tables = complete();
    tables[0].columns.push(ObservedColumn {
        logical: "crb3b_deeplink".to_owned(),
        kind: ObservedKind::Known(ColumnKind::Text { max: 1000 }),
        global_choice: None,
    });
    tables[0].keys.push(ObservedKey {
        logical: "theirs".to_owned(),
        columns: vec!["crb3b_deeplink".to_owned()],
        state: KeyState::Failed,
    });
    let mut other = tables[3].clone();
    (other.set, other.logical) = ("accounts".to_owned(), "account".to_owned());
    tables.push(other);
    assert_eq!(diff(&wanted(), &tables), []);
    let mut roomy = complete();
    named(&mut roomy, "cr_userid").kind = ObservedKind::Known(ColumnKind::Text { max: 200 });
    named(&mut roomy, "cr_reason").kind = ObservedKind::Known(ColumnKind::Memo { max: 2000 });
    assert_eq!(diff(&wanted(), &roomy), []);
}

#[test]
fn a_column_that_holds_too_little_or_something_else_is_told_apart() {
    assert_eq!(
        known("cr_name", ColumnKind::Text { max: 50 }),
        ["too-narrow"]
    );
    assert_eq!(
        known("cr_prompt", ColumnKind::Memo { max: 10 }),
        ["too-narrow"]
    );
    assert_eq!(
        known("cr_prompt", ColumnKind::Text { max: 4000 }),
        ["wrong-type"]
    );
    let positive = ColumnKind::Integer { min: 1, max: 100 };
    assert_eq!(known("cr_priority", positive), ["too-narrow"]);
    assert_eq!(known("cr_attempt", ColumnKind::BigInt), ["wrong-type"]);
    assert_eq!(
        known("cr_rank", ColumnKind::Text { max: 100 }),
        ["wrong-type"]
    );
    let dates = ObservedKind::Other("date only".to_owned());
    assert_eq!(with_kind("cr_rank", dates), ["wrong-type"]);
    let options = Vec::new();
    assert_eq!(known("cr_status", ColumnKind::Choice { options }).len(), 9);
}

#[test]
fn a_text_where_a_memo_is_needed_can_not_be_widened() {
    let mut tables = complete();
    let text = ColumnKind::Text { max: 4000 };
    named(&mut tables, "cr_prompt").kind = ObservedKind::Known(text);
    let found = diff(&wanted(), &tables);
    assert_eq!(plan(&found), []);
    assert!(
        found[0].fix().contains("[schema.columns]"),
        "{}",
        found[0].fix()
    );
}

#[test]
fn widening_keeps_what_the_column_holds_now() {
    let mut tables = complete();
    let wide = ColumnKind::Integer { min: -5, max: 9000 };
    named(&mut tables, "cr_priority").kind = ObservedKind::Known(wide);
    let steps = plan(&diff(&wanted(), &tables));
    let Step::Widen { to, .. } = &steps[0] else {
        panic!("{steps:?}");
    };
    let (min, max) = (-100, 9000);
    assert_eq!(*to, ColumnKind::Integer { min, max });
}

#[test]
fn a_global_choice_is_completed_where_it_is() {
    let mut tables = complete();
    let status = named(&mut tables, "cr_status");
    status.global_choice = Some("cr_states".to_owned());
    if let ObservedKind::Known(ColumnKind::Choice { options }) = &mut status.kind {
        options.retain(|it| it.value != 3);
    }
    let steps = plan(&diff(&wanted(), &tables));
    let words: Vec<_> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["add 3 (Queued) to the global choice cr_states"]);
}

#[test]
fn what_blocks_is_told_from_what_is_given_up() {
    let mut tables = complete();
    tables[0].optimistic_concurrency = false;
    tables[2].optimistic_concurrency = false;
    tables[0].change_tracking = false;
    tables.pop();
    let found = diff(&wanted(), &tables);
    let blocking: Vec<_> = found.iter().filter(|it| it.is_blocking()).collect();
    assert_eq!(blocking.len(), 1);
    assert_eq!(
        blocking[0].to_string(),
        "cr_shraga_tasks: optimistic concurrency is off, so conditional writes are refused: nothing works without it"
    );
    let words: Vec<_> = plan(&found).iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "turn on optimistic concurrency and change tracking for cr_shraga_tasks",
            "turn on optimistic concurrency for cr_shraga_events",
            "create cr_shraga_users with 5 columns",
        ]
    );
}

/// A store that lacks and has whatever the seeds say.
fn any_store(seeds: &[u8]) -> Vec<ObservedTable> {
    let mut seeds = seeds.iter().copied().cycle();
    let mut next = move || seeds.next().unwrap_or(0);
    let mut tables = complete();
    tables.retain(|_| next() % 5 != 0);
    for table in &mut tables {
        table.change_tracking = next() % 2 == 0;
        table.optimistic_concurrency = next() % 4 != 0;
        table.columns.retain(|_| next() % 3 != 0);
        for column in &mut table.columns {
            if let ObservedKind::Known(kind) = &mut column.kind {
                match kind {
                    ColumnKind::Text { max } | ColumnKind::Memo { max } if next() % 3 == 0 => {
                        *max = 1 + u32::from(next());
                    }
                    ColumnKind::Integer { min, max } => {
                        *min = i32::from(next()) - 200;
                        *max = i32::from(next());
                    }
                    ColumnKind::Choice { options } => options.retain(|_| next() % 2 == 0),
                    _ => {}
                }
            }
        }
    }
    tables
}

/// The store after a step, as a service carries it out.
fn after(tables: &mut Vec<ObservedTable>, step: &Step) {
    let name = step.table();
    if let Step::CreateTable(def) = step {
        return tables.push(observed(&Wanted::new((**def).clone())));
    }
    let table = tables.iter_mut().find(|it| it.logical == name.logical);
    let table = table.expect("a step is about a table that is there");
    let of = |table: &mut ObservedTable, name: &str| {
        let at = table.columns.iter().position(|it| it.logical == name);
        at.expect("a step is about a column that is there")
    };
    match step {
        Step::AddColumn { column: def, .. } => table.columns.push(column(def)),
        Step::Widen { column, to, .. } => {
            let at = of(table, column);
            table.columns[at].kind = ObservedKind::Known(to.clone());
        }
        Step::AddOption { column, option, .. } => {
            let at = of(table, column);
            if let ObservedKind::Known(ColumnKind::Choice { options }) = &mut table.columns[at].kind
            {
                options.push(option.clone());
            }
        }
        Step::TurnOn {
            concurrency,
            tracking,
            ..
        } => {
            table.optimistic_concurrency |= concurrency;
            table.change_tracking |= tracking;
        }
        Step::CreateTable(_) | Step::AddKey { .. } | Step::RebuildKey { .. } => {}
    }
}

/// Whether a column holds all that it held.
fn holds(now: &ObservedKind, before: &ObservedKind) -> bool {
    let (ObservedKind::Known(now), ObservedKind::Known(before)) = (now, before) else {
        return now == before;
    };
    match (now, before) {
        (ColumnKind::Choice { options: now }, ColumnKind::Choice { options: before }) => {
            before.iter().all(|it| now.contains(it))
        }
        _ => matches!(fit(before, now), Fit::Fits),
    }
}

proptest! {
    #[test]
    fn carrying_out_the_plan_leaves_nothing_to_find_and_takes_nothing_away(
        seeds in proptest::collection::vec(any::<u8>(), 1..200),
    ) {
        let before = any_store(&seeds);
        let mut tables = before.clone();
        for step in plan(&diff(&wanted(), &before)) {
            after(&mut tables, &step);
        }
        let left = diff(&wanted(), &tables);
        let by_hand = |it: &Finding| plan(std::slice::from_ref(it)).is_empty();
        prop_assert!(left.iter().all(by_hand), "{left:?}");
        for (now, before) in tables.iter().zip(&before) {
            prop_assert!(now.change_tracking >= before.change_tracking);
            for (now, before) in now.columns.iter().zip(&before.columns) {
                prop_assert_eq!(&now.logical, &before.logical);
                prop_assert!(holds(&now.kind, &before.kind), "{now:?} after {before:?}");
            }
        }
    }
}
