//! Writing rows: one group of units inside one transaction.
//!
//! Every write of a row passes through [`Group::unit`]. Row security, versions, time stamps,
//! tombstones and wake-ups are applied here and nowhere else. A unit that is refused leaves no
//! trace; a unit that breaks (disk, I/O) takes its whole group with it, since the transaction may be
//! gone.
//!
//! Savepoints cost a tenth of the writer's time, and units are rarely refused half way. So a group
//! is first tried without; only if a unit is refused after its first change is the group rolled back
//! and carried out again with a savepoint per unit.

mod duplicates;
mod parts;

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::Connection;
use shraga_wire::fault::Fault;
use uuid::Uuid;

use super::failure::{self, Failure};
use super::json;
use super::types::UnitFault;
use super::wakes::Wakes;
use crate::access::{Gate, Permit};
use crate::ops::{Cell, Key, Match, Principal, Projection, Unit, WriteKind, WriteOp, Written};
use crate::query::Sql;
use crate::schema::{OWNER, PRIMARY_ID, Schema, Table};
use crate::sql::{self, bind, meta, rows};
use parts::{
    absent, check_not_cleared, check_required, check_version, defined, identity, identity_of,
    new_row_id, settable, with_key,
};

/// Logical name of the built-in table of users.
pub(super) const USERS: &str = "systemuser";

/// The transaction of a group, and what it did so far.
pub(super) struct Group<'a> {
    pub(super) conn: &'a Connection,
    pub(super) schema: &'a Schema,
    /// The time all rows of the group are stamped with, seconds since the epoch.
    pub(super) now: i64,
    /// The newest version given out.
    pub(super) version: i64,
    /// Users known to exist, so that an owner costs no look-up.
    pub(super) users: &'a mut HashSet<Uuid>,
    /// Whether rows were written that may bar users.
    pub(super) bars_changed: bool,
    /// Whom to wake after the commit.
    pub(super) wakes: Wakes,
    /// Whether a unit can be undone alone.
    pub(super) guard: Guard,
    /// Whether the current unit has changed anything yet.
    pub(super) changed: bool,
    /// Text of the statement being written, reused.
    pub(super) text: String,
}

/// Where a group starts.
#[derive(Clone, Copy)]
pub(super) struct Start {
    /// The time rows are stamped with, seconds since the epoch.
    pub(super) now: i64,
    /// The newest version given out so far.
    pub(super) version: i64,
    /// Whether a unit can be undone alone.
    pub(super) guard: Guard,
}

/// How units are kept apart within a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Not at all.
    None,
    /// By a savepoint each.
    Savepoints,
}

/// Why a group can't go on.
#[derive(Debug)]
pub(super) enum Broken {
    /// A unit was refused after its first change, and nothing guards the others from it.
    HalfDone,
    /// The engine failed.
    Engine(rusqlite::Error),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

/// What a unit did, before it counts.
type UnitWakes = Vec<(Arc<Table>, Vec<Uuid>)>;

/// A row as it stands before a write.
struct Before {
    id: Uuid,
    version: i64,
    /// The values of the wake columns that are identities.
    named: Vec<Uuid>,
    /// Whether the condition of the caller's rule holds.
    permitted: bool,
}

impl<'a> Group<'a> {
    /// A group that has done nothing yet.
    pub(super) fn new(
        conn: &'a Connection,
        schema: &'a Schema,
        users: &'a mut HashSet<Uuid>,
        start: Start,
    ) -> Self {
        Self {
            conn,
            schema,
            now: start.now,
            version: start.version,
            users,
            bars_changed: false,
            wakes: Wakes::default(),
            guard: start.guard,
            changed: false,
            text: String::new(),
        }
    }

