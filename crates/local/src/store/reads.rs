//! Answering reads from one snapshot.

use rusqlite::{CachedStatement, Connection, Rows};
use shraga_wire::fault::{Fault, codes};

use super::failure::Failure;
use super::json;
use super::types::{ReadAnswer, ReadOp};
use crate::access::{Gate, admins_only};
use crate::ops::{Cell, Delta, DeltaOp, Found, GetOp, Key, ListOp, Page, PageCookie, Principal};
use crate::query::{self, Order, Sql};
use crate::schema::{Schema, Table, VERSION};
use crate::sql::{self, bind, meta, rows};

/// Up to where matching rows are counted beside a page: one more than the wire may say.
const COUNT_CAP: u64 = 5_001;

/// How long a page may get, bytes of JSON: it ends with the row that passes this, and the next page
/// starts there. Higher costs memory per reader, lower makes more requests of wide rows.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// How long an answer may get that can't be continued, bytes of JSON.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A snapshot, and who looks at it.
pub(super) struct Snapshot<'a> {
    pub(super) conn: &'a Connection,
    pub(super) schema: &'a Schema,
    pub(super) who: &'a Principal,
}

impl Snapshot<'_> {
    /// Answers one read.
    pub(super) fn answer(&self, op: &ReadOp) -> Result<ReadAnswer, Failure> {
        match op {
            ReadOp::Get(get) => self.get(get).map(ReadAnswer::Found),
            ReadOp::List(list) => self.list(list).map(ReadAnswer::Page),
            ReadOp::Count(list) => self.count(list, None).map(ReadAnswer::Count),
            ReadOp::Delta(delta) => self.delta(delta).map(ReadAnswer::Delta),
        }
    }

    fn prepare(&self, query: &Sql) -> Result<CachedStatement<'_>, Failure> {
        let mut statement = self.conn.prepare_cached(&query.text)?;
        let cells: Vec<Cell> = query.params.iter().map(|p| p.cell(self.who)).collect();
        bind(&mut statement, &cells)?;
        Ok(statement)
    }

    fn get(&self, op: &GetOp) -> Result<Found, Failure> {
        let table = &*op.table;
        let mut writer = json::Writer::new(self.conn, self.schema, table, &op.projection);
        let mut query = Sql::default();
        rows::select(&mut query, table, writer.columns());
        query.push_key(table, &op.key)?;
        Gate::new(table, self.who).push_visible(&mut query);
        let mut statement = self.prepare(&query)?;
        let mut found = statement.raw_query();
        let Some(row) = found.next()? else {
            return Err(absent(table, &op.key).into());
        };
        let mut out = Vec::new();
        writer.row(row, &mut out)?;
        Ok(Found {
            id: sql::id(row, 0)?,
            version: row.get(1)?,
            row: out,
        })
    }

    /// The rows an operation asks for, among those that exist for the caller.
    fn matching(&self, op: &ListOp) -> Result<Sql, Failure> {
        let mut condition = match &op.filter {
            Some(filter) => query::filter(&op.table, filter)?,
            None => Sql {
                text: "TRUE".to_owned(),
                ..Sql::default()
            },
        };
        Gate::new(&op.table, self.who).push_visible(&mut condition);
        Ok(condition)
    }

    fn count(&self, op: &ListOp, cap: Option<u64>) -> Result<u64, Failure> {
        let query = rows::count(&op.table, &self.matching(op)?, cap);
        let mut statement = self.prepare(&query)?;
        let mut found = statement.raw_query();
        let count = match found.next()? {
            Some(row) => row.get::<_, i64>(0)?,
            None => 0,
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn list(&self, op: &ListOp) -> Result<Page, Failure> {
        let count = match op.count {
            true => Some(self.count(op, Some(COUNT_CAP))?),
            false => None,
        };
        let table = &*op.table;
        let orders = query::orders(table, &op.order_by)?;
        let mut writer = json::Writer::new(self.conn, self.schema, table, &op.projection);
        let cookie = Cookie::new(&orders, writer.columns().len(), op.paged);
        let mut columns = writer.columns().to_vec();
        columns.extend(cookie.columns());
        let mut query = Sql::default();
        rows::select(&mut query, table, &columns);
        query.push(&self.matching(op)?);
        if let Some(after) = &op.after {
            query.text.push_str(" AND ");
            query.push_after(table, &orders, after)?;
        }
        query.push_orders(table, &orders);
        // One more than fits, to tell whether there is another page.
        rows::push_limit(&mut query, u64::from(op.limit) + u64::from(op.paged));
        let mut statement = self.prepare(&query)?;
        let page = Page {
            count,
            ..Page::default()
        };
        fill(page, op, &mut statement.raw_query(), &mut writer, &cookie)
    }

    fn delta(&self, op: &DeltaOp) -> Result<Delta, Failure> {
        let table = &*op.table;
        admins_only(self.who, "track changes")?;
        if !table.def.change_tracking {
            let message = format!(
                "Entity: {} isn't enabled for change tracking.",
                table.def.logical
            );
            return Err(Fault::new(400, codes::CHANGE_TRACKING_NOT_ENABLED, message).into());
        }
        let newest = meta::number(self.conn, meta::VERSION)?.unwrap_or(0);
        let floor = meta::delta_floor(self.conn, &table.def.logical)?.unwrap_or(newest);
        if op.since < floor || op.since > newest {
            return Err(Fault::expired_version_stamp().into());
        }
        let mut delta = Delta {
            version: newest,
            ..Delta::default()
        };
        self.changed_rows(op, &mut delta)?;
        self.deletions(op, &mut delta)?;
        Ok(delta)
    }

    /// Changed rows in the order of their versions; if there are more than the limit, the delta ends
    /// with the last that fits.
    fn changed_rows(&self, op: &DeltaOp, delta: &mut Delta) -> Result<(), Failure> {
        let table = &*op.table;
        let mut writer = json::Writer::new(self.conn, self.schema, table, &op.projection);
        let mut query = Sql::default();
        rows::select(&mut query, table, writer.columns());
        rows::push_since(&mut query, op.since);
        let by_version = Order {
            column: VERSION,
            descending: false,
        };
        query.push_orders(table, &[by_version]);
        rows::push_limit(&mut query, u64::from(op.limit) + 1);
        let mut statement = self.prepare(&query)?;
        let mut found = statement.raw_query();
        let mut last = op.since;
        while let Some(row) = found.next()? {
            if delta.len == op.limit || delta.rows.len() >= PAGE_BYTES {
                (delta.more, delta.version) = (true, last);
                break;
            }
            if delta.len > 0 {
                delta.rows.push(b',');
            }
            writer.row(row, &mut delta.rows)?;
            delta.len += 1;
            last = row.get(1)?;
        }
        Ok(())
    }

    /// Deletions up to the delta's version. If there are more than the limit, the delta ends with
    /// the last that fits; rows beyond that will be told once more, which does no harm.
    fn deletions(&self, op: &DeltaOp, delta: &mut Delta) -> Result<(), Failure> {
        let (logical, until) = (&op.table.def.logical, delta.version);
        let limit = op.limit.saturating_add(1);
        let mut gone = meta::tombstones(self.conn, logical, op.since, until, limit)?;
        if gone.len() > op.limit as usize {
            gone.truncate(op.limit as usize);
            delta.more = true;
            delta.version = gone.last().map_or(op.since, |(version, _)| *version);
        }
        delta.deleted = gone.into_iter().map(|(_, id)| id).collect();
        Ok(())
    }
}

/// Fills a page with the rows that fit; a row more than that means another page.
fn fill(
    mut page: Page,
    op: &ListOp,
    found: &mut Rows<'_>,
    writer: &mut json::Writer<'_>,
    cookie: &Cookie<'_>,
) -> Result<Page, Failure> {
    let mut last = None;
    while let Some(row) = found.next()? {
        if page.len == op.limit || last.is_some() {
            page.next = last;
            break;
        }
        if page.len > 0 {
            page.rows.push(b',');
        }
        writer.row(row, &mut page.rows)?;
        page.len += 1;
        let size = page.rows.len();
        if op.paged && (page.len == op.limit || size >= PAGE_BYTES) {
            last = Some(cookie.read(row)?);
        }
        if !op.paged && size > ANSWER_BYTES {
            return Err(too_long().into());
        }
    }
    Ok(page)
}

fn too_long() -> Fault {
    Fault::too_large(
        "The answer is too long. Ask for fewer columns with $select, for fewer rows with $top, or \
         page with odata.maxpagesize.",
    )
}

fn absent(table: &Table, key: &Key) -> Fault {
    match key {
        Key::Id(id) => Fault::does_not_exist(&table.def.logical, *id),
        Key::Alternate(..) => Fault::not_found_by_key(&table.def.logical),
    }
}

/// Reads page starts off rows: the order columns are selected after the others.
struct Cookie<'a> {
    orders: &'a [Order],
    first: usize,
}

impl<'a> Cookie<'a> {
    fn new(orders: &'a [Order], selected: usize, wanted: bool) -> Self {
        // The last order column is the primary key, which every row starts with.
        let orders = if wanted {
            &orders[..orders.len() - 1]
        } else {
            &[]
        };
        Self {
            orders,
            first: 2 + selected,
        }
    }

    fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.orders.iter().map(|order| order.column)
    }

    fn read(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<PageCookie> {
        let cells = (0..self.orders.len())
            .map(|i| Ok(sql::cell(row.get_ref(self.first + i)?)))
            .collect::<rusqlite::Result<_>>()?;
        Ok(PageCookie {
            cells,
            id: sql::id(row, 0)?,
        })
    }
}
