//! Orders of rows, and where a page starts in them.
//!
//! Null comes before every value, as in Dataverse. The primary key is always the last order
//! column, so that no two rows are equal and a page starts exactly after the last row of the one
//! before, whatever was written in between.

use shraga_wire::fault::Fault;
use shraga_wire::query::OrderBy;

use super::{Sql, value};
use crate::ops::{Cell, PageCookie};
use crate::schema::{PRIMARY_ID, Table, VERSION};
use crate::sql;

/// A column to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The column.
    pub(crate) column: usize,
    /// Whether from high to low.
    pub(crate) descending: bool,
}

/// The order of a read, the primary key last. What comes after the primary key can't matter and
/// is dropped; a column named twice counts once.
///
/// # Errors
/// 400 for a column that doesn't exist.
pub(crate) fn orders(table: &Table, by: &[OrderBy]) -> Result<Vec<Order>, Fault> {
    let mut orders: Vec<Order> = Vec::with_capacity(by.len() + 1);
    for order in by {
        let column = value::column(table, &order.column)?;
        if orders.iter().any(|o| o.column == column) {
            continue;
        }
        orders.push(Order {
            column,
            descending: order.descending,
        });
        if column == PRIMARY_ID {
            return Ok(orders);
        }
    }
    // In the direction of the column before it, so that an index read backwards serves it too.
    orders.push(Order {
        column: PRIMARY_ID,
        descending: orders.last().is_some_and(|last| last.descending),
    });
    Ok(orders)
}

impl Sql {
    /// Adds `ORDER BY`.
    pub(crate) fn push_orders(&mut self, table: &Table, orders: &[Order]) {
        self.text.push_str(" ORDER BY ");
        for (i, order) in orders.iter().enumerate() {
            if i > 0 {
                self.text.push_str(", ");
            }
            sql::push_column(&mut self.text, &table.columns[order.column].logical);
            if order.descending {
                self.text.push_str(" DESC");
            }
            if order.column == VERSION {
                // No two rows share a version: what comes after can't matter.
                break;
            }
        }
    }

    /// Adds the condition that a row comes after the one `cookie` tells of.
    ///
    /// # Errors
    /// 400 if the cookie is of another order.
    pub(crate) fn push_after(
        &mut self,
        table: &Table,
        orders: &[Order],
        cookie: &PageCookie,
    ) -> Result<(), Fault> {
        if cookie.cells.len() + 1 != orders.len() {
            return Err(Fault::odata("The $skiptoken belongs to another $orderby."));
        }
        let id = Cell::Id(cookie.id);
        let cells: Vec<&Cell> = cookie.cells.iter().chain([&id]).collect();
        if orders.len() > 1 && !orders[0].descending && *cells[0] != Cell::Null {
            // Says nothing new, but lets the engine start at the right place of an index.
            self.push_compared(table, orders[0], " >= ", cells[0]);
            self.text.push_str(" AND ");
        }
        let last = orders.len() - 1;
        for (i, (&order, &cell)) in orders.iter().zip(&cells).enumerate() {
            self.text.push('(');
            self.push_beyond(table, order, cell);
            if i < last {
                self.text.push_str(" OR (");
                self.push_same(table, order, cell);
                self.text.push_str(" AND ");
            }
        }
        self.text.push(')');
        self.text.push_str(&"))".repeat(last));
        Ok(())
    }

    fn push_beyond(&mut self, table: &Table, order: Order, cell: &Cell) {
        match (cell, order.descending) {
            (Cell::Null, false) => self.push_bare(table, order, " IS NOT NULL"),
            (Cell::Null, true) => self.text.push_str("FALSE"),
            (_, false) => self.push_compared(table, order, " > ", cell),
            (_, true) => {
                self.push_compared(table, order, " < ", cell);
                self.text.push_str(" OR ");
                self.push_bare(table, order, " IS NULL");
            }
        }
    }

    fn push_same(&mut self, table: &Table, order: Order, cell: &Cell) {
        match cell {
            Cell::Null => self.push_bare(table, order, " IS NULL"),
            _ => self.push_compared(table, order, " = ", cell),
        }
    }

    fn push_bare(&mut self, table: &Table, order: Order, word: &str) {
        sql::push_column(&mut self.text, &table.columns[order.column].logical);
        self.text.push_str(word);
    }

    fn push_compared(&mut self, table: &Table, order: Order, operator: &str, cell: &Cell) {
        self.push_bare(table, order, operator);
        self.push_cell(cell.clone());
    }
}