    /// Carries out a unit. The inner error refuses it; the outer one breaks the group.
    pub(super) fn unit(
        &mut self,
        who: &Principal,
        unit: &Unit,
    ) -> Result<Result<Vec<Written>, UnitFault>, Broken> {
        if self.guard == Guard::Savepoints {
            meta::begin_unit(self.conn)?;
        }
        self.changed = false;
        let mut wakes = UnitWakes::new();
        let mut written = Vec::with_capacity(unit.ops.len());
        for (index, op) in unit.ops.iter().enumerate() {
            match self.op(who, op, &mut wakes) {
                Ok(done) => written.push(done),
                Err(Failure::Broken(error)) => return Err(Broken::Engine(error)),
                Err(Failure::Refused(fault)) => {
                    self.give_up_unit()?;
                    return Ok(Err(UnitFault { op: index, fault }));
                }
            }
        }
        if self.guard == Guard::Savepoints {
            meta::keep_unit(self.conn)?;
        }
        for (table, named) in wakes {
            self.wakes.add(who, &table, &named);
        }
        Ok(Ok(written))
    }

    /// Leaves no trace of a unit that is refused.
    fn give_up_unit(&mut self) -> Result<(), Broken> {
        match (self.guard, self.changed) {
            (Guard::None, false) => Ok(()),
            (Guard::None, true) => Err(Broken::HalfDone),
            (Guard::Savepoints, _) => {
                self.users.clear();
                Ok(meta::undo_unit(self.conn)?)
            }
        }
    }

    fn op(
        &mut self,
        who: &Principal,
        op: &WriteOp,
        wakes: &mut UnitWakes,
    ) -> Result<Written, Failure> {
        self.check_current(&op.table)?;
        if op.table.bars().is_some() {
            self.bars_changed = true;
        }
        let mut named = Vec::new();
        let mut written = match op.kind {
            WriteKind::Create | WriteKind::CreateOnly => self.create_only(who, op, &mut named),
            WriteKind::Upsert => self.upsert(who, op, &mut named),
            WriteKind::Update(expected) => self.update(who, op, expected, &mut named),
            WriteKind::Delete(expected) => self.delete(who, op, expected, &mut named),
        }?;
        if let Some(projection) = &op.returning {
            written.row = self.represent(who, &op.table, written.id, projection)?;
        }
        wakes.push((Arc::clone(&op.table), named));
        Ok(written)
    }

    /// An operation made for definitions of a moment ago isn't carried out on those of now.
    fn check_current(&self, table: &Arc<Table>) -> Result<(), Failure> {
        let current = self.schema.by_logical(&table.def.logical);
        if current.is_some_and(|current| Arc::ptr_eq(current, table)) {
            return Ok(());
        }
        Err(Failure::Refused(failure::stale(&table.def.logical)))
    }

    fn create_only(
        &mut self,
        who: &Principal,
        op: &WriteOp,
        named: &mut Vec<Uuid>,
    ) -> Result<Written, Failure> {
        if let Key::Alternate(..) = op.key
            && self.look(who, op, None)?.is_some()
        {
            return Err(self.duplicate_of(who, op).into());
        }
        self.create(who, op, named)
    }

    fn upsert(
        &mut self,
        who: &Principal,
        op: &WriteOp,
        named: &mut Vec<Uuid>,
    ) -> Result<Written, Failure> {
        let gate = Gate::new(&op.table, who);
        let rule = gate.update().ok().and_then(Permit::rows);
        match self.look(who, op, rule)? {
            Some(before) => self.change(who, op, &gate, before, Match::Any, named),
            None => self.create(who, op, named),
        }
    }

    fn update(
        &mut self,
        who: &Principal,
        op: &WriteOp,
        expected: Match,
        named: &mut Vec<Uuid>,
    ) -> Result<Written, Failure> {
        let gate = Gate::new(&op.table, who);
        let rule = gate.update().ok().and_then(Permit::rows);
        let before = self.look(who, op, rule)?.ok_or_else(|| absent(op))?;
        self.change(who, op, &gate, before, expected, named)
    }

