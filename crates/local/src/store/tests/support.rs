//! A store in a temporary folder, with a table of every kind of column, and short words for asking.

use std::sync::Arc;

use serde_json::Value;
use shraga_wire::fault::Fault;
use shraga_wire::filter::Filter;
use shraga_wire::query::OrderBy;
use shraga_wire::schema::{
    Access, ChoiceOption, ColumnDef, ColumnKind, Grant, IndexDef, KeyDef, Ownership, TableDef,
    WritableColumn, WriteRule,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::clock::Clock;
use crate::ops::*;
use crate::schema::{OWNER, Table};
use crate::store::writer::Job;
use crate::store::*;

pub(super) const NOW: i64 = 1_700_000_000;

pub(super) struct World {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) admin: Principal,
    pub(super) ann: Principal,
    pub(super) bob: Principal,
    pub(super) worker: Principal,
    pub(super) dir: TempDir,
}

pub(super) fn principal(user: Uuid, role: Role) -> Principal {
    Principal {
        user,
        role,
        worker: None,
        on_behalf_by: None,
        session: Some(Uuid::now_v7()),
    }
}

pub(super) async fn world() -> World {
    world_with(vec![things()]).await
}

pub(super) async fn world_with(defs: Vec<TableDef>) -> World {
    world_in(tempfile::tempdir().unwrap(), defs).await
}

pub(super) async fn world_in(dir: TempDir, defs: Vec<TableDef>) -> World {
    let clock = Clock::standing(NOW);
    let store = Store::open_with(dir.path(), defs, clock.clone()).unwrap();
    let root = principal(Uuid::nil(), Role::Admin);
    let user = async |email: &str| store.ensure_user(&root, email).await.unwrap();
    let claim = WorkerClaim {
        id: Uuid::now_v7(),
        pool: "shared".to_owned(),
        slots: 2,
        labels: String::new(),
    };
    let (admin, ann, bob) = (
        user("admin@x").await,
        user("ann@x").await,
        user("bob@x").await,
    );
    World {
        admin: principal(admin, Role::Admin),
        ann: principal(ann, Role::User),
        bob: principal(bob, Role::User),
        worker: Principal {
            worker: Some(claim),
            ..principal(bob, Role::Worker)
        },
        store,
        clock,
        dir,
    }
}

pub(super) fn column(logical: &str, kind: ColumnKind) -> ColumnDef {
    ColumnDef {
        metadata_id: Uuid::now_v7(),
        logical: logical.to_owned(),
        schema: logical.to_uppercase(),
        display: logical.to_owned(),
        kind,
        required: false,
    }
}

pub(super) fn text(logical: &str) -> ColumnDef {
    column(logical, ColumnKind::Text { max: 100 })
}

pub(super) fn key(logical: &str, columns: &[&str]) -> KeyDef {
    KeyDef {
        metadata_id: Uuid::now_v7(),
        logical: logical.to_owned(),
        schema: logical.to_owned(),
        display: logical.to_owned(),
        columns: columns.iter().map(|&c| c.to_owned()).collect(),
    }
}

/// A table of everything: people own things, workers are assigned things.
pub(super) fn things() -> TableDef {
    let options = [(1, "New"), (2, "Open"), (3, "Done")].map(|(value, label)| ChoiceOption {
        value,
        label: label.to_owned(),
    });
    TableDef {
        metadata_id: Uuid::now_v7(),
        logical: "x_thing".to_owned(),
        set: "x_things".to_owned(),
        schema: "x_Thing".to_owned(),
        display: "Thing".to_owned(),
        display_collection: "Things".to_owned(),
        primary_id: "x_thingid".to_owned(),
        primary_name: "x_name".to_owned(),
        ownership: Ownership::UserOwned,
        columns: vec![
            ColumnDef {
                required: true,
                ..text("x_name")
            },
            text("x_code"),
            text("x_worker"),
            column("x_memo", ColumnKind::Memo { max: 100_000 }),
            column(
                "x_count",
                ColumnKind::Integer {
                    min: -1000,
                    max: 1000,
                },
            ),
            column("x_price", ColumnKind::Decimal { precision: 2 }),
            column("x_on", ColumnKind::yes_no()),
            column("x_at", ColumnKind::DateTime),
            column(
                "x_status",
                ColumnKind::Choice {
                    options: options.into(),
                },
            ),
            column("x_ref", ColumnKind::Guid),
            column(
                "x_friend",
                ColumnKind::Lookup {
                    target: "systemuser".to_owned(),
                },
            ),
        ],
        keys: vec![
            key("x_bycode", &["x_code"]),
            key("x_bypair", &["x_count", "x_ref"]),
            key("x_byprice", &["x_price"]),
        ],
        indexes: vec![
            IndexDef {
                columns: vec!["x_at".to_owned()],
                rows: Some("x_status eq 1 and x_on ne true".to_owned()),
            },
            IndexDef {
                columns: vec!["x_worker".to_owned()],
                rows: Some("x_code eq 'Special'".to_owned()),
            },
            IndexDef {
                columns: vec!["_ownerid_value".to_owned(), "createdon".to_owned()],
                rows: None,
            },
        ],
        wake: vec!["_ownerid_value".to_owned(), "x_worker".to_owned()],
        change_tracking: true,
        access: access(),
    }
}