    fn create(
        &mut self,
        who: &Principal,
        op: &WriteOp,
        named: &mut Vec<Uuid>,
    ) -> Result<Written, Failure> {
        let table = &*op.table;
        let gate = Gate::new(table, who);
        let permit = gate.create()?;
        let merged = with_key(table, op);
        let cells = merged.as_deref().unwrap_or(&op.cells);
        gate.check_columns(permit, cells)?;
        check_required(table, cells)?;
        let id = new_row_id(op, cells);
        let owner = self.owner(who, table, cells)?;
        self.version += 1;
        rows::insert(&mut self.text, table, cells);
        let mut statement = self.conn.prepare_cached(&self.text)?;
        let actor = Cell::Id(who.user);
        let at = Cell::Int(self.now);
        let version = Cell::Int(self.version);
        let system = [&Cell::Id(id), &owner, &at, &at, &actor, &actor, &version];
        bind(&mut statement, system.into_iter().chain(defined(cells)))?;
        let executed = statement.raw_execute();
        drop(statement);
        if let Err(error) = executed {
            return Err(self.insert_failure(who, op, id, cells, error));
        }
        self.changed = true;
        self.check_after(who, table, id, &gate, permit)?;
        named.extend(table.wake().iter().filter_map(|&column| {
            match column {
                PRIMARY_ID => Some(id),
                OWNER => identity_of(&owner),
                _ => cells
                    .iter()
                    .find(|(c, _)| *c == column)
                    .and_then(|(_, cell)| identity_of(cell)),
            }
        }));
        Ok(Written {
            id,
            version: self.version,
            created: true,
            row: None,
        })
    }

    fn change(
        &mut self,
        who: &Principal,
        op: &WriteOp,
        gate: &Gate<'_>,
        before: Before,
        expected: Match,
        named: &mut Vec<Uuid>,
    ) -> Result<Written, Failure> {
        let table = &*op.table;
        let permit = gate.update()?;
        if !before.permitted {
            return Err(gate.denied("Write").into());
        }
        check_version(expected, before.version)?;
        let kept = settable(table, op);
        let cells = kept.as_deref().unwrap_or(&op.cells);
        gate.check_columns(permit, cells)?;
        check_not_cleared(table, cells)?;
        for (_, cell) in cells.iter().filter(|(column, _)| *column == OWNER) {
            self.check_owner(cell)?;
        }
        self.version += 1;
        rows::update(&mut self.text, table, cells);
        let mut statement = self.conn.prepare_cached(&self.text)?;
        let stamps = [
            &Cell::Int(self.now),
            &Cell::Id(who.user),
            &Cell::Int(self.version),
            &Cell::Id(before.id),
        ];
        let values = cells.iter().map(|(_, cell)| cell).chain(stamps);
        bind(&mut statement, values)?;
        let executed = statement.raw_execute();
        drop(statement);
        if let Err(error) = executed {
            return Err(self.update_failure(who, op, before.id, cells, error));
        }
        self.changed = true;
        self.check_after(who, table, before.id, gate, permit)?;
        named.extend(before.named);
        for (column, cell) in cells {
            if table.wake().contains(column) {
                named.extend(identity_of(cell));
            }
        }
        Ok(Written {
            id: before.id,
            version: self.version,
            created: false,
            row: None,
        })
    }

    fn delete(
        &mut self,
        who: &Principal,
        op: &WriteOp,
        expected: Match,
        named: &mut Vec<Uuid>,
    ) -> Result<Written, Failure> {
        let table = &*op.table;
        let gate = Gate::new(table, who);
        let rule = gate.delete().ok().flatten();
        let before = self.look(who, op, rule)?.ok_or_else(|| absent(op))?;
        gate.delete()?;
        if !before.permitted {
            return Err(gate.denied("Delete").into());
        }
        if table.def.logical == USERS {
            return Err(failure::users_stay().into());
        }
        check_version(expected, before.version)?;
        self.version += 1;
        rows::delete(&mut self.text, table);
        let mut statement = self.conn.prepare_cached(&self.text)?;
        bind(&mut statement, [&Cell::Id(before.id)])?;
        statement.raw_execute()?;
        self.changed = true;
        if table.def.change_tracking {
            let logical = &table.def.logical;
            meta::add_tombstone(self.conn, self.version, logical, before.id, self.now)?;
        }
        named.extend(before.named);
        Ok(Written {
            id: before.id,
            version: before.version,
            created: false,
            row: None,
        })
    }