fn access() -> Access {
    let own = || Some("_ownerid_value eq @me".to_owned());
    let mine = || Some("x_worker eq @worker".to_owned());
    let columns = |names: &[&str]| {
        let any = |name: &&str| WritableColumn {
            name: (*name).to_owned(),
            values: Vec::new(),
        };
        let mut columns: Vec<_> = names.iter().map(any).collect();
        columns.push(WritableColumn {
            name: "x_status".to_owned(),
            values: vec![1, 2],
        });
        columns
    };
    Access {
        user: Grant {
            read: own(),
            create: Some(WriteRule {
                rows: None,
                check: Some("_ownerid_value eq @me and x_on ne true".to_owned()),
                columns: columns(&["x_name", "x_code", "x_memo", "x_on", "x_count", "x_ref"]),
            }),
            update: Some(WriteRule {
                rows: Some("x_status ne 3".to_owned()),
                check: Some("x_on ne true".to_owned()),
                columns: columns(&["x_name", "x_code", "x_memo", "x_on"]),
            }),
            delete: Some("x_status ne 3".to_owned()),
        },
        worker: Grant {
            read: mine(),
            create: None,
            update: Some(WriteRule {
                rows: None,
                check: None,
                columns: columns(&["x_memo", "x_worker"]),
            }),
            delete: None,
        },
        bars: None,
    }
}

/// Cells by logical name.
pub(super) fn cells(table: &Table, values: &[(&str, Cell)]) -> Vec<(usize, Cell)> {
    let column = |name: &str| match name {
        "ownerid" => OWNER,
        name => table.column_by_logical(name).unwrap(),
    };
    values
        .iter()
        .map(|(name, cell)| (column(name), cell.clone()))
        .collect()
}

pub(super) fn s(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

impl Store {
    /// Simulates a disk with room for this many pages of 4 KiB.
    pub(super) async fn limit_pages(&self, pages: u32) {
        self.ask(|reply| Job::LimitPages(pages, reply))
            .await
            .unwrap();
    }
}

impl World {
    pub(super) fn table(&self) -> Arc<Table> {
        Arc::clone(self.store.schema().by_logical("x_thing").unwrap())
    }

    pub(super) fn op(&self, kind: WriteKind, id: Uuid, values: &[(&str, Cell)]) -> WriteOp {
        let table = self.table();
        WriteOp {
            cells: cells(&table, values),
            table,
            key: Key::Id(id),
            kind,
            returning: None,
        }
    }

    pub(super) async fn unit(
        &self,
        who: &Principal,
        ops: Vec<WriteOp>,
    ) -> Result<Vec<Written>, UnitFault> {
        let mut outcomes = self
            .store
            .write(who, vec![Unit { ops }], Continue::OnError)
            .await;
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }

    pub(super) async fn one(&self, who: &Principal, op: WriteOp) -> Result<Written, Fault> {
        let written = self
            .unit(who, vec![op])
            .await
            .map_err(|failed| failed.fault)?;
        Ok(written.into_iter().next().unwrap())
    }

    pub(super) async fn create(
        &self,
        who: &Principal,
        values: &[(&str, Cell)],
    ) -> Result<Uuid, Fault> {
        let id = Uuid::now_v7();
        self.one(who, self.op(WriteKind::Create, id, values))
            .await
            .map(|_| id)
    }

    pub(super) async fn update(
        &self,
        who: &Principal,
        id: Uuid,
        expected: Match,
        values: &[(&str, Cell)],
    ) -> Result<Written, Fault> {
        self.one(who, self.op(WriteKind::Update(expected), id, values))
            .await
    }

    pub(super) async fn delete(
        &self,
        who: &Principal,
        id: Uuid,
        expected: Match,
    ) -> Result<Written, Fault> {
        self.one(who, self.op(WriteKind::Delete(expected), id, &[]))
            .await
    }

    pub(super) async fn ask(&self, who: &Principal, op: ReadOp) -> Result<ReadAnswer, Fault> {
        self.store.read(who, vec![op]).await.remove(0)
    }

    pub(super) async fn get(&self, who: &Principal, key: Key) -> Result<Value, Fault> {
        let op = GetOp {
            table: self.table(),
            key,
            projection: Projection::default(),
        };
        match self.ask(who, ReadOp::Get(op)).await? {
            ReadAnswer::Found(found) => Ok(serde_json::from_slice(&found.row).unwrap()),
            other => panic!("not a row: {other:?}"),
        }
    }

    pub(super) async fn row(&self, id: Uuid) -> Option<Value> {
        self.get(&self.admin, Key::Id(id)).await.ok()
    }

    pub(super) async fn page(&self, who: &Principal, op: ListOp) -> Result<Page, Fault> {
        match self.ask(who, ReadOp::List(op)).await? {
            ReadAnswer::Page(page) => Ok(page),
            other => panic!("not a page: {other:?}"),
        }
    }

    pub(super) fn list(&self, filter: &str, order: &str) -> ListOp {
        let filter = (!filter.is_empty()).then(|| filter.parse::<Filter>().unwrap());
        let orders = order.split(',').filter(|part| !part.is_empty());
        ListOp {
            table: self.table(),
            projection: Projection::default(),
            filter,
            order_by: orders
                .map(|part| OrderBy {
                    column: part.trim_end_matches(" desc").to_owned(),
                    descending: part.ends_with(" desc"),
                })
                .collect(),
            limit: 1000,
            paged: true,
            after: None,
            count: false,
        }
    }

    /// The values of `x_name` of the rows that match, in order.
    pub(super) async fn names(&self, who: &Principal, filter: &str, order: &str) -> Vec<String> {
        let page = self.page(who, self.list(filter, order)).await.unwrap();
        names_of(&page)
    }
}

pub(super) fn rows_of(page: &Page) -> Vec<Value> {
    let json = format!("[{}]", std::str::from_utf8(&page.rows).unwrap());
    serde_json::from_str(&json).unwrap()
}

pub(super) fn names_of(page: &Page) -> Vec<String> {
    let name = |row: &Value| row["x_name"].as_str().unwrap().to_owned();
    rows_of(page).iter().map(name).collect()
}