    /// The row meant, if it exists for the caller, with the condition `rule` evaluated on it.
    fn look(
        &self,
        who: &Principal,
        op: &WriteOp,
        rule: Option<&Sql>,
    ) -> Result<Option<Before>, Failure> {
        let table = &*op.table;
        let mut query = Sql::default();
        rows::look(&mut query, table, table.wake(), rule);
        query.push_key(table, &op.key)?;
        Gate::new(table, who).push_visible(&mut query);
        let mut statement = self.conn.prepare_cached(&query.text)?;
        let cells: Vec<Cell> = query.params.iter().map(|p| p.cell(who)).collect();
        bind(&mut statement, &cells)?;
        let mut found = statement.raw_query();
        let Some(row) = found.next()? else {
            return Ok(None);
        };
        let wake = table.wake().len();
        let mut named = Vec::with_capacity(wake * 2);
        for i in 0..wake {
            named.extend(identity(row.get_ref(2 + i)?));
        }
        let permitted = match rule {
            Some(_) => row.get(2 + wake)?,
            None => true,
        };
        Ok(Some(Before {
            id: sql::id(row, 0)?,
            version: row.get(1)?,
            named,
            permitted,
        }))
    }

    /// Evaluates the `check` of a rule on the row just written.
    fn check_after(
        &self,
        who: &Principal,
        table: &Table,
        id: Uuid,
        gate: &Gate<'_>,
        permit: Permit<'_>,
    ) -> Result<(), Failure> {
        let Some(check) = permit.check() else {
            return Ok(());
        };
        let mut query = Sql::default();
        rows::holds(&mut query, table, check);
        query.text.push_str(" AND ");
        query.push_key(table, &Key::Id(id))?;
        if self.yields_a_row(who, &query)? {
            return Ok(());
        }
        Err(gate.unchecked().into())
    }

    fn yields_a_row(&self, who: &Principal, query: &Sql) -> Result<bool, Failure> {
        let mut statement = self.conn.prepare_cached(&query.text)?;
        let cells: Vec<Cell> = query.params.iter().map(|p| p.cell(who)).collect();
        bind(&mut statement, &cells)?;
        Ok(statement.raw_query().next()?.is_some())
    }

    fn owner(
        &mut self,
        who: &Principal,
        table: &Table,
        cells: &[(usize, Cell)],
    ) -> Result<Cell, Failure> {
        let bound = cells.iter().find(|(column, _)| *column == OWNER);
        let owner = match bound {
            Some((_, cell)) => cell.clone(),
            None if table.is_user_owned() => Cell::Id(who.user),
            None => return Ok(Cell::Null),
        };
        self.check_owner(&owner)?;
        Ok(owner)
    }

    fn check_owner(&mut self, owner: &Cell) -> Result<(), Failure> {
        let Cell::Id(user) = owner else {
            return Err(Failure::Refused(Fault::invalid_argument(
                "A record must have an owner.",
            )));
        };
        if self.users.contains(user) {
            return Ok(());
        }
        let Some(users) = self.schema.by_logical(USERS) else {
            return Ok(());
        };
        let text = rows::ids_where(users, &users.def.primary_id);
        let mut statement = self.conn.prepare_cached(&text)?;
        bind(&mut statement, [owner])?;
        if statement.raw_query().next()?.is_none() {
            let missing = Fault::does_not_exist(USERS, *user);
            return Err(Failure::Refused(Fault {
                status: 400,
                ..missing
            }));
        }
        self.users.insert(*user);
        Ok(())
    }

    /// The row as the caller sees it after its write; nothing if the write hid it.
    fn represent(
        &self,
        who: &Principal,
        table: &Table,
        id: Uuid,
        projection: &Projection,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut writer = json::Writer::new(self.conn, self.schema, table, projection);
        let mut query = Sql::default();
        rows::select(&mut query, table, writer.columns());
        query.push_key(table, &Key::Id(id))?;
        Gate::new(table, who).push_visible(&mut query);
        let mut statement = self.conn.prepare_cached(&query.text)?;
        let cells: Vec<Cell> = query.params.iter().map(|p| p.cell(who)).collect();
        bind(&mut statement, &cells)?;
        let mut found = statement.raw_query();
        let Some(row) = found.next()? else {
            return Ok(None);
        };
        let mut out = Vec::new();
        writer.row(row, &mut out)?;
        Ok(Some(out))
    }
}
